"""The commands that judge: check, grade, and the note."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sandbox.cli.app import App, Wrapped, attempt_argument, command
from sandbox.errors import UsageError
from sandbox.grading.process import Process

if TYPE_CHECKING:
    from sandbox.grading.results import Grade

PROMPT = """\

# What was wrong, how you found it, what you changed, how you know that it works now.
# Lines that start with # are left out. Save nothing to leave the note as it was.
"""


def report_options(function: Wrapped) -> Wrapped:
    """--junit, --json, --markdown: files to write besides."""
    for form, what in (
        ("markdown", "for people and step summaries"),
        ("json", "as --format json prints it"),
        ("junit", "as CI systems and LMSs read it"),
    ):
        function = click.option(
            f"--{form}",
            f"{form}_file",
            type=click.Path(dir_okay=False, path_type=Path),
            metavar="FILE",
            help=f"Write a report, {what}.",
        )(function)
    return function


@command("check", examples=["internbox check", "internbox check --junit report.xml"])
@attempt_argument
@report_options
def check(app: App, attempt: str | None, **files: Path | None) -> int:
    """See which checks pass now. Quick, free, as often as you like; nothing is recorded."""
    with Process() as process:
        ref = app.labs.attempt(attempt).id
        app.out.progress(f"checking {ref}")
        grade = app.labs.check(ref, process)
    if all_passed(grade):
        return _shown(app, grade, files, f"internbox grade {ref}", "after a reboot it counts")
    return _shown(app, grade, files, f"internbox ssh {ref}", "or internbox hint")


@command("grade", examples=["internbox grade", "internbox grade --markdown grade.md"])
@attempt_argument
@report_options
def grade(app: App, attempt: str | None, **files: Path | None) -> int:
    """Run the checks, reboot all machines, run them again, and record the grade.

    Points are for what holds before and after the reboot. Exit code 1: something failed.
    """
    with Process() as process:
        ref = app.labs.attempt(attempt).id
        app.out.progress(f"grading {ref}: before the reboot, and after it")
        result = app.labs.grade(ref, process)
    if not all_passed(result):
        return _shown(app, result, files, f"internbox ssh {ref}", "grade again when it is mended")
    if result.note is None or not result.note.accepted:
        return _shown(app, result, files, f"internbox note {ref}", "the ticket needs its note")
    return _shown(app, result, files, f"internbox debrief {ref}")


def all_passed(grade: Grade) -> bool:
    """Whether nothing failed: every check earned its points, every guard held."""
    checks = all(check.earned == check.points for check in grade.checks)
    return checks and all(guard.held for guard in grade.guards) and grade.outcome != "tampered"


def _shown(app: App, grade: Grade, files: dict[str, Path | None], then: str, why: str = "") -> int:
    from sandbox.cli import views

    _write_reports(grade, files)
    if app.out.is_json:
        app.out.dump(grade)
    else:
        views.grade(app.out, grade)
        app.out.next(then, why)
    return 0 if all_passed(grade) else 1


def _write_reports(grade: Grade, files: dict[str, Path | None]) -> None:
    wanted = {name.removesuffix("_file"): path for name, path in files.items() if path}
    if wanted:
        from sandbox import reports

        for form, path in wanted.items():
            reports.write(grade, form, path)


@command(
    "note",
    examples=[
        "internbox note",
        'internbox note -m "The disk was full: …"',
        "internbox note < note.md",
    ],
)
@attempt_argument
@click.option("-m", "--message", help="The text itself.")
@click.option("-F", "--file", type=click.File(encoding="utf-8"), help="A file; - is the input.")
@click.option("--show", is_flag=True, help="Print the note as it is.")
def note(app: App, attempt: str | None, message: str | None, file: Any, show: bool) -> int:
    """Write the note that closes the ticket, and hear which facts it has.

    What was wrong, how you found it, what you changed, how you know. It opens in $EDITOR.
    """
    from sandbox.cli import views

    ref = app.labs.attempt(attempt).id
    kept = app.labs.saved_note(ref)
    if show:
        app.out.data(kept or "")
        return 0
    text = message if message is not None else _written(file, kept or "")
    result = app.labs.note(ref, text)
    if app.out.is_json:
        app.out.dump(result)
    else:
        views.note(app.out, result)
        app.out.next(f"internbox grade {ref}" if result.accepted else f"internbox note {ref}")
    return 0 if result.accepted else 1


def _written(file: Any, kept: str) -> str:
    """The note from a file, from the input, or from the editor."""
    if file is not None:
        return str(file.read())
    if not sys.stdin.isatty():
        return sys.stdin.read()
    edited = click.edit(kept + PROMPT, extension=".md")
    if edited is None:
        raise UsageError("the note was not saved", hint='internbox note -m "…" takes it as it is')
    lines = [line for line in edited.splitlines() if not line.startswith("#")]
    return "\n".join(lines).strip() + "\n"
