"""What a run looks like as text: a table of its scenarios, and what failed in each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.cli import views
from sandbox.cli.output import Output, safe

if TYPE_CHECKING:
    from sandbox.grading.runs import RunGrade, RunReport, Ungraded

OUTPUT_LINES = 12


def report(out: Output, result: RunReport) -> None:
    """Each scenario's grade where there is something to say of it, then the table of all."""
    for one in result.runs:
        if len(result.runs) == 1 or not one.reaches(result.threshold) or one.step_failed:
            _graded(out, one)
    for lacking in result.ungraded:
        _ungraded(out, lacking)
    rows = [
        [_word(one, result.threshold), one.scenario, one.outcome, f"{one.counts}/{one.max}"]
        for one in result.runs
    ]
    rows += [["NONE", one.scenario, "could not grade", "-"] for one in result.ungraded]
    out.table(["", "SCENARIO", "OUTCOME", "COUNTS"], rows, wraps=1)
    out.data()
    good = sum(one.reaches(result.threshold) for one in result.runs)
    commit = f", commit {result.commit[:12]}" if result.commit else ""
    out.data(f"{good} of {len(rows)} reach {result.threshold}; seed {result.seed}{commit}")


def _word(one: RunGrade, threshold: int) -> str:
    return "ok" if one.reaches(threshold) else "FAILED"


def _graded(out: Output, one: RunGrade) -> None:
    out.data(out.style(f"== {one.scenario}", bold=True))
    out.data()
    if failed := one.step_failed:
        lines = failed.output.splitlines()[-OUTPUT_LINES:]
        shown = "\n".join([f"{failed.why}; what came after it was not done", *lines])
        views.remark(out, f"The fix stopped: {failed.step} on {failed.host}", shown)
        out.data()
    views.grade(out, one)
    if one.runner_code:
        out.data("a playbook ran on this computer: its author could have forged this")
    out.data()


def _ungraded(out: Output, one: Ungraded) -> None:
    hint = f"\nhint: {one.hint}" if one.hint else ""
    views.remark(out, f"{one.scenario} could not be graded", safe(one.message) + hint)
    out.data()


def next_command(result: RunReport) -> tuple[str, str]:
    """What helps most now, and why."""
    if result.exit_code == 2:
        return "internbox run --help", "what a fix may be"
    if result.ungraded:
        return "internbox doctor", "then the same run again"
    for one in result.runs:
        if not one.reaches(result.threshold):
            return f"internbox start {one.scenario} --seed {one.seed}", "the same fault, to work on"
    return "internbox list", "what else there is"
