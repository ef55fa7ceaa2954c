"""Keeps two internbox commands of one user from doing the same work at the same time."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.errors import Busy

STEP = 0.05  # seconds between two tries


@contextmanager
def held(
    path: Path, *, seconds: float, doing: str, waiting: Callable[[], None] | None = None
) -> Iterator[None]:
    """Holds the lock file `path`; Busy when another command keeps it longer than `seconds`.

    `waiting` is called once, when the lock is not free at first. The kernel frees the lock of a
    command that dies.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + seconds
    with path.open("a") as file:
        while not _try(file.fileno()):
            if time.monotonic() >= deadline:
                raise Busy(
                    f"another internbox command is {doing}", hint="wait for it, then try again"
                )
            if waiting:
                waiting()
                waiting = None
            time.sleep(STEP)
        yield


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
