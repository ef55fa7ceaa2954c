"""Turns a checked submission into the tar that makes a clean image the learner's machine."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Collection, Iterator, Mapping
from typing import BinaryIO

from sandbox.errors import Refused
from sandbox.handin import acl
from sandbox.handin.listing import Listing
from sandbox.handin.shapes import HostIndex, Item, ancestors, within
from sandbox.handin.zips import READ, shown
from sandbox.models import Volume
from sandbox.runtime.container import memory_bytes
from sandbox.runtime.contents import Chunks

PAGE = 4096  # what a file takes of a disk in memory is a multiple of it

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


def check_against_image(index: HostIndex, image: Listing, volumes: Collection[Volume]) -> None:
    """Refuses what only the image can tell, and what the engine could not lay: paths below what is
    no folder, links to files that are not, what a machine's own disks do not hold."""
    items = {item.path: item for item in index.items}
    for item in index.items:
        _check_above(item.path, items, image)
        if item.kind == "same" and item.target not in items:
            there = image.get(item.target)
            if there is None or there.kind not in ("file", "same"):
                raise Refused(f"{shown(item.path)} is the same as a file that is not there")
        if item.kind == "same" and _disk(item.path, volumes) != _disk(item.target, volumes):
            raise Refused(f"{shown(item.path)} is the same as a file of another disk")
    for volume in volumes:
        _check_volume(volume, items)


def _check_above(path: str, items: Mapping[str, Item], image: Listing) -> None:
    """What was handed in above a path is known to be a folder; so must be what is there anyway."""
    for above in ancestors(path):
        there = image.get(above)
        if above not in items and there is not None and there.kind != "folder":
            kind = there.kind or "device"
            raise Refused(f"{shown(path)} lies below {shown(above)}, which is a {kind} here")


def _disk(path: str, volumes: Collection[Volume]) -> str:
    """The volume that a path lies on; "" for the machine's own file system."""
    return max((one.path for one in volumes if within(path, one.path)), key=len, default="")


def _check_volume(volume: Volume, items: Mapping[str, Item]) -> None:
    for path in (*ancestors(volume.path), volume.path):
        if path in items and items[path].kind != "folder":
            raise Refused(
                f"{volume.path} is a disk of its own, and {path} is no {items[path].kind}"
            )
    held = [item for item in items.values() if within(item.path, volume.path)]
    pages = sum(-(-item.size // PAGE) for item in held)
    inodes = sum(item.kind != "same" for item in held)
    if pages * PAGE > memory_bytes(volume.size) or (volume.inodes and inodes > volume.inodes):
        raise Refused(f"{volume.path} is a disk of {volume.size}, and holds more than fits on it")


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
