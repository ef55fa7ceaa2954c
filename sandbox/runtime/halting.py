"""Lets nothing begin any more, and waits for what has begun."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sandbox.errors import EngineError


class Gate:
    """Open until it is shut, for ever; used by several threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._open = True

    @contextmanager
    def passed(self) -> Iterator[None]:
        """While something is done that `shut` must wait for. EngineError once it is shut."""
        with self._changed:
            if not self._open:
                raise EngineError("this run is being ended", hint="start it again")
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    def shut(self, *, within: float) -> bool:
        """Whether all that had begun has ended within so many seconds."""
        deadline = time.monotonic() + within
        with self._changed:
            self._open = False
            while self._inside and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)
            return not self._inside
