"""Does to the machines what a fix says, until the first step that fails."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sandbox import ssh
from sandbox.errors import InternboxError, MachineError, Unreachable
from sandbox.grading import safe
from sandbox.grading.runs import StepFailure
from sandbox.running import playbooks
from sandbox.running.plan import Action, Copy, Pause, Playbook, Reboot, Script
from sandbox.steps import StepFailed, Steps

LAST_LOGIN_SECONDS = 10.0
LOCKED_OUT = (
    "{host} lets nobody in over SSH any more, which it did before the fix: "
    "the one whose machine it is can no longer work on it"
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
        """All in order. Whatever is wrong with a step is in the answer, never raised."""
        applied = Applied()
        for action in actions:
            self.progress(f"{action.name} on {action.host}")
            try:
                self._do(action)
            except StepFailed as error:
                applied.failed = self._failure(
                    action, f"ended with {error.exit_code}", error.output, error.exit_code
                )
            except (ssh.CommandTimeout, playbooks.PlaybookTimeout) as error:
                said = getattr(error, "output", "") or getattr(error, "stdout", "")
                why = f"did not end within {self.steps.seconds:.0f} seconds"
                applied.failed = self._failure(action, why, said + getattr(error, "stderr", ""))
            except Unreachable:
                applied.failed = self._failure(action, _unreachable(action), "")
            except MachineError as error:
                applied.failed = self._failure(action, error.message, "")
            if applied.failed:
                break
            if isinstance(action, Script | Copy) and getattr(action, "via", "ssh") == "ssh":
                applied.let_in.add(action.host)
        return applied

    def _do(self, action: Action) -> None:
        match action:
            case Script(via="console"):
                self.steps.on_console(action.host, action.program)
            case Script():
                self.steps.over_ssh(action.host, action.program)
            case Copy():
                self._copy(action)
            case Playbook():
                self._play(action)
            case Reboot():
                self.steps.reboot(action.host)
            case Pause():
                time.sleep(action.seconds)

    def _copy(self, action: Copy) -> None:
        folder = shlex.quote(action.name)
        command = f"mkdir -p -- {folder} && tar -x -f - -C {folder} --no-same-owner"
        with self.steps.log_in(action.host) as link:
            done = link.run(command, stdin=action.archive, timeout=self.steps.seconds)
        if done.rc:
            raise StepFailed(action.name, action.host, exit_code=done.rc, output=done.stderr)

    def _play(self, action: Playbook) -> None:
        hosts = [host.host for host in self.steps.record.visible()]
        files = self.steps.bringer.files
        playbooks.run(action, files, hosts, seconds=self.steps.seconds, started=self.started)

    def _failure(
        self, action: Action, why: str, output: str, exit_code: int | None = None
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

    def locked_out(self, hosts: set[str]) -> dict[str, str]:
        """Those of `hosts` that let nobody in any more, though the grader is; and what that means.

        To be asked after the grade: the reboot is over then.
        """
        return {
            host: LOCKED_OUT.format(host=host) for host in sorted(hosts) if not self._lets_in(host)
        }

    def _lets_in(self, host: str) -> bool:
        try:
            with self.steps.log_in(host, seconds=LAST_LOGIN_SECONDS) as link:
                return link.run("echo in", timeout=LAST_LOGIN_SECONDS).stdout.endswith("in\n")
        except (InternboxError, TimeoutError):
            return False


def _unreachable(action: Action) -> str:
    if isinstance(action, Reboot):
        return "the machine did not come back"
    return "nobody can log in over SSH"
