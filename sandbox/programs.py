"""Keeps what a checkout brought away from our own doing: its programs, and its links."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

WORKSPACES = ("GITHUB_WORKSPACE", "CI_PROJECT_DIR")  # where CI systems put the checkout


def checkouts(environ: Mapping[str, str], folder: Path) -> list[Path]:
    """The folders whose content is the student's: the working folder, and the CI system's."""
    named = [Path(environ[name]) for name in WORKSPACES if environ.get(name)]
    found = {path.resolve() for path in [folder, *named]}
    return sorted(path for path in found if path != Path(path.anchor))  # / holds all there is


def safe_path(environ: Mapping[str, str], folder: Path) -> str:
    """$PATH without relative entries, and without those inside a checkout, links followed."""
    closed = checkouts(environ, folder)
    return os.pathsep.join(
        entry
        for entry in environ.get("PATH", os.defpath).split(os.pathsep)
        if Path(entry).is_absolute()
        and not any(Path(entry).resolve().is_relative_to(one) for one in closed)
    )


def leads_out(path: Path, environ: Mapping[str, str], folder: Path) -> bool:
    """Whether `path` lies in a checkout by its name, and elsewhere by the links in it."""
    whole = Path(os.path.normpath(folder / path))
    return any(
        whole.is_relative_to(one) and not whole.resolve().is_relative_to(one.resolve())
        for one in {folder, *checkouts(environ, folder)}
        if one != Path(one.anchor)
    )
