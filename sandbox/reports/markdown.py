"""A grade as Markdown: for people, merge requests and the step summaries of CI systems."""

from __future__ import annotations

from collections.abc import Iterator

from sandbox.grading.results import CheckResult, Grade
from sandbox.grading.runs import RunGrade, RunReport, StepFailure
from sandbox.grading.safe import markdown as safe
from sandbox.grading.safe import text
from sandbox.reports.text import next_step

BYTES_LIMIT = 1_000_000  # GitHub refuses a step summary above 1 MiB
PATHS_SHOWN = 50
STEP_LIMIT = 4_000  # characters
TAMPERED = "The machines' own tools were changed: the score counts 0 until an instructor accepts it"
RUNNER_CODE = (
    "A playbook of the fix ran on the computer that graded: its author could have forged this."
)
CUT = "\n\n… the rest is left out: the report is too long.\n"


def render(grade: Grade) -> str:
    """A heading, a table of checks, why those failed that did, and what to do next."""
    return cut("\n".join(_lines(grade)) + "\n", BYTES_LIMIT)


def run(report: RunReport, *, limit: int = BYTES_LIMIT) -> str:
    """A table of the scenarios, then each of them; at most `limit` bytes."""
    return cut("\n".join(_run(report)) + "\n", limit)


def cut(whole: str, limit: int) -> str:
    """At most `limit` bytes, cut at the end of a line, so that no markup is left open."""
    data = whole.encode()
    if len(data) <= limit:
        return whole
    room = limit - len(CUT.encode())
    kept = data[: max(room, 0)].rpartition(b"\n")[0].decode(errors="ignore")
    return kept + CUT if room > 0 else ""


def _lines(grade: Grade) -> Iterator[str]:
    yield f"## {safe(grade.scenario)}: {grade.outcome}, {grade.score} of {grade.max}"
    yield ""
    yield from _body(grade)
    yield f"**Next:** {safe(next_step(grade))}"
    yield ""
    yield _identity(grade)


def _body(grade: Grade) -> Iterator[str]:
    yield from _checks(grade)
    yield from _guards(grade)
    yield from _remarks(grade)
    yield from _note(grade)


def _identity(grade: Grade) -> str:
    return (
        f"<sub>attempt {safe(grade.attempt)} · seed {safe(grade.seed)} · version {grade.version} · "
        f"content {safe(grade.content_hash)} · {safe(grade.graded_at)}</sub>"
    )


# --- a run ------------------------------------------------------------------------------------


def _run(report: RunReport) -> Iterator[str]:
    good = sum(one.reaches(report.threshold) for one in report.runs)
    total = len(report.runs) + len(report.ungraded)
    yield f"# internbox: {good} of {total} reach {report.threshold}"
    yield ""
    yield from ("| Scenario | Outcome | Score | Fix |", "| --- | --- | ---: | --- |")
    for one in report.runs:
        score = f"{one.counts}/{one.max}"
        yield f"| {safe(one.scenario)} | {one.outcome} | {score} | {safe(one.fix) or '–'} |"  # noqa: RUF001
    for lacking in report.ungraded:
        yield f"| {safe(lacking.scenario)} | **could not grade** | | {safe(lacking.fix)} |"
    yield ""
    for lacking in report.ungraded:
        yield f"**{safe(lacking.scenario)} could not be graded:** {safe(lacking.message)}"
        yield from [f"{safe(lacking.hint)}"] if lacking.hint else []
        yield ""
    for one in report.runs:
        yield from _graded(one)
    commit = f"commit {safe(report.commit)} · " if report.commit else ""
    yield f"<sub>{commit}seed {safe(report.seed)} · internbox {safe(report.internbox)}</sub>"


def _graded(grade: RunGrade) -> Iterator[str]:
    yield f"## {safe(grade.scenario)}: {grade.outcome}, {grade.score} of {grade.max}"
    yield ""
    if grade.step_failed:
        yield from _step(grade.step_failed)
    yield from _body(grade)
    if grade.runner_code:
        yield RUNNER_CODE
        yield ""
    yield _identity(grade)
    yield ""


def _step(failed: StepFailure) -> Iterator[str]:
    """Its output as a block: indented, so that nothing in it can end the block."""
    yield (
        f"**The fix stopped:** {safe(failed.step)} on {safe(failed.host)} {safe(failed.why)}. "
        "What came after it was not done."
    )
    yield ""
    lines = text(failed.output, limit=STEP_LIMIT).splitlines()
    yield from (f"    {line}" for line in lines)
    yield from [""] if lines else []


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
    if grade.debrief_read:
        yield "The debrief was read before this grade."
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
