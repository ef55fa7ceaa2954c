"""A grade as Markdown: for people, merge requests and the step summaries of CI systems."""

from __future__ import annotations

from collections.abc import Iterator

from sandbox.grading.results import CheckResult, Grade
from sandbox.grading.safe import markdown as safe
from sandbox.reports.text import next_step

BYTES_LIMIT = 1_000_000  # GitHub refuses a step summary above 1 MiB
PATHS_SHOWN = 50
TAMPERED = "The machines' own tools were changed: the score counts 0 until an instructor accepts it"
CUT = "\n\n… the rest is left out: the report is too long.\n"


def render(grade: Grade) -> str:
    """A heading, a table of checks, why those failed that did, and what to do next."""
    whole = "\n".join(_lines(grade)) + "\n"
    data = whole.encode()
    if len(data) <= BYTES_LIMIT:
        return whole
    return data[: BYTES_LIMIT - len(CUT.encode())].decode(errors="ignore") + CUT


def _lines(grade: Grade) -> Iterator[str]:
    yield f"## {safe(grade.scenario)}: {grade.outcome}, {grade.score} of {grade.max}"
    yield ""
    yield from _checks(grade)
    yield from _guards(grade)
    yield from _remarks(grade)
    yield from _note(grade)
    yield f"**Next:** {safe(next_step(grade))}"
    yield ""
    yield (
        f"<sub>attempt {safe(grade.attempt)} · seed {safe(grade.seed)} · version {grade.version} · "
        f"content {safe(grade.content_hash)} · {safe(grade.graded_at)}</sub>"
    )


def _checks(grade: Grade) -> Iterator[str]:
    if grade.kind == "grade":
        yield from ("| Check | Before | After the reboot | Points |", "| --- | --- | --- | ---: |")
    else:
        yield from ("| Check | Now | Points |", "| --- | --- | ---: |")
    for check in grade.checks:
        seen = [_word(check.before), *([_word(check.after)] if grade.kind == "grade" else [])]
        cells = [safe(check.title), *seen, f"{check.earned}/{check.points}"]
        yield f"| {' | '.join(cells)} |"
    yield ""
    told = [check for check in grade.checks if check.message]
    yield from (_remark(check) for check in told)
    yield from [""] if told else []


def _word(passed: bool | None) -> str:
    return {True: "ok", False: "**failed**", None: "–"}[passed]  # noqa: RUF001


def _remark(check: CheckResult) -> str:
    return f"- **{safe(check.title)}**: {safe(check.message)}"


def _guards(grade: Grade) -> Iterator[str]:
    for guard in grade.guards:
        if not guard.held:
            yield (
                f"- **Broken: {safe(guard.title)}**: {safe(guard.message)} "
                f"The score is at most {guard.cap}."
            )
    yield from [""] if not all(guard.held for guard in grade.guards) else []


def _remarks(grade: Grade) -> Iterator[str]:
    yield from (f"- {safe(why)}" for why in grade.lost.values())
    if grade.tampered:
        yield TAMPERED
        yield ""
        yield from (f"- {safe(path)}" for path in grade.tampered[:PATHS_SHOWN])
        left = len(grade.tampered) - PATHS_SHOWN
        yield from [f"- … and {left} more"] if left > 0 else []
    if grade.hints_cost:
        yield f"Hints cost {grade.hints_cost} points."
    yield ""


def _note(grade: Grade) -> Iterator[str]:
    if grade.note is None:
        yield "Note: none yet."
    else:
        yield f"Note: {'accepted' if grade.note.accepted else 'not accepted yet'}."
        yield ""
        yield from (f"- missing: {safe(fact.says)}" for fact in grade.note.missing)
        yield from (f"- {safe(problem)}" for problem in grade.note.problems)
    yield ""
