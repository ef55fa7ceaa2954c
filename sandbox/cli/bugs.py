"""What is said of an error that nobody expected, and the log that goes with it."""

from __future__ import annotations

import errno
import os
import platform
import shlex
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from sandbox import __version__
from sandbox.paths import Home

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


def explain(error: Exception, arguments: Sequence[str]) -> tuple[int, str, str]:
    """Exit code, message and hint: 3 for a full disk, 4 with a log for all else."""
    if isinstance(error, OSError) and error.errno in FULL:
        return 3, f"{error.filename or 'a file'}: {error.strerror}", "free some space, try again"
    text = report(error, arguments)
    try:
        log = write(text, Home.from_environment())
    except OSError:
        sys.stderr.write(text)
        return 4, "this is a bug in internbox", "report it with the lines above"
    what = f"{type(error).__name__}: {error}".splitlines()[0]
    return 4, f"this is a bug in internbox ({what[:120]})", f"report it with this file: {log}"


def report(error: Exception, arguments: Sequence[str]) -> str:
    """What an issue needs: version, platform, command, traceback."""
    lines = [
        f"internbox {__version__}",
        f"python    {platform.python_version()} {sys.executable}",
        f"platform  {platform.platform()}",
        f"command   internbox {shlex.join(arguments)}",
        f"time      {time.strftime('%Y-%m-%d %H:%M:%S %z')}",
        "",
        *traceback.format_exception(error),
    ]
    return "\n".join(line.rstrip("\n") for line in lines) + "\n"


def write(text: str, home: Home) -> Path:
    """Write the log; where it is. Raises OSError."""
    home.logs.mkdir(mode=0o700, parents=True, exist_ok=True)
    log = home.logs / f"bug-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    log.write_text(text, encoding="utf-8")
    return log
