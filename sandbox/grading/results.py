"""The shapes that pass between the parent, the grader's child, the store and the reports."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from msgspec import Struct, structs

from sandbox.models import Company

Outcome = Literal["passed", "failed", "tampered"]
Phase = Literal["before", "after"]


class HostAccess(Struct, frozen=True, kw_only=True):
    """How the grader reaches one machine; the fields of `ssh.Endpoint`, ready for JSON."""

    name: str
    connect: str
    port: int
    key: str  # path of the private key
    host_key: str  # "ssh-ed25519 AAAA…"
    user: str = "root"
    hidden: bool = False
    fresh: bool = False


class Request(Struct, frozen=True, kw_only=True):
    """One phase of one grading, as the child is told. `variant` is the text of a dumped variant."""

    scenario: str
    grader: str
    phase: Phase
    hidden: bool  # True in a grade: hidden inputs are drawn from `salt`
    salt: str  # "sample" in a check
    variant: str
    company: Company
    hosts: list[HostAccess]
    connect_seconds: float = 10.0
    statement_seconds: float = 60.0  # the longest that one may take that does not say
    patience_seconds: float = 3600.0  # the longest wait for a statement, whatever its `within`
    failed_before: list[str] = []  # ids of statements that failed before the reboot


class CheckRun(Struct, frozen=True, kw_only=True):
    """What one check said in one phase."""

    id: str
    title: str
    points: int
    passed: bool
    message: str = ""  # for the learner; empty when it passed
    needs: list[str] = []
    seconds: float = 0.0


class GuardRun(Struct, frozen=True, kw_only=True):
    """What one guard said in one phase."""

    id: str
    title: str
    cap: int
    held: bool
    message: str = ""
    seconds: float = 0.0


class PhaseResult(Struct, frozen=True, kw_only=True):
    """All that a grader said in one phase. `unreachable` names hosts that stopped answering; what
    that means is for the caller, who can ask another machine."""

    checks: list[CheckRun]
    guards: list[GuardRun]
    unreachable: list[str] = []
    seconds: float = 0.0

    @classmethod
    def unanswered(cls, before: PhaseResult, lost: dict[str, str]) -> PhaseResult:
        """The phase that could not be held, because the machines in `lost` are gone (host → why):
        every check fails and says so; guards, of which nothing was seen, are as they were."""
        why = "; ".join(lost.values())
        checks = [
            structs.replace(check, passed=False, message=why, seconds=0.0)
            for check in before.checks
        ]
        return cls(checks=checks, guards=list(before.guards), unreachable=sorted(lost))


class Broken(Struct, frozen=True, kw_only=True):
    """Why a grader cannot be believed: `where` is file:line, `log` the traceback."""

    message: str
    where: str = ""
    log: str = ""


class ChildReport(Struct, frozen=True, kw_only=True):
    """What the child leaves in its results file: exactly one of the two."""

    result: PhaseResult | None = None
    broken: Broken | None = None


class CheckResult(Struct, frozen=True, kw_only=True):
    """One check of a grade; `after` is None where there was no reboot."""

    id: str
    title: str
    points: int
    earned: int
    before: bool
    after: bool | None
    message: str = ""
    seconds: float = 0.0


class GuardResult(Struct, frozen=True, kw_only=True):
    """One guard of a grade; broken, it caps the score at `cap`. `after` is None where there was no
    reboot."""

    id: str
    title: str
    cap: int
    held: bool
    before: bool = True
    after: bool | None = None
    message: str = ""
    seconds: float = 0.0


class Missing(Struct, frozen=True):
    """A fact that the note lacks, in words that do not give the cause away."""

    id: str
    says: str

    def __str__(self) -> str:
        return self.says


class NoteResult(Struct, frozen=True, kw_only=True):
    """What the learner's note has. `problems` are sentences for the learner."""

    accepted: bool
    facts: list[str] = []
    missing: list[Missing] = []
    problems: list[str] = []
    words: int = 0


class Grade(Struct, frozen=True, kw_only=True):
    """A grade, as `check --format json` and `grade --format json` print it.

    `counts` is what the score is worth now: 0 while the outcome is *tampered*. `note` is None when
    the learner has written none.
    """

    attempt: str
    scenario: str
    seed: str
    version: int
    content_hash: str
    kind: Literal["check", "grade"]
    outcome: Outcome
    score: int
    max: int
    counts: int
    checks: list[CheckResult]
    guards: list[GuardResult]
    hints_cost: int = 0
    debrief_read: bool = False  # the answer was read before this grade was taken
    note: NoteResult | None = None
    tampered: list[str] = []
    lost: dict[str, str] = {}  # host → why it counts as failed
    learner: str = ""  # whom the start code was made for
    salt: str = ""  # what hidden inputs were drawn from
    graded_at: str = ""  # ISO 8601, UTC
    seconds: float = 0.0

    def failed_checks(self) -> Iterable[CheckResult]:
        return (check for check in self.checks if check.earned < check.points)


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a grade."""
    import msgspec

    return msgspec.json.schema(Grade)
