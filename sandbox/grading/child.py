"""Runs a grader in a child process that is closed to the student's files."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import msgspec

from sandbox.decoding import decode
from sandbox.errors import GraderError
from sandbox.grading import safe
from sandbox.grading.process import Process
from sandbox.grading.results import Broken, ChildReport, PhaseResult, Request

LOG_LIMIT = 20_000  # characters of the child's own output that an error carries
RESULTS_LIMIT = 16_000_000  # bytes
SHELF_WIDTH = 8  # processes that wait: 45 MB each


class Child:
    """A grader's process: it collects the grader and waits for `go`. Also a context manager.

    Each `go` is answered by a copy of it, so that no phase meets what another left behind.
    `process` is one that was started before the grader was known; it is closed with the child.
    """

    def __init__(self, grader: Path, process: Process | None = None) -> None:
        self._grader = grader
        self._process = process or Process()
        results, pipe = str(self._process.results), self._process.pipe
        self._tell({"grader": str(grader), "results": results, "ended": pipe})

    def serves(self, grader: Path) -> bool:
        """Whether it holds this grader, and lives."""
        return self._grader == grader and self._process.lives

    def go(self, request: Request, *, timeout: float) -> PhaseResult:
        """Runs the checks and guards once.

        Raises GraderError when the grader is broken, or has not ended after `timeout` seconds;
        its notes hold the traceback and what the grader printed. The child is closed then.
        """
        try:
            self._process.results.unlink(missing_ok=True)
            self._tell(request)
            return self._result(self._wait(timeout))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Ends the process and all it started; may be called twice."""
        self._process.close()

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
        self._process.tell(msgspec.json.encode(message))

    def _wait(self, timeout: float) -> int:
        code = self._process.wait(timeout)
        if code is None:
            raise self._error(
                f"{self._grader}: the grader did not end within {timeout:.0f} seconds"
            )
        return code

    def _result(self, code: int) -> PhaseResult:
        try:
            with self._process.results.open("rb") as file:
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
        for note in (log, self._process.printed(LOG_LIMIT)):
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
        """As `Child`, for one grade; may be called by several threads at once."""
        taken = self._taken(grader) or Child(grader)
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


def run(request: Request, *, timeout: float) -> PhaseResult:
    """One phase from start to end. Raises GraderError as `Child.go` does."""
    with Child(Path(request.grader)) as grader:
        return grader.go(request, timeout=timeout)
