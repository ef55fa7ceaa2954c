"""The shapes of a submission, and the limits it must keep.

A submission is a zip, `<attempt>.ibz`, of

    manifest.json        who handed in what, the note, the grade, and the SHA-256 of the other parts
    hosts/<host>.json    every path that differs from the image's
    hosts/<host>.data    the contents of the files among them, one after the other in that order
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta, Struct

from sandbox.grading.results import Grade

SUFFIX = ".ibz"
FORMAT = 1
MANIFEST = "manifest.json"

# The engine's, the kernel's, or gone after every boot: never handed in, never taken.
FORBIDDEN = ("/opt/internbox", "/.internbox", "/proc", "/sys", "/dev", "/run", "/tmp")  # noqa: S108

Kind = Literal["file", "folder", "link", "same"]
Text = Annotated[str, Meta(max_length=200)]


@dataclass(frozen=True)
class Limits:
    """What a submission may hold; sizes in bytes."""

    archive: int = 128 << 20  # the .ibz itself
    manifest: int = 4 << 20
    index: int = 16 << 20  # one hosts/<host>.json
    content: int = 256 << 20  # all hosts/<host>.data, unpacked
    items: int = 100_000
    ratio: int = 500  # unpacked to packed, of what is larger than `small`
    small: int = 64 << 20


LIMITS = Limits()


class Item(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One path of a machine. `target` is where a link leads, or the path that has the same inode.

    `acl` and `default_acl` are lines as `getfacl -n` prints them; `capability` is the extended
    attribute of that name in hexadecimal.
    """

    path: str
    kind: Kind
    mode: int
    uid: int
    gid: int
    mtime: int
    size: int = 0
    target: str = ""
    acl: list[str] = []
    default_acl: list[str] = []
    capability: str = ""


class HostIndex(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What differs on one machine. `deleted`: paths of the image that are gone, the inner ones
    first; `left_out`: paths that cannot be handed in, with the reason."""

    host: str
    items: list[Item]
    deleted: list[str] = []
    left_out: list[str] = []


class Part(Struct, frozen=True):
    """A member of the zip besides the manifest."""

    sha256: str
    size: int


class HintTaken(Struct, frozen=True):
    step: int
    cost: int


class Manifest(Struct, frozen=True, kw_only=True):
    """Who handed in what. Nothing in it is proof of anything: see docs/trust.md."""

    format: int
    internbox: Text
    attempt: Text
    scenario: Text
    version: int
    content_hash: Text
    seed: Text
    anchor: Text  # ISO 8601 with its offset
    learner: Text = ""
    code: Text = ""
    started: float = 0.0
    submitted: float = 0.0
    note: str | None = None
    hints: list[HintTaken] = []
    grade: Grade | None = None
    parts: dict[str, Part]


class FormatOnly(Struct, frozen=True):
    """What is read first: the rest may be of a later version."""

    format: int


class SubmittedHost(Struct, frozen=True):
    name: str
    files: int
    deleted: int
    bytes: int


class Standing(Struct, frozen=True):
    """A grade in short."""

    outcome: str
    score: int
    max: int


class Submitted(Struct, frozen=True, kw_only=True):
    """What `submit` made, as it prints it."""

    attempt: str
    scenario: str
    learner: str
    file: str
    sha256: str
    bytes: int
    hosts: list[SubmittedHost]
    grade: Standing | None
    note: bool
    hints: int
    left_out: list[str] = []
    warnings: list[str] = []


def index_part(host: str) -> str:
    return f"hosts/{host}.json"


def data_part(host: str) -> str:
    return f"hosts/{host}.data"


def within(path: str, folder: str) -> bool:
    """Whether an absolute path is the folder, or lies below it."""
    return path == folder or path.startswith(f"{folder}/")


def ancestors(path: str) -> list[str]:
    """`/a/b/c` → `/a`, `/a/b`."""
    parts = path.split("/")[1:-1]
    return ["/" + "/".join(parts[: depth + 1]) for depth in range(len(parts))]
