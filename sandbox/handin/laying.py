"""Turns a checked submission into the tar that makes a clean image the learner's machine."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Collection, Iterator
from typing import BinaryIO

from sandbox.errors import Refused
from sandbox.handin import acl
from sandbox.handin.listing import Listing
from sandbox.handin.shapes import HostIndex, Item
from sandbox.handin.zips import READ, shown
from sandbox.runtime.contents import Chunks

_XATTR = "SCHILY.xattr."
_TYPES = {
    "file": tarfile.REGTYPE,
    "folder": tarfile.DIRTYPE,
    "link": tarfile.SYMTYPE,
    "same": tarfile.LNKTYPE,
}

# Runs before init. What another image of the same sources has not is none to be removed.
DELETE = """\
#!/bin/bash
xargs -0 -a /.internbox/gone rm -df -- 2>/dev/null || true
"""


def check_against_image(index: HostIndex, image: Listing, volumes: Collection[str]) -> None:
    """Refuses what only the image can tell: links to files that are not, odd volumes."""
    items = {item.path: item for item in index.items}
    for item in index.items:
        if item.kind == "same" and item.target not in items:
            there = image.get(item.target)
            if there is None or there.kind not in ("file", "same"):
                raise Refused(f"{shown(item.path)} is the same as a file that is not there")
    for volume in volumes:
        if volume in items and items[volume].kind != "folder":
            raise Refused(f"{volume} is a disk of its own, and no {items[volume].kind}")


def write(index: HostIndex, content: Iterator[bytes], image: Listing, file: BinaryIO) -> None:
    """The tar: items, then hard links, then what is to be deleted before init."""
    contents = io.BufferedReader(Chunks(content), READ)
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for item in index.items:
            if item.kind != "same":
                tar.addfile(_entry(item), contents)
        for item in index.items:
            if item.kind == "same":
                tar.addfile(_entry(item))
        for entry, data in _deletion([path for path in index.deleted if path in image]):
            tar.addfile(entry, io.BytesIO(data))


def _entry(item: Item) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(item.path.lstrip("/"))
    entry.type = _TYPES[item.kind]
    entry.size = item.size
    entry.linkname = item.target.lstrip("/") if item.kind == "same" else item.target
    entry.mode, entry.uid, entry.gid, entry.mtime = item.mode, item.uid, item.gid, item.mtime
    entry.pax_headers = dict(_attributes(item))
    return entry


def _attributes(item: Item) -> Iterator[tuple[str, str]]:
    """Extended attributes as the engine's tar has them; bytes that are no text as surrogates."""
    found = {
        "system.posix_acl_access": acl.encode(item.acl) if item.acl else b"",
        "system.posix_acl_default": acl.encode(item.default_acl) if item.default_acl else b"",
        "security.capability": bytes.fromhex(item.capability),
    }
    for name, value in found.items():
        if value:
            yield _XATTR + name, value.decode("utf-8", "surrogateescape")


def _deletion(gone: list[str]) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    if not gone:
        return
    yield _own("/.internbox", tarfile.DIRTYPE, 0o700), b""
    for name, text in (
        ("offline", DELETE.encode()),
        ("gone", b"".join(path.encode() + b"\0" for path in gone)),
    ):
        entry = _own(f"/.internbox/{name}", tarfile.REGTYPE, 0o700)
        entry.size = len(text)
        yield entry, text


def _own(path: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path.lstrip("/"))
    entry.type, entry.mode = kind, mode
    return entry
