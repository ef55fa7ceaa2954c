"""Packs what a machine has that its image has not."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import IO, BinaryIO

from sandbox import ssh
from sandbox.errors import UsageError
from sandbox.handin.acl import Acls, parse
from sandbox.handin.listing import Listing, Stat, is_text, members
from sandbox.handin.shapes import (
    FORBIDDEN,
    LIMITS,
    HostIndex,
    Item,
    Kind,
    Limits,
    ancestors,
    within,
)
from sandbox.runtime.base import Runtime

ASK_SECONDS = 60.0
ASK_BYTES = 32_000_000
CAPABILITY = "SCHILY.xattr.security.capability"
BIGGEST = 5
COPY = 1 << 20

LEFT_OUT = re.compile(
    "^(?:"
    + "|".join(re.escape(path) for path in (*FORBIDDEN, "/.dockerenv"))
    + r"|/var/cache/apt|/var/lib/apt/lists|/var/tmp/systemd-private-[^/]*"
    + r"|/(?:root|home/[^/]+)/(?:\.cache|\.npm/_cacache|\.local/share/JetBrains"
    + r"|\.(?:vscode|vscodium|cursor|windsurf|positron)-server(?:-insiders)?|\.vscode-remote"
    + r"|\.zed_server|\.local/share/zed)"
    + r")(?:/|$)"
)

# What changed although no size or time shows it, and the access lists, which no tar of the engine's
# holds. The machine's own tools say so: it is the learner's own submission that they describe.
ASK = r"""
find / {volumes} -xdev -newerct @{since} -print0 2>/dev/null
printf '\0\0'
for top in /*; do
    case $top in /proc|/sys|/dev|/run|/tmp) continue ;; esac
    set -- "$@" "$top"
done
getfacl --recursive --physical --skip-base --numeric --absolute-names --no-effective -- "$@" \
    2>/dev/null
"""


@dataclass(frozen=True)
class Told:
    """What a machine says of itself before it is shut down."""

    touched: frozenset[str] = frozenset()
    acls: dict[str, Acls] = field(default_factory=dict)
    silent: bool = False  # it did not answer: what is above is not known


def ask(link: ssh.Connection, since: float, volumes: Sequence[str]) -> Told:
    """Empty where the machine's tools do not answer."""
    script = ASK.format(volumes=" ".join(map(_quoted, volumes)), since=since)
    told = link.run("bash -s", stdin=script.encode(), timeout=ASK_SECONDS, limit=ASK_BYTES).stdout
    touched, _, lists = told.partition("\0\0\0")
    if not lists and touched.endswith("\0\0"):
        touched = touched[:-2]
    return Told(frozenset(touched.split("\0")), parse(lists))


def _quoted(path: str) -> str:
    return "'" + path.replace("'", "'\\''") + "'"


@dataclass
class Packer:
    """One machine's changes, in the making; contents go to `data`.

    `image` is what the image holds; `volumes` are packed whole.
    """

    host: str
    image: Listing
    told: Told
    volumes: Sequence[str]
    data: BinaryIO
    limits: Limits = LIMITS
    items: dict[str, Item] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    left_out: list[str] = field(default_factory=list)
    size: int = 0
    _whole: dict[str, int] = field(default_factory=dict)

    def pack(self, runtime: Runtime, container: str) -> HostIndex:
        """UsageError, naming the biggest paths, when it is more than a submission may hold."""
        with runtime.files(container) as stream:
            self._take(stream)
        for volume in self.volumes:
            with runtime.folder(container, volume) as stream:
                self._take(stream, volume)
        return HostIndex(
            host=self.host,
            items=list(self.items.values()),  # in the order of their contents
            deleted=self._deleted(),
            left_out=sorted(self.left_out),
        )

    def _take(self, stream: BinaryIO, volume: str = "") -> None:
        for path, stat, entry, content in members(stream, volume):
            if LEFT_OUT.match(path) or (not volume and self._on_volume(path)):
                continue
            self.seen.add(path)
            if not volume and path not in self.told.touched and self.image.get(path) == stat:
                continue
            why_not = _why_not(path, stat)
            if why_not or not stat.kind:
                self.left_out.append(f"{path.encode(errors='replace').decode()}: {why_not}")
                continue
            self.items[path] = self._item(path, stat.kind, stat, entry)
            if stat.kind == "file":
                self._copy(path, stat.size, content)

    def _on_volume(self, path: str) -> bool:
        return any(within(path, volume) for volume in self.volumes)

    def _item(self, path: str, kind: Kind, stat: Stat, entry: tarfile.TarInfo) -> Item:
        acls = self.told.acls.get(path, Acls())
        plain = stat.kind in ("file", "folder")
        return Item(
            path=path,
            kind=kind,
            mode=stat.mode,
            uid=stat.uid,
            gid=stat.gid,
            mtime=max(0, stat.mtime),
            size=stat.size,
            target=stat.target,
            acl=acls.access if plain else [],
            default_acl=acls.default if stat.kind == "folder" else [],
            capability=_raw(entry.pax_headers.get(CAPABILITY, "")).hex(),
        )

    def _copy(self, path: str, size: int, content: IO[bytes]) -> None:
        self._whole[path] = size
        self.size += size
        if self.size > self.limits.content or len(self.items) > self.limits.items:
            raise self._too_much()
        while block := content.read(COPY):
            self.data.write(block)

    def _too_much(self) -> UsageError:
        biggest = sorted(self._whole, key=lambda path: -self._whole[path])[:BIGGEST]
        named = ", ".join(f"{path} ({self._whole[path] / 2**20:.0f} MiB)" for path in biggest)
        return UsageError(
            f"{self.host} holds more than a submission may "
            f"({self.limits.content >> 20} MiB, {self.limits.items} paths); the biggest: {named}",
            hint="remove what the task does not need, then submit again; it runs as before",
        )

    def _deleted(self) -> list[str]:
        """Paths of the image that are gone; not what lies below a path that is now something else,
        for that goes with it."""
        gone = [
            path
            for path in self.image
            if path not in self.seen
            and path not in self.items
            and not LEFT_OUT.match(path)
            and not self._on_volume(path)
            and not self._is_covered(path)
        ]
        return sorted(gone, reverse=True)

    def _is_covered(self, path: str) -> bool:
        above = (self.items.get(one) for one in ancestors(path))
        return any(item is not None and item.kind != "folder" for item in above)


def _why_not(path: str, stat: Stat) -> str:
    if not stat.kind:
        return "a device or a pipe"
    if not is_text(path) or not is_text(stat.target):
        return "its name is not UTF-8"
    if "\0" in path:
        return "its name holds a zero byte"
    return ""


def _raw(value: str) -> bytes:
    return value.encode("utf-8", "surrogateescape")
