"""Runs a grader in a child process that is closed to the student's files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import msgspec

from sandbox.errors import GraderError
from sandbox.grading import safe
from sandbox.grading.results import Broken, ChildReport, PhaseResult, Request

LOG_LIMIT = 20_000  # characters of the child's own output that an error carries
RESULTS_LIMIT = 16_000_000  # bytes
INSIDE = Path(__file__).with_name("inside.py")


class Child:
    """A grader's process: it imports at once and waits for `go`. Also a context manager.

    Its working folder is empty, its environment holds four variables, its results come in a file
    that graders know nothing of, and what they print goes to a log.
    """

    def __init__(self, grader: Path) -> None:
        self._grader = grader
        self._folder = tempfile.TemporaryDirectory(prefix="internbox-grader-")
        root = Path(self._folder.name)
        self._results, self._log, work = root / "results", root / "log", root / "work"
        work.mkdir()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-X", "utf8", str(INSIDE)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=work,
                env=_clean_environment(work),
                start_new_session=True,
            )
        self._tell({"grader": str(grader), "results": str(self._results)})

    def go(self, request: Request, *, timeout: float) -> PhaseResult:
        """Runs the checks and guards once.

        Raises GraderError when the grader is broken, or has not ended after `timeout` seconds;
        its notes hold the traceback and what the grader printed.
        """
        try:
            self._tell(request)
            self._wait(timeout)
            return self._result()
        finally:
            self.close()

    def close(self) -> None:
        """Ends the process and all it started; may be called twice."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        if self._process.stdin:
            with suppress(OSError):
                self._process.stdin.close()
        self._process.wait()
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

    def _wait(self, timeout: float) -> None:
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise self._error(
                f"{self._grader}: the grader did not end within {timeout:.0f} seconds"
            ) from None

    def _result(self) -> PhaseResult:
        try:
            with self._results.open("rb") as file:
                report = msgspec.json.decode(file.read(RESULTS_LIMIT), type=ChildReport)
        except (OSError, msgspec.DecodeError):
            code = self._process.returncode
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


def prepare(grader: Path) -> Child:
    """A child that imports everything and collects the grader while the caller does other work."""
    return Child(grader)


def run(request: Request, *, timeout: float) -> PhaseResult:
    """One phase from start to end. Raises GraderError as `Child.go` does."""
    return prepare(Path(request.grader)).go(request, timeout=timeout)


def _clean_environment(home: Path) -> dict[str, str]:
    return {
        "PATH": os.defpath,
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
