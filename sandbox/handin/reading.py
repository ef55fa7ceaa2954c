"""Reads a submission that nobody vouches for; all of it is checked before anything is used."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from sandbox import variants
from sandbox.decoding import decode
from sandbox.errors import Refused
from sandbox.handin import acl
from sandbox.handin.listing import is_text
from sandbox.handin.shapes import (
    FORBIDDEN,
    FORMAT,
    LIMITS,
    MANIFEST,
    FormatOnly,
    HostIndex,
    Item,
    Limits,
    Manifest,
    ancestors,
    data_part,
    index_part,
    within,
)
from sandbox.handin.zips import SafeZip, ZipLimits, opened, shown

HOST = re.compile("[a-z][a-z0-9-]{0,30}")
NAME_BYTES = 255
PATH_BYTES = 4096
LARGEST_ID = 0xFFFFFFFE
LATEST = 1 << 34  # an instant that a file may carry, epoch seconds
# What the kernel takes for security.capability (linux/capability.h): its second form, or its third,
# which ends in the id of a root.
CAPABILITY = re.compile("0[01]000002[0-9a-f]{32}|0[01]000003[0-9a-f]{32}(?!f{8})[0-9a-f]{8}")
EARLIEST = 1_577_836_800.0  # of anchors: 2020
A_DAY = 86_400.0


@dataclass(frozen=True)
class Submission:
    """A submission whose parts are whole and agree with each other, at `path`.

    `anchor` is aware. Whether it fits a scenario is for `fitting` to say.
    """

    path: Path
    sha256: str
    manifest: Manifest
    hosts: dict[str, HostIndex]
    anchor: datetime

    @contextmanager
    def content(self, host: str) -> Iterator[Iterator[bytes]]:
        """The contents of a host's files, one after the other, in pieces."""
        with opened(self.path, _zip_limits(LIMITS)) as packed:
            yield packed.blocks(data_part(host))

    @property
    def fingerprint(self) -> str:
        """The same for the same work, whoever says that it is theirs."""
        parts = sorted((name, part.sha256) for name, part in self.manifest.parts.items())
        return hashlib.sha256(repr(parts).encode()).hexdigest()


def read(path: Path, limits: Limits = LIMITS) -> Submission:
    """Raises Refused, saying why, for whatever is not a whole submission."""
    with opened(path, _zip_limits(limits)) as packed:
        manifest = _manifest(packed, limits)
        hosts = _hosts(packed, manifest)
        _check_parts(packed, manifest)
        indexes = {host: _index(packed, host, limits) for host in hosts}
        for index in indexes.values():
            check_index(index, manifest.parts[data_part(index.host)].size)
        if sum(len(one.items) + len(one.deleted) for one in indexes.values()) > limits.items:
            raise Refused(f"it names more than {limits.items} paths")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Submission(path, digest, manifest, indexes, _anchor(manifest))


def _zip_limits(limits: Limits) -> ZipLimits:
    return ZipLimits(
        file=limits.archive,
        unpacked=limits.content + limits.manifest + 8 * limits.index,
        members=64,
        listed=1 << 20,
        ratio=limits.ratio,
        small=limits.small,
    )


def _manifest(packed: SafeZip, limits: Limits) -> Manifest:
    if MANIFEST not in packed.members:
        raise Refused("it is no submission: it holds no manifest.json")
    text = packed.read(MANIFEST, limits.manifest)
    try:
        if decode(text, FormatOnly).format != FORMAT:
            raise Refused("it was made by another version of internbox, whose form is not known")
        manifest = decode(text, Manifest)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise Refused(f"its manifest is not one: {error}") from None
    if not variants.is_seed(manifest.seed):
        raise Refused("its manifest names no seed")
    return manifest


def _hosts(packed: SafeZip, manifest: Manifest) -> list[str]:
    """The hosts, when there is just what belongs to them."""
    hosts = [name.split("/")[1][:-5] for name in manifest.parts if name.endswith(".json")]
    wanted = {part for host in hosts for part in (index_part(host), data_part(host))}
    if not hosts or set(manifest.parts) != wanted or not all(map(HOST.fullmatch, hosts)):
        raise Refused("its manifest does not name two parts for each machine")
    there = set(packed.members) - {MANIFEST}
    if there != wanted:
        odd = sorted(there ^ wanted)[0]
        raise Refused(f"its manifest and its files do not agree: {shown(odd)}")
    return hosts


def _check_parts(packed: SafeZip, manifest: Manifest) -> None:
    for name, part in manifest.parts.items():
        digest, size = hashlib.sha256(), 0
        for block in packed.blocks(name):
            digest.update(block)
            size += len(block)
        if digest.hexdigest() != part.sha256 or size != part.size:
            raise Refused(f"{name} is not what its manifest says: its SHA-256 differs")


