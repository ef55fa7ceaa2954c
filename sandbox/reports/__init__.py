"""A grade as files: JUnit XML, JSON, Markdown, plain text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sandbox.errors import UsageError
from sandbox.grading.results import Grade
from sandbox.grading.runs import RunReport
from sandbox.paths import replacing

__all__ = ["FORMS", "RUN_FORMS", "render", "render_run", "write", "write_run"]

FORMS = ("junit", "json", "markdown", "text")
RUN_FORMS = ("junit", "json", "markdown")


def render(grade: Grade, form: str) -> str:
    """The grade in one of FORMS. Raises UsageError for another."""
    from sandbox.reports import json, junit, markdown, text

    renderers: dict[str, Callable[[Grade], str]] = {
        "junit": junit.render,
        "json": json.render,
        "markdown": markdown.render,
        "text": text.render,
    }
    if form not in renderers:
        raise UsageError(f"no report is called {form}", hint=f"try {', '.join(FORMS)}")
    return renderers[form](grade)


def render_run(report: RunReport, form: str) -> str:
    """A run in one of RUN_FORMS."""
    from sandbox.reports import json, junit, markdown

    renderers: dict[str, Callable[[RunReport], str]] = {
        "junit": junit.run,
        "json": json.render,
        "markdown": markdown.run,
    }
    return renderers[form](report)


def write(grade: Grade, form: str, path: Path) -> None:
    """As `write_text`: the grade in one of FORMS."""
    write_text(render(grade, form), path)


def write_run(report: RunReport, form: str, path: Path) -> None:
    """As `write_text`: a run in one of RUN_FORMS."""
    write_text(render_run(report, form), path)


def write_text(content: str, path: Path) -> None:
    """Writes a report to `path`, whole or not at all; its folder is made where it is missing.

    A link or a device (/dev/stdout) is written through, never replaced. Raises UsageError when
    that cannot be.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink() or (path.exists() and not path.is_file()):
            path.write_text(content, encoding="utf-8")
        else:
            with replacing(path) as draft:
                draft.write_text(content, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror or error}", hint="name another file"
        ) from None
