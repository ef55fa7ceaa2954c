"""Time: the one retry helper of graders, and the alarm for a grader that is stuck."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 1.0


class Stuck(BaseException):
    """A check or guard did not end in its time, though no command of it was running."""


def until_it_holds(
    call: Callable[[], object], *, within: float, retried: tuple[type[Exception], ...]
) -> None:
    """Calls until it no longer raises one of `retried`; after `within` seconds the error stands.

    It is called at least once, and never started anew after the deadline.
    """
    deadline = time.monotonic() + within
    pause = FIRST_PAUSE
    while True:
        try:
            call()
        except retried:
            if time.monotonic() + pause > deadline:
                raise
            time.sleep(pause)
            pause = min(pause * 1.5, LONGEST_PAUSE)
        else:
            return


@contextmanager
def alarm(seconds: float) -> Iterator[None]:
    """Raises Stuck in the block after `seconds`; only in the main thread."""

    def ring(_signal: int, _frame: FrameType | None) -> None:
        raise Stuck(f"it did not end within {seconds:.0f} seconds")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
