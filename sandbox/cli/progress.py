"""A line that says what is being done, once that takes longer than a second."""

from __future__ import annotations

import shutil
import threading
import time
from typing import ClassVar, TextIO

FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
PATIENCE = 1.0  # seconds before anything is shown
BEAT = 0.1


class Ticker:
    """Shows the latest message: as a spinner on a terminal, as a line of its own elsewhere."""

    current: ClassVar[Ticker | None] = None

    def __init__(self, stream: TextIO, *, animated: bool) -> None:
        self.stream = stream
        self.animated = animated
        self._message = ""
        self._shown = ""
        self._since = 0.0
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    @classmethod
    def stop_current(cls) -> None:
        """Take the line of whichever ticker is at work off the screen."""
        if cls.current is not None:
            cls.current.stop()

    def show(self, message: str) -> None:
        """From now on this is being done."""
        self._message = message
        if self._thread is None:
            Ticker.current = self
            self._since = time.monotonic()
            self._wake.clear()
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()
        elif not self.animated and time.monotonic() - self._since > PATIENCE:
            self._line()

    def stop(self) -> None:
        """Take the line off the screen."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._wake.set()
            thread.join()
            Ticker.current = None

    def _run(self) -> None:
        if self._wake.wait(PATIENCE):
            return
        if not self.animated:
            self._line()
            return
        beat = 0
        while not self._wake.wait(BEAT):
            self._draw(FRAMES[beat % len(FRAMES)])
            beat += 1
        self.stream.write("\r\x1b[K")
        self.stream.flush()

    def _line(self) -> None:
        if self._message != self._shown:
            self._shown = self._message
            self.stream.write(f"{self._message}\n")
            self.stream.flush()

    def _draw(self, frame: str) -> None:
        seconds = f" {time.monotonic() - self._since:.0f} s"
        room = shutil.get_terminal_size().columns - len(seconds) - 3
        message = self._message.splitlines()[0] if self._message else ""
        if len(message) > room:
            message = message[: max(room - 1, 0)] + "…"
        self.stream.write(f"\r\x1b[K{frame} {message}{seconds}")
        self.stream.flush()
