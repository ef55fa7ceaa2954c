"""The program of the grader's child process: pytest, closed to everything but one grader.

It is run as `python -I inside.py` and imports at once. On stdin come lines of JSON: first which
grader to collect and where to leave the results, then, when it is time, a request for each phase.
At the end of stdin it ends.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

FILE_BYTES = 64 * 1024 * 1024  # what a grader that prints for ever may write

UNUSED = (
    "cacheprovider",
    "capture",
    "debugging",
    "doctest",
    "faulthandler",
    "junitxml",
    "legacypath",
    "logging",
    "monkeypatch",
    "pastebin",
    "recwarn",
    "setuponly",
    "setupplan",
    "skipping",
    "stepwise",
    "subtests",
    "terminal",
    "threadexception",
    "tmpdir",
    "unittest",
    "unraisableexception",
    "warnings",
)


def main() -> NoReturn:
    """Runs the grader named on stdin; the exit code is pytest's and says nothing more."""
    gc.disable()  # what is imported stays: to look through it takes a tenth of the time
    _find_our_package()
    sys.dont_write_bytecode = True
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))

    import pytest

    from sandbox.grading.plugin import GraderPlugin, import_early

    import_early()
    order = json.loads(sys.stdin.buffer.readline() or _end())
    ended = order["ended"]
    os.set_inheritable(ended, False)
    results = Path(order["results"])
    plugin = GraderPlugin(Path(order["grader"]), results, lambda: _next_request(ended))
    code = pytest.main(arguments(order["grader"]), plugins=[plugin])
    plugin.write()
    sys.stdout.flush()
    os._exit(int(code))  # closing connections in good order would cost 0.1 s for each


def arguments(grader: str) -> list[str]:
    """What pytest is told: one file, no configuration, no conftest, no plugin but ours."""
    folder = str(Path(grader).parent)
    return [
        *("-c", "/dev/null"),
        *("--rootdir", folder, "--confcutdir", folder),
        *("--noconftest", "--import-mode=importlib", "--assert=plain"),
        *(part for name in UNUSED for part in ("-p", f"no:{name}")),
        grader,
    ]


def _find_our_package() -> None:
    """A checkout that was never installed is not on `-I`'s path: its folder comes last there."""
    folder = str(Path(__file__).resolve().parents[2])
    if folder not in sys.path:
        sys.path.append(folder)


def _next_request(ended: int) -> bytes:
    """The request, in a copy of this process: what a phase leaves behind, the next must not meet.

    The process itself stays here. It writes each copy's exit code to `ended`. From the request on,
    the end of stdin, that is of our parent, is the copy's end.
    """
    while line := sys.stdin.buffer.readline():
        sys.stdout.flush()
        gc.freeze()
        copy = os.fork()
        if not copy:
            gc.enable()
            os.close(ended)
            threading.Thread(target=_end_with_parent, daemon=True).start()
            return line
        code = os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1])
        with suppress(BrokenPipeError):
            os.write(ended, b"%d\n" % code)
    return _end()


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    _end()


def _end() -> NoReturn:
    """The parent has gone."""
    os._exit(3)


if __name__ == "__main__":
    main()
