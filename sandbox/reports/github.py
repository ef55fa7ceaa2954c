"""What GitHub Actions reads from a step: annotations, the summary, and nothing by accident."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from sandbox.errors import UsageError
from sandbox.grading import safe
from sandbox.grading.runs import RunGrade, RunReport
from sandbox.reports import markdown

MOST = 10  # annotations of a kind that GitHub keeps of a step
SUMMARY_BYTES = 1_000_000  # of a step's summary file; GitHub drops one above 1 MiB
SUMMARY = "GITHUB_STEP_SUMMARY"


def is_here(environ: Mapping[str, str]) -> bool:
    """Whether this runs as a step of GitHub Actions."""
    return environ.get("GITHUB_ACTIONS") == "true"


def disarmed(text: str) -> str:
    """The text with no line that GitHub Actions or Azure Pipelines would take for a command.

    Commands are lines that begin with `::`, and `##[…]` or `##vso[…]` anywhere in one.
    """
    text = text.replace("##[", "# #[").replace("##vso[", "# #vso[")
    lines = text.split("\n")
    return "\n".join(
        line.replace("::", ": :", 1) if line.lstrip().startswith("::") else line for line in lines
    )


def commands(report: RunReport) -> list[str]:
    """A workflow command for each thing that failed: at most MOST errors, the last says how many
    more there are; then a warning for each note that was not accepted."""
    errors = list(_errors(report))
    if len(errors) > MOST:
        left = len(errors) - MOST + 1
        more = _command("error", f"{left} more failed: see the summary", title="internbox")
        errors = [*errors[: MOST - 1], more]
    return errors + list(_warnings(report))[:MOST]


def _errors(report: RunReport) -> Iterator[str]:
    for lacking in report.ungraded:
        message = f"{lacking.message}\n{lacking.hint}".strip()
        title = f"{lacking.scenario}: could not grade"
        yield _command("error", message, file=lacking.fix, title=title)
    for one in report.runs:
        if one.outcome != "passed" or not one.reaches(report.threshold):
            yield from (
                _command("error", message, file=one.fix, title=f"{one.scenario}: {title}")
                for title, message in _failed(one)
            )


def _failed(grade: RunGrade) -> Iterator[tuple[str, str]]:
    if step := grade.step_failed:
        yield f"{step.step} on {step.host} {step.why}", step.output or step.why
    if grade.tampered:
        yield "tools were changed, so it counts 0", "\n".join(grade.tampered[:20])
    for host, why in grade.lost.items():
        yield f"{host} cannot be worked on", why
    for check in grade.failed_checks():
        yield check.title, check.message or "it earned no points"
    for guard in grade.guards:
        if not guard.held:
            yield guard.title, f"{guard.message}\nThe score is at most {guard.cap}."


def _warnings(report: RunReport) -> Iterator[str]:
    for one in report.runs:
        if one.note and not one.note.accepted:
            lacking = [f"missing: {fact.says}" for fact in one.note.missing]
            message = "\n".join([*lacking, *one.note.problems]) or "it is not accepted"
            yield _command("warning", message, title=f"{one.scenario}: the note")


def _command(kind: str, message: str, **properties: str) -> str:
    """A workflow command; nothing in its parts can end it or begin another."""
    shown = [f"{name}={_property(value)}" for name, value in properties.items() if value]
    return f"::{kind} {','.join(shown)}::{_data(safe.text(message))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(safe.line(text, limit=250)).replace(":", "%3A").replace(",", "%2C")


def add_to_summary(report: RunReport, path: Path) -> None:
    """Appends the report as Markdown, as far as the file's limit allows."""
    try:
        there = path.stat().st_size if path.exists() else 0
        text = markdown.run(report, limit=SUMMARY_BYTES - there)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror or error}", hint="name another file"
        ) from None
