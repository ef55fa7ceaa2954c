"""Starts scenarios, applies a fix to each as its learner would, grades, and removes all again."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue

from sandbox import scratch
from sandbox.attempts import Labs, silent
from sandbox.errors import InternboxError
from sandbox.grading import safe
from sandbox.grading.runs import RunGrade, RunReport, Ungraded, locked_out
from sandbox.running.applying import Applier
from sandbox.running.plan import Fix, Plan
from sandbox.running.planning import Wanted, plans, shown
from sandbox.running.playbooks import Started
from sandbox.steps import STEP_SECONDS, Steps

__all__ = ["Fix", "Plan", "Run", "Wanted", "plans", "shown"]

MOST_AT_A_TIME = 8
HALT_SECONDS = 2.0  # for machines that are just being made
LAST_SECONDS = 0.5  # for threads whose machines are gone
PURPOSE = "run"

Progress = Callable[[str], None]
Result = RunGrade | Ungraded


@dataclass
class Run:
    """One call: its plans, and what it takes to end it at any moment."""

    labs: Labs  # where the machines are made; its own attempts are left alone
    plans: Sequence[Plan]
    threshold: int = 100
    commit: str = ""
    jobs: int = 0
    seconds: float = STEP_SECONDS
    progress: Progress = silent
    started: Started = field(default_factory=Started)
    threads: list[threading.Thread] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def purpose(self) -> str:
        """Of its attempts: `gc` removes them when the process is no more."""
        return f"{PURPOSE}:{os.getpid()}"

    def report(self) -> RunReport:
        """All scenarios, several at a time. KeyboardInterrupt once nothing of it is left."""
        with _own_temporary_folder():
            try:
                results = self._all()
            except BaseException:
                self._abandon()
                raise
        return RunReport.of(
            [results[plan.scenario] for plan in self.plans],
            commit=self.commit,
            seed=self.plans[0].seed,
            threshold=self.threshold,
        )

    # --- in the main thread ---------------------------------------------------------------------

    def _all(self) -> dict[str, Result]:
        """The results by scenario. Its threads are never waited for after an interrupt."""
        results: dict[str, Result] = {}
        for plan in self.plans:
            lacking = _ungraded(plan, plan.wrong) if plan.wrong else self._images(plan)
            if lacking:
                results[plan.scenario] = lacking
        todo = [plan for plan in self.plans if plan.scenario not in results]
        waiting: SimpleQueue[Plan] = SimpleQueue()
        said: SimpleQueue[str | tuple[Plan, Result | BaseException]] = SimpleQueue()
        for plan in todo:
            waiting.put(plan)
        for _ in range(min(self.jobs or _default_jobs(), len(todo))):
            thread = threading.Thread(target=self._work, args=(waiting, said), daemon=True)
            self.threads.append(thread)
            thread.start()
        while len(results) < len(self.plans):
            item = said.get()
            if isinstance(item, str):
                self.progress(item)
                continue
            plan, result = item
            if isinstance(result, BaseException):
                raise result
            results[plan.scenario] = result
            self.progress(f"{plan.scenario}: {_word(result)} ({len(results)}/{len(self.plans)})")
        return results

    def _images(self, plan: Plan) -> Ungraded | None:
        """Builds what is missing, here, where an interrupt ends it in good order."""
        names = sorted({host.image for host in plan.loaded.settings.hosts.values()})
        try:
            self.labs.runtime.ensure_images(plan.loaded.files.content, names, self.progress)
        except InternboxError as error:
            return _ungraded(plan, error)
        return None

    def _abandon(self) -> None:
        """Ends what runs: no machine is made from here on, those made are removed."""
        with _undisturbed():
            self.ended.set()
            self.started.kill()
            with suppress(InternboxError):
                self.labs.runtime.halt(within=HALT_SECONDS)
            self._clear_away()
            deadline = time.monotonic() + LAST_SECONDS
            for thread in self.threads:
                thread.join(max(0.0, deadline - time.monotonic()))
            self._clear_away()  # what they wrote down meanwhile

    def _clear_away(self) -> None:
        """Removes the attempts of this run, whatever state they are in."""
        with self._own_labs() as labs:
            mine = [row.id for row in labs.store.living() if row.purpose == self.purpose]
            for attempt in mine:
                with suppress(InternboxError):
                    labs.runtime.remove(attempt)
                labs.store.forget(attempt)
                shutil.rmtree(labs.home.attempt(attempt).root, ignore_errors=True)

    @contextmanager
    def _own_labs(self, progress: Progress = silent) -> Iterator[Labs]:
        """The same engine, and a connection to the database for one thread."""
        labs = Labs(
            self.labs.home,
            content=self.labs.content,
            runtime=self.labs.runtime,
            purpose=self.purpose,
            progress=progress,
        )
        try:
            yield labs
        finally:
            labs.store.close()

    # --- in a thread of its own -------------------------------------------------------------------

    def _work(
        self,
        waiting: SimpleQueue[Plan],
        said: SimpleQueue[str | tuple[Plan, Result | BaseException]],
    ) -> None:
        """One scenario after the other, until none is left."""
        while not self.ended.is_set():
            try:
                plan = waiting.get_nowait()
            except Empty:
                return

            def tell(text: str, name: str = plan.scenario) -> None:
                said.put(f"{name}: {text}")

            try:
                with self._own_labs(tell) as labs:
                    said.put((plan, self._one(labs, plan, tell)))
            except InternboxError as error:
                said.put((plan, _ungraded(plan, error)))
            except BaseException as error:  # noqa: BLE001 - raised again in the main thread
                said.put((plan, error))

    def _one(self, labs: Labs, plan: Plan, tell: Progress) -> RunGrade:
        tell("starting")
        attempt = labs.start(str(plan.loaded.files.root), seed=plan.seed).id
        try:
            return self._fixed_and_graded(labs, plan, attempt, tell)
        finally:
            labs.forget(attempt)

    def _fixed_and_graded(self, labs: Labs, plan: Plan, attempt: str, tell: Progress) -> RunGrade:
        bringer, record = labs.machines(attempt)
        steps = Steps(bringer, record, Path(), seconds=self.seconds)
        applier = Applier(steps, self.started, tell)
        applied = applier.apply(plan.fix.actions)
        if applied.failed:
            tell(f"{applied.failed.step} on {applied.failed.host} {applied.failed.why}")
        if plan.fix.note and plan.fix.note.strip():
            labs.note(attempt, plan.fix.note)
        tell("grading")
        grade = labs.grade(attempt)
        if shut := applier.locked_out(applied.let_in - grade.lost.keys()):
            grade = locked_out(grade, shut)
        return RunGrade.of(
            grade,
            fix=plan.fix.shown,
            step_failed=applied.failed,
            runner_code=plan.fix.runner_code,
        )


def _default_jobs() -> int:
    return min(MOST_AT_A_TIME, 2 * (os.cpu_count() or 2))  # a run mostly waits for machines


def _word(result: Result) -> str:
    if isinstance(result, Ungraded):
        return "could not grade"
    return f"{result.outcome}, {result.score} of {result.max}"


def _ungraded(plan: Plan, error: InternboxError) -> Ungraded:
    return Ungraded(
        scenario=plan.scenario,
        seed=plan.seed,
        message=safe.text(error.message),
        hint=error.hint,
        fix=plan.fix.shown,
        wrong_fix=error is plan.wrong,
    )


@contextmanager
def _undisturbed() -> Iterator[None]:
    """No second signal interrupts what removes the machines."""
    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _own_temporary_folder() -> Iterator[None]:
    """One folder for the temporary files of all threads, which goes even when a thread does not."""
    before = tempfile.tempdir
    folder = tempfile.mkdtemp(prefix=scratch.prefix())
    tempfile.tempdir = folder
    try:
        yield
    finally:
        tempfile.tempdir = before
        for _ in range(3):  # a thread left behind may just be writing
            shutil.rmtree(folder, ignore_errors=True)
            if not Path(folder).exists():
                break
            time.sleep(0.05)