def _index(packed: SafeZip, host: str, limits: Limits) -> HostIndex:
    text = packed.read(index_part(host), limits.index)
    try:
        index = decode(text, HostIndex)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise Refused(f"{index_part(host)} is not a list of files: {error}") from None
    if index.host != host:
        raise Refused(f"{index_part(host)} is of another machine")
    return index


def _anchor(manifest: Manifest) -> datetime:
    try:
        anchor = datetime.fromisoformat(manifest.anchor)
        moment = anchor.timestamp()
    except (ValueError, OverflowError, OSError):
        raise Refused("its manifest names no moment of its start") from None
    if anchor.tzinfo is None or not EARLIEST < moment < time.time() + A_DAY:
        raise Refused(f"its manifest says that it was started on {manifest.anchor[:40]}")
    return anchor


# --- paths ------------------------------------------------------------------------------------


def check_index(index: HostIndex, size: int) -> None:
    """Refuses what no machine could hold, and what is not the learner's to change.

    `size` is that of the contents.
    """
    items: dict[str, Item] = {}
    for item in index.items:
        _check_item(item)
        if item.path in items:
            raise Refused(f"{shown(item.path)} is there twice")
        items[item.path] = item
    for item in items.values():
        _check_place(item.path, items)
        if item.kind == "same":
            _check_twin(item, items)
    for path in index.deleted:
        _check_path(path)
        if path in items:
            raise Refused(f"{shown(path)} is deleted and there at the same time")
        _check_place(path, items)
    if sum(item.size for item in items.values()) != size:
        raise Refused("its files are not as long as they say")


def _check_path(path: str) -> None:
    parts = path.split("/")
    if parts[0] or not all(parts[1:]) or len(parts) < 2:
        raise Refused(f"{shown(path)} is not an absolute path")
    if "." in parts or ".." in parts or "\0" in path:
        raise Refused(f"{shown(path)} leads elsewhere")
    try:
        raw = path.encode()
    except UnicodeEncodeError:
        raise Refused(f"{shown(path)} is no text") from None
    if len(raw) >= PATH_BYTES or max(map(len, raw.split(b"/"))) > NAME_BYTES:
        raise Refused(f"{shown(path)} is too long")
    for folder in FORBIDDEN:
        if within(path, folder):
            raise Refused(f"{shown(path)} is not the learner's: nothing below {folder} is taken")


def _check_item(item: Item) -> None:
    _check_path(item.path)
    name = shown(item.path)
    numbers = (
        0 <= item.mode <= 0o7777
        and 0 <= item.uid <= LARGEST_ID
        and 0 <= item.gid <= LARGEST_ID
        and 0 <= item.mtime < LATEST
        and (0 <= item.size < 1 << 40 if item.kind == "file" else item.size == 0)
    )
    if not numbers:
        raise Refused(f"{name} has a mode, owner, time or size that no file has")
    if bool(item.target) != (item.kind in ("link", "same")):
        raise Refused(f"{name} is a {item.kind}, and leads somewhere or nowhere")
    if item.kind == "link" and not _is_target(item.target):
        raise Refused(f"{name} leads to what is no path")
    if not (acl.is_valid(item.acl) and acl.is_valid(item.default_acl)):
        raise Refused(f"{name} has an access list that is none")
    if item.default_acl and item.kind != "folder":
        raise Refused(f"{name} has a folder's access list, and is none")
    if item.acl and item.kind == "link":
        raise Refused(f"{name} is a link with an access list")
    if item.capability and not (item.kind == "file" and CAPABILITY.fullmatch(item.capability)):
        raise Refused(f"{name} has capabilities that no file has")


def _is_target(text: str) -> bool:
    """Whether a link can lead there, wherever that is."""
    return "\0" not in text and is_text(text) and len(text.encode()) < PATH_BYTES


def _check_place(path: str, items: Mapping[str, Item]) -> None:
    """Whatever is above a path must be a folder: through a link it would land elsewhere."""
    for above in ancestors(path):
        item = items.get(above)
        if item is not None and item.kind != "folder":
            raise Refused(f"{shown(path)} lies below {shown(above)}, which is a {item.kind}")
    item = items.get(path)
    if item is not None and item.kind != "folder":
        for folder in FORBIDDEN:
            if within(folder, path):
                raise Refused(f"{shown(path)} would take the place of {folder}")


def _check_twin(item: Item, items: Mapping[str, Item]) -> None:
    """A hard link leads to a file of the same machine: one handed in, or one of the image."""
    _check_path(item.target)
    twin = items.get(item.target)
    if twin is not None and twin.kind != "file":
        raise Refused(f"{shown(item.path)} is the same as {shown(item.target)}, which is no file")
    _check_place(item.target, {**items, item.target: twin} if twin else items)


def setuid(index: HostIndex, allowed: Collection[str]) -> list[str]:
    """Files that would run with the rights of another, and are none of `allowed`."""
    return [
        item.path
        for item in index.items
        if item.kind in ("file", "same") and item.mode & 0o6000 and item.path not in allowed
    ]
