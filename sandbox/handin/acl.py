"""Access lists: from what getfacl prints to what a file system holds."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field

_LINE = re.compile(r"^(user|group|mask|other):([0-9]{0,10}):([r-][w-][x-])$")
_OCTAL = re.compile(r"\\([0-7]{3})")
_TAGS = {
    ("user", False): 0x01,
    ("user", True): 0x02,
    ("group", False): 0x04,
    ("group", True): 0x08,
    ("mask", False): 0x10,
    ("other", False): 0x20,
}
_NOBODY = 0xFFFFFFFF  # no id: what entries have that need none
_VERSION = 2
MOST_LINES = 200  # two lists and a capability fit in the block that ext4 has for them


@dataclass
class Acls:
    """Lines such as `user:1000:r-x`, of the list itself and of a folder's default."""

    access: list[str] = field(default_factory=list)
    default: list[str] = field(default_factory=list)


def parse(text: str) -> dict[str, Acls]:
    """What `getfacl --numeric --absolute-names` prints, by path; what is not so is passed over."""
    found: dict[str, Acls] = {}
    for block in text.split("\n\n"):
        path, acls = "", Acls()
        for line in block.splitlines():
            if line.startswith("# file: "):
                path = _plain(line.removeprefix("# file: "))
            elif _LINE.match(line):
                acls.access.append(line)
            elif line.startswith("default:") and _LINE.match(line.removeprefix("default:")):
                acls.default.append(line.removeprefix("default:"))
        if path and (acls.access or acls.default):
            found[path] = acls
    return found


def is_valid(lines: list[str]) -> bool:
    """Whether a list can be set: each line is one, and owner, group and others are all there."""
    if not lines:
        return True
    if len(lines) > MOST_LINES or not all(_LINE.match(line) for line in lines):
        return False
    tags = [tag for tag, _, _ in _entries(lines)]
    singles = [tag for tag in tags if tag in (0x01, 0x04, 0x10, 0x20)]
    named = 0x02 in tags or 0x08 in tags
    whole = {0x01, 0x04, 0x20} <= set(tags) and (0x10 in tags or not named)
    ids = [(tag, number) for tag, _, number in _entries(lines)]
    owned = all(number < _NOBODY for tag, _, number in _entries(lines) if tag in (0x02, 0x08))
    return (
        whole
        and owned
        and 0 not in tags
        and len(singles) == len(set(singles))
        and len(ids) == len(set(ids))
    )


def encode(lines: list[str]) -> bytes:
    """The extended attribute `system.posix_acl_access` or `_default`."""
    packed = [struct.pack("<HHI", *entry) for entry in sorted(_entries(lines), key=_order)]
    return struct.pack("<I", _VERSION) + b"".join(packed)


def _order(entry: tuple[int, int, int]) -> tuple[int, int]:
    return entry[0], entry[2]


def _entries(lines: list[str]) -> list[tuple[int, int, int]]:
    """Tag, permissions, and id of each line; 0 is no tag there is."""
    entries = []
    for line in lines:
        match = _LINE.match(line)
        if match is None:
            continue
        kind, number, letters = match.groups()
        bits = sum(bit for bit, letter in zip((4, 2, 1), letters, strict=True) if letter != "-")
        tag = _TAGS.get((kind, bool(number)), 0)
        entries.append((tag, bits, min(int(number), _NOBODY) if number else _NOBODY))
    return entries


def _plain(name: str) -> str:
    """getfacl writes blanks and the like as octal bytes."""
    raw = _OCTAL.sub(lambda found: chr(int(found[1], 8)), name)
    try:
        return raw.encode("latin-1").decode()
    except (UnicodeEncodeError, UnicodeDecodeError):
        return raw
