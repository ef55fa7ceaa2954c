"""A machine's files as a tar archive: the same layout, the same bytes."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import PurePosixPath

from sandbox.rendering.layout import LaidFile, Layout
from sandbox.rendering.offline import numeric_owner

_HOME = "/home/intern"
_TYPES = {"file": tarfile.REGTYPE, "directory": tarfile.DIRTYPE, "link": tarfile.SYMTYPE}


def pack(layout: Layout, anchor: datetime) -> bytes:
    """The tar that is laid over / of a machine that was created and not started.

    Beside the files it holds /.internbox/offline, run before init, and /.internbox/neighbours, the
    folders whose entries get a fresh ctime. Owners are numbers; names are given by the script.
    """
    listed = "".join(f"{path}\n" for path in layout.neighbours)
    own = [
        LaidFile("/.internbox", "engine", kind="directory", mode=0o700),
        LaidFile("/.internbox/offline", "engine", data=layout.offline.encode(), mode=0o700),
        LaidFile("/.internbox/neighbours", "engine", data=listed.encode(), mode=0o600),
    ]
    laid = [file for file in layout.files if file.kind != "delete"]
    written = io.BytesIO()
    stamp = int(anchor.timestamp())
    with tarfile.open(fileobj=written, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for file in sorted([*own, *laid, *_home(laid)], key=lambda one: one.path):
            tar.addfile(_entry(file, stamp), io.BytesIO(file.data))
    return written.getvalue()


def _entry(file: LaidFile, stamp: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(file.path.lstrip("/"))
    entry.type = _TYPES[file.kind]
    entry.size = len(file.data)
    entry.linkname = file.link
    entry.mode = file.mode
    entry.mtime = file.mtime or stamp
    entry.uid, entry.gid = numeric_owner(file.owner) or (0, 0)
    return entry


def _home(laid: list[LaidFile]) -> Iterator[LaidFile]:
    """The folders on the way to files of the intern's: theirs, not root's. Other folders that are
    missing are made by the engine as root's; those that are there keep what they have."""
    known = {file.path for file in laid}
    times: dict[str, int] = {}
    for file in laid:
        for parent in map(str, PurePosixPath(file.path).parents):
            if parent.startswith(f"{_HOME}/") and parent not in known:
                times[parent] = max(times.get(parent, 0), file.mtime)
    for path, mtime in times.items():
        mode = 0o700 if path == f"{_HOME}/.ssh" else 0o755
        yield LaidFile(path, "engine", "directory", mode=mode, owner="intern", mtime=mtime)
