"""Reads a zip that nobody vouches for: every limit is kept before and while it is read."""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

from sandbox.errors import Refused

READ = 1 << 20
END = b"PK\x05\x06"
END_SIZE = 22
LARGE = b"PK\x06\x07"  # stands before the end of a zip of more than 4 GB or 65,535 files
COMMENT = 65_535
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
ENCRYPTED = 0x1 | 0x40 | 0x2000


@dataclass(frozen=True)
class ZipLimits:
    """Sizes in bytes: of the file, of all its members together, of its list of members."""

    file: int
    unpacked: int
    members: int
    listed: int = 16 << 20
    ratio: int = 500
    small: int = 64 << 20  # below this no ratio counts


class SafeZip:
    """An open zip; `members` are its files by name. Raises Refused for whatever is wrong."""

    def __init__(self, file: BinaryIO, limits: ZipLimits) -> None:
        self.limits = limits
        with speaking():
            _check_end(file, limits)
            self._zip = zipfile.ZipFile(file)
            found = self._zip.infolist()
        self.members = {one.filename: one for one in found if not one.is_dir()}
        if len(self.members) < sum(not one.is_dir() for one in found):
            raise Refused("two of its files have the same name")
        for one in found:
            _check_member(one)
        unpacked = sum(one.file_size for one in found)
        packed = sum(one.compress_size for one in found)
        if unpacked > limits.unpacked:
            raise Refused(f"it unpacks to more than {limits.unpacked >> 20} MiB")
        if unpacked > limits.small and unpacked > limits.ratio * max(packed, 1):
            raise Refused(f"it unpacks to more than {limits.ratio} times its size")

    def size(self, name: str) -> int:
        """Bytes of a member, as it says."""
        return self.members[name].file_size

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """A member to read; more than it said never comes."""
        with speaking(), self._zip.open(self.members[name]) as stream:
            yield stream

    def blocks(self, name: str) -> Iterator[bytes]:
        """A member in pieces. Refused when it is not as long as it said."""
        left = self.size(name)
        with self.open(name) as stream:
            while left > 0:
                block = stream.read(min(READ, left))
                if not block:
                    raise Refused(f"{shown(name)} ends too soon")
                left -= len(block)
                yield block
            if stream.read(1):
                raise Refused(f"{shown(name)} is longer than it says")

    def read(self, name: str, limit: int) -> bytes:
        """A whole member of at most `limit` bytes."""
        if self.size(name) > limit:
            raise Refused(f"{shown(name)} is larger than {limit >> 10} KiB")
        return b"".join(self.blocks(name))


@contextmanager
def opened(path: Path, limits: ZipLimits) -> Iterator[SafeZip]:
    """Refused when it cannot be read, is too large or is no zip."""
    with ExitStack() as files:
        with speaking():
            packed = SafeZip(files.enter_context(path.open("rb")), limits)
        yield packed


@contextmanager
def speaking() -> Iterator[None]:
    """What goes wrong while a zip is read, in words."""
    try:
        yield
    except NotImplementedError as error:
        raise Refused(f"it cannot be unpacked: {error}") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, struct.error) as error:
        raise Refused(f"it is no zip, or a damaged one: {error}") from None
    except OSError as error:
        raise Refused(f"it cannot be read: {error.strerror or error}") from None
    except (ValueError, RuntimeError, IndexError, KeyError, OverflowError) as error:
        raise Refused(f"it is damaged: {error}") from None


def shown(name: str) -> str:
    """A member's name for a message."""
    return name if len(name) <= 80 and name.isprintable() else ascii(name[:80])


def _check_end(file: BinaryIO, limits: ZipLimits) -> None:
    """What the zip's last record says, before its list of members is read into memory."""
    size = file.seek(0, 2)
    if size > limits.file:
        raise Refused(f"it is larger than {limits.file >> 20} MiB")
    file.seek(max(0, size - COMMENT - END_SIZE - 20))
    tail = file.read()
    at = tail.rfind(END)
    if at < 0 or len(tail) - at < END_SIZE:
        raise Refused("it is no zip, or only the beginning of one")
    disk, _, here, members, listed = struct.unpack_from("<HHHHI", tail, at + 4)
    if tail[max(0, at - 20) : at].startswith(LARGE) or 0xFFFF in (members, disk):
        raise Refused("it is a zip of more than 4 GB or 65,535 files: hand it over in parts")
    if here != members or disk:
        raise Refused("it is one part of several")
    if members > limits.members:
        raise Refused(f"it holds more than {limits.members} files")
    if listed > limits.listed:
        raise Refused("its list of files is too large")
    file.seek(0)


def _check_member(one: zipfile.ZipInfo) -> None:
    name = shown(one.filename)
    if one.flag_bits & ENCRYPTED:
        raise Refused(f"{name} is encrypted")
    if one.compress_type not in METHODS:
        raise Refused(f"{name} is packed in a way that is not taken (deflate is)")
    if _leads_out(one.filename):
        raise Refused(f"{name} leads out of the zip")
    mode = one.external_attr >> 16
    if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise Refused(f"{name} is neither a file nor a folder")


def _leads_out(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    return not name or name[0] in "/\\" or ".." in parts or "\0" in name or name[1:2] == ":"
