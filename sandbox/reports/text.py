"""A grade as plain lines: for logs, screen readers and mail."""

from __future__ import annotations

from collections.abc import Iterator

from sandbox.grading import safe
from sandbox.grading.results import CheckResult, Grade


def render(grade: Grade) -> str:
    """A line for each check and guard, the reason below each that failed, the sum at the end."""
    return "\n".join(_lines(grade)) + "\n"


def _lines(grade: Grade) -> Iterator[str]:
    yield f"{grade.scenario} (attempt {grade.attempt}, seed {grade.seed})"
    for check in grade.checks:
        yield f"{word(check)}  {check.earned:3}/{check.points:<3} {safe.line(check.title)}"
        if check.message:
            yield f"        {safe.line(check.message)}"
    for guard in grade.guards:
        yield f"{'held   ' if guard.held else 'BROKEN '} {safe.line(guard.title)}"
        if not guard.held:
            yield f"        {safe.line(guard.message)} (the score is at most {guard.cap})"
    yield from (f"tampered {safe.line(path)}" for path in grade.tampered)
    if grade.hints_cost:
        yield f"hints: -{grade.hints_cost}"
    if grade.debrief_read:
        yield "debrief: read before this grade"
    yield from _note(grade)
    yield f"{grade.outcome}: {grade.score} of {grade.max}" + (
        ", which counts 0 until an instructor accepts it" if grade.tampered else ""
    )
    yield f"next: {next_step(grade)}"


def _note(grade: Grade) -> Iterator[str]:
    if grade.note is None:
        yield "note: none"
        return
    yield f"note: {'accepted' if grade.note.accepted else 'not accepted'}"
    yield from (f"        missing: {safe.line(fact.says)}" for fact in grade.note.missing)
    yield from (f"        {safe.line(problem)}" for problem in grade.note.problems)


def word(check: CheckResult) -> str:
    """What became of a check, in words of one width."""
    if check.earned == check.points:
        return "passed "
    return "waiting" if check.before and check.after is not False else "FAILED "


def next_step(grade: Grade) -> str:
    """What the learner does now."""
    if grade.tampered:
        return f"put the tools back as they were, then internbox grade {grade.attempt}"
    if grade.outcome == "failed":
        return f"internbox ssh, mend it, then internbox {grade.kind} {grade.attempt}"
    if grade.kind == "check":
        return f"internbox grade {grade.attempt}: points are for what survives a reboot"
    if grade.note is None or not grade.note.accepted:
        return f"internbox note {grade.attempt}: the ticket is still open"
    return f"internbox debrief {grade.attempt}"
