"""One command at a time on an attempt."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from sandbox.errors import Busy

PATIENCE = 0.3  # outlasts the moment for which `is_held` tries a lock


@contextmanager
def held(path: Path, attempt: str) -> Iterator[None]:
    """Hold the lock file; it goes with the process, however that ends.

    Raises Busy, naming the process, when another one holds it.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("a+") as file:
        if not _flock(file, PATIENCE):
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise Busy(
                f"another command works on {attempt} (process {holder})",
                hint="wait until it has finished, then try again",
            )
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def is_held(path: Path) -> bool:
    """Whether some process holds it at this moment."""
    if not path.exists():
        return False
    with path.open("a+") as file:
        return not _flock(file, patience=0.0)


def _flock(file: IO[str], patience: float) -> bool:
    """Whether the lock was had within `patience` seconds; it goes when the file is closed."""
    import fcntl  # not on Windows, where this package must still import

    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.02)
        else:
            return True
