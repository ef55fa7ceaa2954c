"""Runs many pieces of work beside each other, as many as keep this computer busy and no more."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TypeVar

STAT = Path("/proc/stat")
ROUND_SECONDS = 1.0  # what began last shows in the figures by then
IDLE_ENOUGH = 0.2  # of all processor time, for one more to begin
MOST = 12  # by memory: a lab of six machines takes some 200 MiB

T = TypeVar("T")
R = TypeVar("R")


def paced(work: Callable[[T], R], items: Iterable[T], *, jobs: int = 0) -> Iterator[tuple[T, R]]:
    """Each item with its result, as they end; `jobs` at a time, 0 for as many as is good.

    Labs mostly wait, and then one more may begin. Where the processors are busy, more at a time
    would end no sooner, and a machine that is slow looks like one that is broken. After an error,
    or an interrupt, nothing more begins, and what runs is waited for.
    """
    processors = os.cpu_count() or 2
    least = jobs or processors + 1
    most = jobs or max(least, min(MOST, 6 * processors))
    waiting, running = deque(items), dict[Future[R], T]()
    idle = _Idle()
    with ThreadPoolExecutor(most) as pool:
        try:
            while waiting or running:
                while waiting and len(running) < (most if idle.enough() else least):
                    item = waiting.popleft()
                    running[pool.submit(work, item)] = item
                    idle.again()
                for future in wait(running, ROUND_SECONDS, FIRST_COMPLETED).done:
                    yield running.pop(future), future.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


class _Idle:
    """Whether the processors have had time to spare for a round; never, where nobody tells."""

    def __init__(self) -> None:
        self.again()

    def again(self) -> None:
        """Begins a new round."""
        self._begun, self._before = time.monotonic(), _times()

    def enough(self) -> bool:
        if time.monotonic() < self._begun + ROUND_SECONDS:
            return False
        idle, total = (now - then for now, then in zip(_times(), self._before, strict=True))
        self.again()
        return total > 0 and idle / total >= IDLE_ENOUGH


def _times() -> tuple[int, int]:
    """Idle time, and all time, of all processors since the boot; nothing where it is not told."""
    try:
        fields = list(map(int, STAT.read_text().partition("\n")[0].split()[1:9]))
    except OSError:
        return 0, 0
    if len(fields) < 8:
        return 0, 0
    return fields[3] + fields[4], sum(fields)  # idle, and waiting for a disk
