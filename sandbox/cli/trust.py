"""Consent to run the graders of a folder that did not come with internbox."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.errors import UsageError
from sandbox.paths import Home, builtin_content

if TYPE_CHECKING:
    from sandbox.cli.app import App


def ensure_trusted(app: App, content: Path, *, trust: bool) -> None:
    """Ask once per folder; `trust` is the answer yes. Raises UsageError on a no."""
    folder = content.resolve()
    if folder == builtin_content().resolve() or folder in trusted(app.home):
        return
    warning = f"{folder} is not part of internbox. Its graders are Python that runs as you."
    if not trust:
        app.out.talk(warning)
        if not app.out.confirm("Do you trust this folder?"):
            raise UsageError(
                f"{folder} is not trusted, and its graders would run as you",
                hint="look through it, then say --trust",
            )
    remember(app.home, folder)


def trusted(home: Home) -> set[Path]:
    """The folders that were agreed to."""
    if not home.trusted.exists():
        return set()
    return {Path(line) for line in home.trusted.read_text(encoding="utf-8").splitlines() if line}


def remember(home: Home, folder: Path) -> None:
    home.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    with home.trusted.open("a", encoding="utf-8") as file:
        file.write(f"{folder}\n")
