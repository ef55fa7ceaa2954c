"""Signals that end a command: all of them clean up as Ctrl-C does, and none breaks an import."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

WANTED = ("SIGINT", "SIGTERM", "SIGHUP")
IMPORT_SYSTEM = "<frozen importlib._bootstrap>"
AGAIN_SECONDS = 0.01


@contextmanager
def end_like_an_interrupt() -> Iterator[None]:
    """A SIGTERM or a closed terminal raises KeyboardInterrupt, as Ctrl-C does.

    What whoever started us has switched off stays so (`nohup`). Does nothing outside the main
    thread.
    """
    before = {}
    if threading.current_thread() is threading.main_thread():
        numbers = [getattr(signal, name) for name in WANTED if hasattr(signal, name)]
        before = {
            number: signal.signal(number, _interrupt)
            for number in numbers
            if signal.getsignal(number) is not signal.SIG_IGN
        }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def left_to_the_child() -> Iterator[None]:
    """Ctrl-C is for the program that is run meanwhile in the same terminal."""
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, lambda *_: None)  # a program inherits no handler
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Raise, unless a module is just being imported: then come again in a moment.

    A package left half imported is broken for good (Python keeps its submodules, but no longer
    sets them as attributes), and what cleans up may need it.
    """
    if _imports(frame):
        again = threading.Timer(AGAIN_SECONDS, os.kill, (os.getpid(), number))
        again.daemon = True
        again.start()
        return
    raise KeyboardInterrupt


def _imports(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == IMPORT_SYSTEM:
            return True
        frame = frame.f_back
    return False
