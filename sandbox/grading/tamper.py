"""What was done to a machine's own tools: the measured boot against the image.

A *listing* is text with a line for each inode, seven columns joined by tabs:

    ctime  type  mode  uid:gid  size  sha256-or-link-target  path

ctime in epoch seconds, type one of `f d l` and others, mode octal, and in the last two columns
`\\n`, `\\t` and `\\\\` stand for newline, tab and backslash. Lines that are not like that are
passed over.

A listing holds what changed later than some instant. Of a folder that did it holds all children,
and it always holds the measured places, both with `-` for content where they did not change: what
is not there was deleted.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

OWN = ("/usr/bin/", "/usr/sbin/", "/usr/lib/", "/usr/lib64/", "/usr/libexec/")
OWN_FILES = ("/bin", "/sbin", "/lib", "/lib64", "/etc/ld.so.conf")
LOADER = "/etc/ld.so.conf.d/"
PROGRAMS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin")  # as PATH has them
LIBRARIES = re.compile(  # where the loader looks
    r"^/usr/(?:local/)?lib(?:64)?(?:/[a-z0-9_]+-linux-[a-z0-9]+)?(?:/glibc-hwcaps/[^/]+)?$"
)
PRELOAD = "/etc/ld.so.preload"
CACHE = (
    "/etc/ld.so.cache"  # listed only where it sends programs elsewhere for the system's libraries
)
# What an honest day's work rewrites: caches and lists that tools generate.
GENERATED = re.compile(
    r"/__pycache__/|\.pyc$"
    r"|^/usr/lib/locale/"
    r"|/gconv/gconv-modules\.cache$"
    r"|/(?:loaders|immodules|giomodule|icon-theme|mimeinfo)\.cache$"
    r"|^/usr/lib/udev/hwdb\.bin$"
    r"|^/usr/lib/systemd/catalog/"
)
PARENTS = ("/", "/usr", "/etc")  # of the measured places
UNREAD = "-"  # content that was not looked at, or is too large
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # SHA-256 of nothing
_ESCAPED = re.compile(r"\\([nt\\])")
_PLAIN = {"n": "\n", "t": "\t", "\\": "\\"}


@dataclass(frozen=True)
class Entry:
    """One inode of a listing. `content` is the SHA-256 of a file, the target of a link."""

    ctime: float
    type: str
    mode: int
    owner: str
    content: str
    path: str

    def same(self, other: Entry | None) -> bool:
        """The same thing, whenever it was put there. Links have no mode of their own."""
        return (
            other is not None
            and self.content != UNREAD
            and (self.type, self.owner, self.content) == (other.type, other.owner, other.content)
            and (self.type == "l" or self.mode == other.mode)
        )


def entries(listing: str) -> Iterator[Entry]:
    """The inodes of a listing, in its order."""
    for line in listing.split("\n"):
        fields = line.split("\t")
        if len(fields) != 7:
            continue
        try:
            ctime, mode = float(fields[0]), int(fields[2], 8) & 0o7777
        except ValueError:
            continue
        content, path = (_ESCAPED.sub(lambda m: _PLAIN[m[1]], text) for text in fields[5:])
        kind = fields[1]
        yield Entry(ctime, kind, mode, fields[3], content if kind in "fl" else "", path)


def touched(listing: str, baseline: str, since: float) -> bool:
    """Is there anything to judge: changed after `since` (epoch seconds), or a place gone?"""
    told = {entry.path: entry.ctime for entry in entries(listing)}
    places = {one.path for one in entries(baseline) if posixpath.dirname(one.path) in PARENTS}
    return not places <= told.keys() or max(told.values(), default=0.0) > since


def tampered(*, listings: Sequence[str], manifest: str, baseline: str, since: float) -> list[str]:
    """The paths that were tampered with, sorted.

    listings  what changed, as measured at boot and later: each is judged by itself
    manifest  the full listing of the clean image
    baseline  the listing of the prepared machine, before any learner: it overrides the manifest
    since     when the machine was handed over, epoch seconds of its own clock
    """
    image = _Image.of(manifest, baseline)
    found: set[str] = set()
    for listing in listings:
        told = {entry.path: entry for entry in entries(listing)}
        changed = [entry for entry in told.values() if entry.ctime > since]
        found.update(entry.path for entry in changed if image.is_tampering(entry))
        found.update(_deleted(image.own, told, since))
    return sorted(found)


@dataclass(frozen=True)
class _Image:
    """A clean image with what the preparation made of it."""

    own: frozenset[str]  # paths of the image's own files and links
    clean: Mapping[str, tuple[Entry, ...]]  # what may lie at a path
    programs: Mapping[str, int]  # program name → place in PATH
    libraries: frozenset[str]  # names of shared libraries

    @classmethod
    def of(cls, manifest: str, baseline: str) -> _Image:
        of_image = {entry.path: entry for entry in entries(manifest)}
        prepared = {entry.path: entry for entry in entries(baseline)}
        clean = {
            path: tuple(found[path] for found in (of_image, prepared) if path in found)
            for path in of_image | prepared
        }
        own = frozenset(path for path, entry in of_image.items() if _is_own(entry))
        programs: dict[str, int] = {}
        for path in own:
            folder, _, name = path.rpartition("/")
            if folder in PROGRAMS:
                place = PROGRAMS.index(folder)
                programs[name] = min(place, programs.get(name, place))
        libraries = frozenset(
            path.rpartition("/")[2] for path in own if LIBRARIES.match(path.rpartition("/")[0])
        )
        return cls(own, clean, programs, libraries)

    def is_tampering(self, entry: Entry) -> bool:
        """Is this changed inode one that an honest day's work does not change?"""
        if any(entry.same(known) for known in self.clean.get(entry.path, ())):
            return False
        if entry.path == PRELOAD:
            return entry.content != EMPTY
        if entry.path in self.own or entry.path == CACHE:
            return True
        return entry.path not in self.clean and entry.type in "fl" and self._shadows(entry)

    def _shadows(self, entry: Entry) -> bool:
        """Is this new file or link found instead of one of the image's?"""
        folder, _, name = entry.path.rpartition("/")
        if LIBRARIES.match(folder) and name in self.libraries:
            return not self._leads_to_own(entry)
        if folder not in PROGRAMS or name not in self.programs:
            return False
        if entry.type == "f" and not entry.mode & 0o111:
            return False  # not a program
        earlier = PROGRAMS.index(folder) < self.programs[name]
        return earlier and not self._leads_to_own(entry)

    def _leads_to_own(self, entry: Entry) -> bool:
        """A link to the image's own file of the same name."""
        if entry.type != "l":
            return False
        target = posixpath.normpath(posixpath.join(posixpath.dirname(entry.path), entry.content))
        same_name = posixpath.basename(target) == posixpath.basename(entry.path)
        return same_name and (target in self.own or f"/usr{target}" in self.own)


def _is_own(entry: Entry) -> bool:
    own = entry.path.startswith((*OWN, LOADER)) or entry.path in OWN_FILES
    return own and entry.type in "fl" and not GENERATED.search(entry.path)


def _deleted(own: Iterable[str], told: Mapping[str, Entry], since: float) -> Iterator[str]:
    """Paths of the image that a listing would hold, were they still there.

    What went before `since` is the scenario's doing: a folder not changed after it holds what it
    held then.
    """

    @cache
    def is_gone(path: str) -> bool:
        if path in told:
            return False
        folder = posixpath.dirname(path)
        if folder in PARENTS:
            return True
        if folder not in told:
            return is_gone(folder)
        return told[folder].type != "d" or told[folder].ctime > since

    return filter(is_gone, own)
