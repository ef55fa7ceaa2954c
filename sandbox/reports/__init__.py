"""A grade as files: JUnit XML, JSON, Markdown, plain text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sandbox.errors import UsageError
from sandbox.grading.results import Grade

__all__ = ["FORMS", "render", "write"]

FORMS = ("junit", "json", "markdown", "text")


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


def write(grade: Grade, form: str, path: Path) -> None:
    """Writes the report to `path`, whole or not at all; its folder is made where it is missing.

    A link or a device (/dev/stdout) is written through, never replaced. Raises UsageError when
    that cannot be.
    """
    content = render(grade, form)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink() or (path.exists() and not path.is_file()):
            path.write_text(content, encoding="utf-8")
        else:
            _replace(path, content)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror or error}", hint="name another file"
        ) from None


def _replace(path: Path, content: str) -> None:
    draft = path.with_name(f".{path.name}.draft")
    try:
        draft.write_text(content, encoding="utf-8")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
