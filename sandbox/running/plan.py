"""What is done to the machines of one scenario, known before any of them starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sandbox.errors import UsageError
from sandbox.scenarios import Loaded
from sandbox.steps import Program

EVERY_HOST = "all"


@dataclass(frozen=True)
class Script:
    """Run as the learner."""

    host: str
    program: Program
    via: Literal["ssh", "console"] = "ssh"

    @property
    def name(self) -> str:
        return self.program.name


@dataclass(frozen=True)
class Copy:
    """Unpack a tar at ~/`name` of the learner."""

    host: str
    name: str
    archive: bytes


@dataclass(frozen=True)
class Playbook:
    """Run by ansible-playbook on this computer, against `host` or EVERY_HOST."""

    host: str
    path: Path

    @property
    def name(self) -> str:
        return self.path.name


@dataclass(frozen=True)
class Reboot:
    host: str
    name: str = "reboot"


@dataclass(frozen=True)
class Pause:
    host: str
    seconds: float
    name: str = "wait"


Action = Script | Copy | Playbook | Reboot | Pause


@dataclass(frozen=True)
class Fix:
    """What somebody did to mend a scenario. `shown` is its path for reports; empty: untouched."""

    actions: tuple[Action, ...] = ()
    note: str | None = None
    shown: str = ""

    @property
    def runner_code(self) -> bool:
        return any(isinstance(action, Playbook) for action in self.actions)


@dataclass(frozen=True)
class Plan:
    """One scenario of a run. `wrong` is why its fix cannot be run; then `fix` is empty."""

    loaded: Loaded
    seed: str
    fix: Fix
    wrong: UsageError | None = None

    @property
    def scenario(self) -> str:
        return self.loaded.id
