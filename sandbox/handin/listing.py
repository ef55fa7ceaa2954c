"""Every path of a tar of a whole file system, with what `docker diff` would compare."""

from __future__ import annotations

import hashlib
import io
import posixpath
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO, Literal

import msgspec
from msgspec import Struct

from sandbox.decoding import decode
from sandbox.handin.shapes import Kind
from sandbox.paths import replacing
from sandbox.runtime.base import Runtime

READ = 1 << 20
_ASKING = threading.Lock()
_KINDS: dict[bytes, Kind] = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.DIRTYPE: "folder",
    tarfile.SYMTYPE: "link",
    tarfile.LNKTYPE: "same",
}


class Stat(Struct, frozen=True, array_like=True):
    """What shows that a path has changed; `kind` is "" for what cannot be handed in."""

    kind: Kind | Literal[""]
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    target: str


Listing = dict[str, Stat]


def members(
    stream: BinaryIO, top: str = ""
) -> Iterator[tuple[str, Stat, tarfile.TarInfo, IO[bytes]]]:
    """Path, stat, entry and content (to be read at once) of every member, in the tar's order.

    `top` is the folder that the tar's first name stands for, "" for the root itself.
    """
    with tarfile.open(fileobj=stream, mode="r|", bufsize=READ) as tar:
        for entry in tar:
            tar.members = []  # type: ignore[attr-defined]  # or all of them stay in memory
            path = _path(entry.name, top)
            if path != "/":
                content = tar.extractfile(entry) if entry.isreg() else None
                yield path, _stat(entry, top), entry, content or io.BytesIO()


def _path(name: str, top: str) -> str:
    inner = posixpath.normpath(name).lstrip("/")
    if top:
        inner = posixpath.join(top.lstrip("/"), inner.partition("/")[2]).rstrip("/")
    return "/" if inner == "." else f"/{inner}"


def _stat(entry: tarfile.TarInfo, top: str) -> Stat:
    kind: Kind | Literal[""] = _KINDS.get(entry.type, "")
    target = entry.linkname if kind in ("link", "same") else ""
    if kind == "same":
        target = _path(target, top)
    size = entry.size if kind == "file" else 0
    return Stat(kind, entry.mode & 0o7777, entry.uid, entry.gid, size, int(entry.mtime), target)


def of_image(runtime: Runtime, reference: str, folder: Path) -> Listing:
    """Every path of an image; asked of the engine once and kept in `folder`."""
    kept = folder / hashlib.sha256(reference.encode()).hexdigest()[:16]
    with _ASKING:  # many submissions at once need the same one
        return _read(kept) or _asked(runtime, reference, kept)


def _read(kept: Path) -> Listing:
    try:
        return decode(kept.read_bytes(), Listing)
    except (OSError, msgspec.MsgspecError):
        return {}


def _asked(runtime: Runtime, reference: str, kept: Path) -> Listing:
    with runtime.image_files(reference) as stream:
        listing = {path: stat for path, stat, *_ in members(stream) if _is_text(path, stat)}
    kept.parent.mkdir(parents=True, exist_ok=True)
    with replacing(kept) as draft:
        draft.write_bytes(msgspec.json.encode(listing))
    return listing


def _is_text(path: str, stat: Stat) -> bool:
    return is_text(path) and is_text(stat.target)


def is_text(name: str) -> bool:
    """Whether a name is UTF-8; tarfile keeps other bytes as lone surrogates."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
