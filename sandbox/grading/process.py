"""The process in which a grader runs, as the operating system sees it.

It takes half a second to import pytest and all that graders use. So this module imports next to
nothing: a command starts the process first, and imports the rest beside it.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from sandbox import scratch

INSIDE = Path(__file__).with_name("inside.py")


class Process:
    """`inside.py`, closed to the student's files; it ends with the `with` block.

    Its working folder is empty, its environment holds four variables. Results come in the file
    `results`, that graders know nothing of; what it prints goes to a log.
    """

    def __init__(self) -> None:
        self._folder = scratch.folder()
        root = Path(self._folder.name)
        self.results, self._log, work = root / "results", root / "log", root / "work"
        work.mkdir()
        told, self._ended_inside = os.pipe()
        self._ended = os.fdopen(told, "rb", buffering=0)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-X", "utf8", str(INSIDE)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=work,
                env=_clean_environment(work),
                start_new_session=True,
                pass_fds=[self._ended_inside],
            )
        os.close(self._ended_inside)

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def lives(self) -> bool:
        return self._process.poll() is None

    @property
    def pipe(self) -> int:
        """The number by which it knows the pipe that `wait` reads."""
        return self._ended_inside

    def tell(self, line: bytes) -> None:
        """Writes a line to its standard input. One that has died does not hear: its log says more
        than the pipe does."""
        assert self._process.stdin
        with suppress(BrokenPipeError):
            self._process.stdin.write(line + b"\n")
            self._process.stdin.flush()

    def wait(self, timeout: float) -> int | None:
        """The exit code of the copy that ran, or of the process itself when it died; None after
        `timeout` seconds."""
        if not select.select([self._ended], [], [], timeout)[0]:
            return None
        told = self._ended.read(64)
        return int(told) if told else self._process.wait()

    def printed(self, limit: int) -> str:
        """The end of its log, `limit` bytes at most."""
        return self._log.read_bytes()[-limit:].decode(errors="replace")

    def close(self) -> None:
        """Ends it and all it started; may be called twice."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        if self._process.stdin:
            with suppress(OSError):
                self._process.stdin.close()
        self._process.wait()
        self._ended.close()
        self._folder.cleanup()


def _clean_environment(home: Path) -> dict[str, str]:
    return {
        "PATH": os.defpath,
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
