"""Finds submissions: files, folders of them, and the bulk downloads of Moodle and Canvas."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from msgspec import Struct

from sandbox.errors import Refused, UsageError
from sandbox.handin.shapes import LIMITS, MANIFEST, SUFFIX
from sandbox.handin.zips import SafeZip, ZipLimits, opened, shown

DOWNLOAD = ZipLimits(file=4 << 30, unpacked=16 << 30, members=20_000)

# Moodle: `Name Surname_1234_assignsubmission_file_/x.ibz`, or all in one name without the slash.
_MOODLE = re.compile(r"^(?P<name>.+?)_(?P<number>\d+)_assignsubmission_[a-z]+_(?:/|(?=[^/]))")
# Canvas: `surnamename_LATE_123_456_x.ibz`, after a resubmission `…_x-1.ibz`.
_CANVAS = re.compile(r"^(?P<name>[^_/]+)_(?:LATE_)?(?P<number>\d+)_(?:\d+)_[^/]+$")
_NOISE = re.compile(r"(?:^|/)(?:__MACOSX/|\.DS_Store$|Thumbs\.db$|desktop\.ini$)")
_WANTED = re.compile(r"\.ibz(?:\.zip)?$", re.IGNORECASE)


class Ignored(Struct, frozen=True):
    """A file that is no submission, and why it was passed over."""

    file: str
    why: str


@dataclass(frozen=True)
class Found:
    """A submission to be read: a file, or a member of a bulk download.

    `student` is the learner's name as the LMS gives it, "" where it gives none.
    """

    label: str
    path: Path
    member: str = ""
    student: str = ""

    @contextmanager
    def at_hand(self, folder: Path) -> Iterator[Path]:
        """As a file of its own, for a while; one from a download is unpacked to `folder`."""
        if not self.member:
            yield self.path
            return
        file = folder / f"{abs(hash(self.label)):x}{SUFFIX}"
        try:
            with opened(self.path, DOWNLOAD) as packed, file.open("wb") as copy:
                if packed.size(self.member) > LIMITS.archive:
                    raise Refused(f"it is larger than {LIMITS.archive >> 20} MiB")
                for block in packed.blocks(self.member):
                    copy.write(block)
            yield file
        finally:
            file.unlink(missing_ok=True)


@dataclass
class Finds:
    """All that was found: submissions, what was passed over, downloads that cannot be read."""

    submissions: list[Found] = field(default_factory=list)
    ignored: list[Ignored] = field(default_factory=list)
    refused: list[tuple[str, Refused]] = field(default_factory=list)


def find(paths: Sequence[Path]) -> Finds:
    """Every submission in the files, folders and bulk downloads named. UsageError for a path that
    is not there."""
    finds = Finds()
    for path in paths:
        if not path.exists():
            raise UsageError(f"{path} is not there", hint="name .ibz files, folders, or downloads")
        if path.is_dir():
            _in_folder(path, finds)
        else:
            _in_file(path, str(path), finds)
    return finds


def _in_folder(folder: Path, finds: Finds) -> None:
    """A download that was unpacked already."""
    for path in sorted(folder.rglob("*")):
        inner = path.relative_to(folder).as_posix()
        if not path.is_file() or _NOISE.search(inner):
            continue
        if _WANTED.search(path.name):
            found = Found(str(path), path, student=student(inner))
            finds.submissions.append(found)
        else:
            finds.ignored.append(Ignored(str(path), "no submission"))


def _in_file(path: Path, label: str, finds: Finds) -> None:
    if path.name.lower().endswith(SUFFIX):
        finds.submissions.append(Found(label, path, student=_by_pattern(path.name)))
        return
    try:
        with opened(path, DOWNLOAD) as packed:
            if MANIFEST in packed.members:  # a browser that knows better has renamed it
                finds.submissions.append(Found(label, path, student=_by_pattern(path.name)))
            else:
                _in_download(path, packed, finds)
    except Refused as refused:
        finds.refused.append((label, refused))


def _in_download(path: Path, packed: SafeZip, finds: Finds) -> None:
    for name in sorted(packed.members):
        label = f"{path}: {shown(name)}"
        if _NOISE.search(name):
            continue
        if _WANTED.search(name):
            finds.submissions.append(Found(label, path, name, student(name)))
        else:
            finds.ignored.append(Ignored(label, "no submission"))


def student(name: str) -> str:
    """Whose a member of a download is: as the LMS writes it, or by the folder it lies in."""
    return _by_pattern(name) or posixpath.dirname(name).rpartition("/")[2]


def _by_pattern(name: str) -> str:
    for pattern in (_MOODLE, _CANVAS):
        whole = name if pattern is _MOODLE else posixpath.basename(name)
        if found := pattern.match(whole):
            return found["name"].rpartition("/")[2].strip()
    return ""
