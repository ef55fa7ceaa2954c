"""Runs a grader in a child process that is closed to the student's files."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

import msgspec

from sandbox.decoding import decode
from sandbox.errors import GraderError
from sandbox.grading import safe
from sandbox.grading.results import Broken, ChildReport, PhaseResult, Request

LOG_LIMIT = 20_000  # characters of the child's own output that an error carries
RESULTS_LIMIT = 16_000_000  # bytes
SHELF_WIDTH = 8  # processes that wait: 45 MB each
INSIDE = Path(__file__).with_name("inside.py")


class Child:
    """A grader's process: it imports at once and waits for `go`. Also a context manager.

    Each `go` is answered by a copy of it, so that no phase meets what another left behind. Its
    working folder is empty, its environment holds four variables, its results come in a file
    that graders know nothing of, and what they print goes to a log.
    """

    def __init__(self, grader: Path) -> None:
        self._grader = grader
        self._folder = tempfile.TemporaryDirectory(prefix="internbox-grader-")
        root = Path(self._folder.name)
        self._results, self._log, work = root / "results", root / "log", root / "work"
        work.mkdir()
        told, ended = os.pipe()
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
                pass_fds=[ended],
            )
        os.close(ended)
        self._tell({"grader": str(grader), "results": str(self._results), "ended": ended})

    def serves(self, grader: Path) -> bool:
        """Whether it holds this grader, and lives."""
        return self._grader == grader and self._process.poll() is None

    def go(self, request: Request, *, timeout: float) -> PhaseResult:
        """Runs the checks and guards once.

        Raises GraderError when the grader is broken, or has not ended after `timeout` seconds;
        its notes hold the traceback and what the grader printed. The child is closed then.
        """
        try:
            self._results.unlink(missing_ok=True)
            self._tell(request)
            return self._result(self._wait(timeout))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Ends the process and all it started; may be called twice."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        if self._process.stdin:
            with suppress(OSError):
                self._process.stdin.close()
        self._process.wait()
        self._ended.close()
        self._folder.cleanup()

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _tell(self, message: object) -> None:
        assert self._process.stdin
        with suppress(BrokenPipeError):  # it died: its log says more than the pipe does
            self._process.stdin.write(msgspec.json.encode(message) + b"\n")
            self._process.stdin.flush()

    def _wait(self, timeout: float) -> int:
        """The exit code of the copy that ran, or of the process itself when it died."""
        if not select.select([self._ended], [], [], timeout)[0]:
            raise self._error(
                f"{self._grader}: the grader did not end within {timeout:.0f} seconds"
            )
        told = self._ended.read(64)
        return int(told) if told else self._process.wait()

    def _result(self, code: int) -> PhaseResult:
        try:
            with self._results.open("rb") as file:
                report = decode(file.read(RESULTS_LIMIT), ChildReport)
        except (OSError, msgspec.DecodeError):
            raise self._error(
                f"{self._grader}: the grader's process ended without results (exit code {code})"
            ) from None
        if report.result:
            return report.result
        broken = report.broken or Broken(message="it left no results")
        raise self._error(f"{broken.where or self._grader}: {broken.message}", broken.log)

    def _error(self, message: str, log: str = "") -> GraderError:
        """The error, with what the child printed as a note: the material for an issue."""
        error = GraderError(
            f"the grader is broken: {safe.line(message)}",
            hint="nothing was graded; tell the scenario's author",
        )
        printed = self._log.read_bytes()[-LOG_LIMIT:].decode(errors="replace")
        for note in (log, printed):
            if note.strip():
                error.add_note(safe.text(note.strip(), limit=LOG_LIMIT))
        return error


class Shelf:
    """Graders' processes that stay for the next grade, until the end of the `with` block.

    To import pytest takes 0.4 s of processor time, and no phase meets another in them anyway.
    """

    def __init__(self) -> None:
        self._idle: list[Child] = []
        self._changing = threading.Lock()

    def __enter__(self) -> Shelf:
        return self

    def __exit__(self, *_: object) -> None:
        while self._idle:
            self._idle.pop().close()

    @contextmanager
    def prepared(self, grader: Path) -> Iterator[Child]:
        """As `prepare`, for one grade; may be called by several threads at once."""
        taken = self._taken(grader) or prepare(grader)
        try:
            yield taken
        except BaseException:
            taken.close()
            raise
        self._put_back(taken)

    def _taken(self, grader: Path) -> Child | None:
        with self._changing:
            found = next((one for one in self._idle if one.serves(grader)), None)
            if found:
                self._idle.remove(found)
        return found

    def _put_back(self, child: Child) -> None:
        with self._changing:
            self._idle.append(child)
            oldest = self._idle.pop(0) if len(self._idle) > SHELF_WIDTH else None
        if oldest:
            oldest.close()


def prepare(grader: Path) -> Child:
    """A child that imports everything and collects the grader while the caller does other work."""
    return Child(grader)


def run(request: Request, *, timeout: float) -> PhaseResult:
    """One phase from start to end. Raises GraderError as `Child.go` does."""
    with prepare(Path(request.grader)) as grader:
        return grader.go(request, timeout=timeout)


def _clean_environment(home: Path) -> dict[str, str]:
    return {
        "PATH": os.defpath,
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
