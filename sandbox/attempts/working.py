"""What happens on the machines: the learner's ways in, the check and the grade."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sandbox.attempts.starting import Starting
from sandbox.attempts.words import Words
from sandbox.errors import InternboxError, MachineError, UsageError
from sandbox.models import Solution
from sandbox.store import AttemptRow

if TYPE_CHECKING:
    from sandbox.grading.process import Process
    from sandbox.grading.results import Grade
    from sandbox.grading.taking import Taken, Taker
    from sandbox.lab import HostRecord, LabRecord
    from sandbox.runtime.base import ConsoleStream, Place, Running
    from sandbox.topology import Bringer


RETURN_SECONDS = 8.0  # the engine may just be restarting one, for a command that was killed


def _answers(place: Place) -> bool:
    """Whether somebody speaks where learners log in; the engine's own proxy takes and closes
    others. Asks no engine."""
    try:
        with socket.create_connection((place.connect, place.learner_port), timeout=2) as link:
            return bool(link.recv(1, socket.MSG_PEEK))
    except OSError:
        return False


class Working(Starting, Words):
    """ssh, console, check and grade."""

    def ssh_args(self, ref: str | None = None, host: str | None = None) -> list[str]:
        """The command that logs the learner in."""
        row = self._living(ref)
        name = self._visible_host(row, host)
        if not _answers(self._record(row).hosts[name].place):
            self._wake(row)
        self.store.touch(row.id)
        return ["ssh", "-F", str(self.home.attempt(row.id).ssh_config), name]

    def console(self, ref: str | None, host: str | None) -> tuple[ConsoleStream, str]:
        """The console of a machine, and the password with which intern and root log in there."""
        row = self._living(ref)
        record = self._record(row)
        name = self._visible_host(row, host)
        self._wake(row)
        stream = self.runtime.attach(record.hosts[name].container)
        return stream, record.console_password

    def _visible_host(self, row: AttemptRow, host: str | None) -> str:
        record = self._record(row)
        names = [entry.host for entry in record.visible()]
        name = host or record.learner_host
        if name not in names:
            raise UsageError(
                f"{row.id} has no host {name} that you can log in to",
                hint=f"try {', '.join(names)}",
            )
        return name

    def apply(self, ref: str | None, folder: Path, solution: Solution) -> None:
        """Does a solution's steps as the learner would, and writes its note."""
        from sandbox import rendering
        from sandbox.steps import Steps

        bringer, record = self.machines(ref)
        Steps(bringer, record, folder).apply(solution)
        note = folder / solution.note
        if note.is_file():
            self.note(ref, rendering.script(note, bringer.loaded, bringer.variant))

    def check(self, ref: str | None = None, process: Process | None = None) -> Grade:
        """A quick look with public samples; nothing is recorded but the time of it.

        `process` is one for the grader that imports already.
        """
        with self._alone(ref) as row:
            with self._taker(row, process, salt="") as taker:
                taken = taker.check()
            self.store.touch(row.id)
            return self._grade(row, taken, kind="check", salt="")

    def grade(self, ref: str | None = None, process: Process | None = None) -> Grade:
        """Before and after a reboot; recorded. GraderError and EngineError record nothing."""
        from sandbox.grading import taking

        salt = taking.new_salt()
        with (
            self._alone(ref) as row,
            self._taker(row, process, salt=salt) as taker,
            self._grading(row),
        ):
            grade = self._grade(row, taker.grade(), kind="grade", salt=salt)
            self.store.record_grade(row.id, grade)
        return grade

    @contextmanager
    def _grading(self, row: AttemptRow) -> Iterator[None]:
        self.store.move(row.id, "grading")
        try:
            yield
        except BaseException:
            self.store.move(row.id, "running")
            with suppress(InternboxError):
                self.runtime.remove(row.id, role="fresh")
            raise

    def machines(self, ref: str | None = None) -> tuple[Bringer, LabRecord]:
        """What it takes to reach the machines of an attempt and to make more of them."""
        row = self._living(ref)
        return self._bringer(row.id, self._loaded(row), self._variant(row)), self._record(row)

    @contextmanager
    def _taker(self, row: AttemptRow, process: Process | None, *, salt: str) -> Iterator[Taker]:
        """Its grader imports what it needs while the engine is asked."""
        loaded = self._loaded(row)
        with self._grader(loaded.files, process) as grader:
            from sandbox.grading.taking import Taker

            self._complete(row)
            bringer = self._bringer(row.id, loaded, self._variant(row))
            yield Taker(bringer, self._record(row), salt, grader)

    def _wake(self, row: AttemptRow) -> list[Running]:
        """Its machines; those that are off since the engine was restarted, or that have lost their
        network, go on and answer first.

        MachineError when one of them has lost what was on its disks.
        """
        machines = self.runtime.machines(row.id)
        states = {machine.state for machine in machines}
        if "dead" in states:
            raise self._interrupted(row, "what was on its small disks is lost")
        if row.lab == "{}":  # a start or reset that was killed: not all are there, or none
            return machines
        if "asleep" not in states and not self.runtime.cut_off(row.id):
            return machines
        from sandbox import readiness, topology

        self.progress("turning the machines on again")
        self.runtime.wake(row.id)
        key = self.home.attempt(row.id).grader_key

        def settle(host: HostRecord) -> None:
            endpoint = topology.grader_endpoint(host, key)
            readiness.settle_at(endpoint, seconds=readiness.BOOT_SECONDS)

        topology.in_parallel(settle, self._record(row).standing())
        return self.runtime.machines(row.id)

    def _complete(self, row: AttemptRow) -> None:
        """An attempt whose machines the engine has lost is interrupted, never graded wrong."""
        machines = self._wake(row)
        deadline = time.monotonic() + RETURN_SECONDS
        while not self._whole(row, machines):
            if row.lab == "{}" or not machines or time.monotonic() > deadline:
                raise self._interrupted(row, "its machines are gone")
            time.sleep(0.2)
            machines = self.runtime.machines(row.id)

    def _interrupted(self, row: AttemptRow, why: str) -> MachineError:
        self.store.move(row.id, "interrupted")
        return MachineError(
            f"{row.id} was interrupted: {why}",
            hint=f"internbox reset {row.id} starts it again from the beginning",
        )

    def _grade(
        self, row: AttemptRow, taken: Taken, *, kind: Literal["check", "grade"], salt: str
    ) -> Grade:
        from sandbox.grading import score

        loaded, variant = self._loaded(row), self._variant(row)
        return score.combine(
            taken.before,
            taken.after,
            attempt=row.id,
            scenario=row.scenario,
            seed=row.seed,
            version=row.version,
            content_hash=row.content_hash,
            kind=kind,
            learner=row.learner,
            salt=salt,
            hints_cost=sum(hint.cost for hint in self.store.hints(row.id)),
            debrief_read=self._debrief_read(row),
            note=self._judged(row, loaded, variant),
            tampered=taken.tampered,
            lost=taken.lost,
            redact=variant.redact,
        )
