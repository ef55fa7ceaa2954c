"""Does to the machines what a fix says, until the first step that fails."""

from __future__ import annotations

import dataclasses
import shlex
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field

from sandbox import ssh, topology
from sandbox.errors import EngineError, InternboxError, MachineError, Unreachable
from sandbox.grading import safe
from sandbox.grading.runs import StepFailure
from sandbox.running import playbooks
from sandbox.running.plan import Action, Copy, Pause, Playbook, Reboot, Script
from sandbox.steps import StepFailed, Steps

LAST_LOGIN_SECONDS = 30.0  # a slow host is not a shut one
ONCE_MORE_SECONDS = 10.0
PAUSE_SECONDS = 0.5
LOCKED_OUT = (
    "{host} lets nobody in over SSH any more, which it did before the fix: "
    "the one whose machine it is can no longer work on it"
)
NO_CONTROL = (
    "{hosts} cannot be logged in to, and the control does not answer either: this says nothing "
    "about the fix, so nothing was graded"
)


@dataclass
class Applied:
    """How far a fix came, and the hosts that somebody could log in to meanwhile."""

    failed: StepFailure | None = None
    let_in: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Applier:
    """One fix on the machines of one attempt."""

    steps: Steps
    started: playbooks.Started
    progress: Callable[[str], None]

    def apply(self, actions: tuple[Action, ...]) -> Applied:
        """All in order. Whatever is wrong with a step is in the answer, never raised; EngineError
        when a machine cannot be reached, nor the control."""
        applied = Applied()
        self.steps.settle()
        for action in actions:
            self.progress(f"{action.name} on {action.host}")
            try:
                self._do(action, applied)
            except StepFailed as error:
                why = f"ended with {error.exit_code}"
                applied.failed = self._failure(action, why, error.output, error.exit_code)
            except (ssh.CommandTimeout, playbooks.PlaybookTimeout) as error:
                why = f"did not end within {self.steps.seconds:.0f} seconds"
                applied.failed = self._failure(action, why, _said(error))
            except ssh.Stranger as error:
                applied.failed = self._failure(action, f"could not begin: {error.message}")
            except Unreachable:
                self._require_control([action.host])
                why = _unreachable(action, action.host in applied.let_in)
                applied.failed = self._failure(action, why)
            except MachineError as error:
                applied.failed = self._failure(action, error.message)
            if applied.failed:
                break
        return applied

    def _do(self, action: Action, applied: Applied) -> None:
        match action:
            case Script(via="console"):
                self.steps.on_console(action.host, action.program)
            case Script():
                self._script(action, applied)
            case Copy():
                self._copy(action, applied)
            case Playbook():
                self._play(action)
            case Reboot():
                self.steps.reboot(action.host)
            case Pause():
                time.sleep(action.seconds)

    def _script(self, action: Script, applied: Applied) -> None:
        """A script may reboot its machine: that is over before the next step, or the grade."""
        before = self.steps.boot(action.host)
        with self.steps.log_in(action.host) as link:
            applied.let_in.add(action.host)
            try:
                self.steps.on_link(link, action.program)
            except Unreachable:
                if not self._went_down(action.host, before):
                    raise
            else:
                self._went_down(action.host, before)

    def _went_down(self, host: str, before: str) -> bool:
        """Whether it was rebooted since `before`; it is back then."""
        try:
            now = self.steps.boot(host)
        except (Unreachable, ssh.CommandTimeout):
            now = ""
        if now == before:
            return False
        self.steps.wait_boot(host, before)
        return True

    def _copy(self, action: Copy, applied: Applied) -> None:
        folder = shlex.quote(action.name)
        command = f"mkdir -p -- {folder} && tar -x -f - -C {folder} --no-same-owner"
        with self.steps.log_in(action.host) as link:
            applied.let_in.add(action.host)
            done = link.run(command, stdin=action.archive, timeout=self.steps.seconds)
        if done.rc:
            raise StepFailed(action.name, action.host, exit_code=done.rc, output=done.stderr)

    def _play(self, action: Playbook) -> None:
        hosts = [host.host for host in self.steps.record.visible()]
        files = self.steps.bringer.files
        playbooks.run(action, files, hosts, seconds=self.steps.seconds, started=self.started)

    def _failure(
        self, action: Action, why: str, output: str = "", exit_code: int | None = None
    ) -> StepFailure:
        """What the learner may read: nothing that drives a terminal, no secret of the variant."""
        redact = self.steps.bringer.variant.redact
        return StepFailure(
            step=safe.line(action.name, limit=200),
            host=action.host,
            exit_code=exit_code,
            why=redact(safe.line(why)),
            output=redact(safe.text(output.strip(), limit=4000)),
        )

    def locked_out(self, hosts: Collection[str]) -> dict[str, str]:
        """Those of `hosts` that let nobody in any more, though the grader is; and what that means.

        To be asked after the grade: the reboot is over then. EngineError when the control does not
        answer either: then it may well be the engine that lets nobody in.
        """
        shut = self._shut(sorted(hosts), LAST_LOGIN_SECONDS)
        if shut:
            self._require_control(shut)
            shut = self._shut(shut, ONCE_MORE_SECONDS)  # now that the engine is known to answer
        return {host: LOCKED_OUT.format(host=host) for host in shut}

    def _shut(self, hosts: list[str], seconds: float) -> list[str]:
        answers = topology.in_parallel(lambda host: self._lets_in(host, seconds), hosts)
        return [host for host, open_ in zip(hosts, answers, strict=True) if not open_]

    def _lets_in(self, host: str, seconds: float) -> bool:
        """Tried for so long: whether the learner's key opens the machine, and a shell answers."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            with suppress(InternboxError, TimeoutError), self._log_in(host, left) as link:
                if link.run("echo in", timeout=left).stdout.endswith("in\n"):
                    return True
            time.sleep(PAUSE_SECONDS)
        return False

    def _log_in(self, host: str, seconds: float) -> ssh.Connection:
        """With whatever host key: new ones are the fix's own doing. A colleague is warned of them,
        and gets in."""
        bringer, record = self.steps.bringer, self.steps.record
        endpoint = topology.learner_endpoint(record.hosts[host], bringer.files.learner_key)
        try:
            return ssh.connect(endpoint, deadline=seconds)
        except ssh.Stranger as error:
            return ssh.connect(
                dataclasses.replace(endpoint, host_key=error.host_key), deadline=seconds
            )

    def _require_control(self, hosts: list[str]) -> None:
        """EngineError unless the engine has all of `hosts`, and a machine that is started just for
        this question answers on it: only then is their silence the fix's doing."""
        bringer, record = self.steps.bringer, self.steps.record
        answers = False
        with suppress(InternboxError):
            answers = bringer.probe(record)
        if not (answers and bringer.has(record.hosts[host] for host in hosts)):
            raise EngineError(
                NO_CONTROL.format(hosts=", ".join(hosts)), hint="internbox doctor, then run again"
            )


def _said(error: ssh.CommandTimeout | playbooks.PlaybookTimeout) -> str:
    if isinstance(error, playbooks.PlaybookTimeout):
        return error.output
    return error.stdout + error.stderr


def _unreachable(action: Action, let_in: bool) -> str:
    if isinstance(action, Reboot):
        return "is not over: the machine did not come back"
    if let_in:
        return "was cut off: the machine closed the connection"
    return "could not begin: nobody can log in over SSH"
