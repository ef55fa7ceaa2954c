"""The shapes of a run: the grades of several scenarios, and what went wrong on the way to them."""

from __future__ import annotations

from msgspec import Struct, field, structs

from sandbox import __version__
from sandbox.grading.results import Grade


class StepFailure(Struct, frozen=True, kw_only=True):
    """The step that ended a fix. `exit_code` is None when it never ended, or could not begin.

    `output` is the end of what it said, made safe to show.
    """

    step: str
    host: str
    exit_code: int | None = None
    why: str
    output: str = ""


class RunGrade(Grade, frozen=True, kw_only=True):
    """The grade of one scenario of a run."""

    fix: str = ""  # what was applied, as a path of the checkout; empty: nothing
    step_failed: StepFailure | None = None
    runner_code: bool = False  # code of the fix ran beside the grader: its author could forge this

    @classmethod
    def of(
        cls, grade: Grade, *, fix: str, step_failed: StepFailure | None, runner_code: bool
    ) -> RunGrade:
        values = {name: getattr(grade, name) for name in Grade.__struct_fields__}
        return cls(**values, fix=fix, step_failed=step_failed, runner_code=runner_code)

    def reaches(self, threshold: int) -> bool:
        """Whether it is good enough. What was tampered with counts 0, whatever the threshold."""
        return self.outcome != "tampered" and self.counts >= threshold


class Ungraded(Struct, frozen=True, kw_only=True):
    """A scenario of which nothing can be said: the engine, the image or the grader is at fault, or
    the fix is none that a machine could run."""

    scenario: str
    seed: str
    message: str
    hint: str = ""
    fix: str = ""
    wrong_fix: bool = False  # nothing was started: its author has to mend it first


class RunReport(Struct, frozen=True, kw_only=True):
    """What `run --format json` prints. `ok`: all were graded and reach `threshold`."""

    internbox: str = __version__
    commit: str = ""
    seed: str
    threshold: int = 100
    ok: bool
    runs: list[RunGrade]
    ungraded: list[Ungraded] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        results: list[RunGrade | Ungraded],
        *,
        commit: str,
        seed: str,
        threshold: int,
    ) -> RunReport:
        runs = [one for one in results if isinstance(one, RunGrade)]
        ungraded = [one for one in results if isinstance(one, Ungraded)]
        ok = not ungraded and all(one.reaches(threshold) for one in runs)
        return cls(
            commit=commit, seed=seed, threshold=threshold, ok=ok, runs=runs, ungraded=ungraded
        )

    @property
    def exit_code(self) -> int:
        """0: ok, 1: one is below, 2: one's fix is wrong, 3: one could not be graded."""
        if self.ungraded:
            return 2 if all(one.wrong_fix for one in self.ungraded) else 3
        return 0 if self.ok else 1


def locked_out(grade: Grade, hosts: dict[str, str]) -> Grade:
    """The grade of a fix after which nobody can log in to `hosts` (host → why): it failed."""
    return structs.replace(
        grade,
        outcome="tampered" if grade.outcome == "tampered" else "failed",
        score=0,
        counts=0,
        lost=grade.lost | hosts,
    )
