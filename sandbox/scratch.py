"""Folders for a command's own files while it runs: they go with it or, after a kill, with `gc`."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

PREFIX = "internbox-scratch-"
MOUNTS = Path("/proc/self/mountinfo")  # the fifth word of a line is where


def prefix() -> str:
    """How the names of this process's folders begin."""
    return f"{PREFIX}{os.getpid()}-"


def folder() -> tempfile.TemporaryDirectory[str]:
    """A new folder, for a `with`."""
    return tempfile.TemporaryDirectory(prefix=prefix())


def abandoned() -> Iterator[Path]:
    """This user's folders whose processes have ended, but none that something is mounted in: to
    remove it would go on there. (debootstrap mounts /proc and /sys, and may outlive us.)"""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        pid = path.name.removeprefix(PREFIX).partition("-")[0]
        if ended(pid) and _is_own(path) and not _holds_a_mount(path):
            yield path


def _is_own(path: Path) -> bool:
    """Anybody may put a name into the folder for temporary files."""
    try:
        found = path.lstat()
    except OSError:
        return False  # its command has just ended
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()


def _holds_a_mount(path: Path) -> bool:
    try:
        lines = MOUNTS.read_text(errors="replace").splitlines()
    except OSError:
        return False  # no Linux, and no debootstrap
    place = str(path.resolve()).replace(" ", r"\040")
    return any(f"{line.split()[4]}/".startswith(f"{place}/") for line in lines)


def ended(pid: str) -> bool:
    """Whether there is no such process any more; what is no process has not ended."""
    if not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
