"""Image folders: where an image's sources lie, what stands on what, and the hash of it all."""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sandbox.errors import ContentError
from sandbox.paths import builtin_content, files_below

TOOLS_IMAGE = "machine"
REPOSITORY = "internbox"
IGNORED = {"__pycache__", ".DS_Store", ".git"}
BASE_LINE = re.compile(r"^ARG\s+BASE=(\S+)\s*$")


@dataclass(frozen=True)
class Source:
    """One image folder. `parent` is another image's name, `debian:<release>`, or empty; `base` is
    the parent's full reference where that is an image of ours."""

    name: str
    folder: Path
    parent: str
    base: str
    hash: str  # 12 hex digits: sources, parents' sources, architecture

    @property
    def reference(self) -> str:
        return f"{REPOSITORY}/{self.name}:{self.hash}"

    @property
    def on_debian(self) -> bool:
        return is_debian(self.parent)


def is_debian(parent: str) -> bool:
    return parent.partition(":")[0] == "debian"


def release(parent: str) -> str:
    """The Debian release of a parent `debian:<release>`."""
    return parent.partition(":")[2] or "trixie"


def find(content: Path, name: str, architecture: str) -> Source:
    """The image `name` of a content folder, or else the built-in one. ContentError when neither."""
    return _find(content, name, architecture, ())


def _find(content: Path, name: str, architecture: str, above: tuple[str, ...]) -> Source:
    folder = _folder(content, name, above)
    if name in above:
        raise ContentError(
            f"{folder}/Dockerfile: images stand on each other in a circle: "
            + " → ".join([*above, name]),
            hint="its first line, ARG BASE=…, names the image below",
        )
    parent = read_parent(folder / "Dockerfile")
    base = ""
    if parent and not is_debian(parent):
        base = _find(content, parent, architecture, (*above, name)).reference
    digest = hashlib.sha256(f"{name}\0{architecture}\0{base or parent}\0".encode())
    for path, place, executable in files(folder):
        text = path.read_bytes()
        digest.update(f"{place}\0{int(executable)}\0{len(text)}\0".encode())
        digest.update(text)
    return Source(name, folder, parent, base, digest.hexdigest()[:12])


def _folder(content: Path, name: str, above: tuple[str, ...]) -> Path:
    for root in (content, builtin_content()):
        folder = root / "images" / name
        if (folder / "Dockerfile").is_file():
            return folder
    user = f"images/{above[-1]}/Dockerfile" if above else "a scenario"
    raise ContentError(
        f"{content}/images/{name}/Dockerfile is not there, but {user} names the image {name!r}",
        hint=f"images there are: {', '.join(sorted(known(content)))}",
    )


def known(content: Path) -> set[str]:
    """The names of all images: the content folder's and the built-in ones."""
    roots = {content / "images", builtin_content() / "images"}
    return {file.parent.name for root in roots for file in root.glob("*/Dockerfile")}


def read_parent(dockerfile: Path) -> str:
    """The value of `ARG BASE=…`, which must come first; empty when there is none."""
    for line in dockerfile.read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = BASE_LINE.match(line.strip())
        return found[1] if found else ""
    return ""


def with_parents(content: Path, names: Iterable[str], architecture: str) -> list[Source]:
    """The images and all that they stand on, those below first."""
    ordered: dict[str, Source] = {}

    def visit(name: str) -> None:
        if name in ordered:
            return
        source = find(content, name, architecture)
        if source.parent and not source.on_debian:
            visit(source.parent)
        ordered[name] = source

    for name in names:
        visit(name)
    return list(ordered.values())


def files(folder: Path) -> Iterator[tuple[Path, str, bool]]:
    """Every file below, in order: its path, its place in the folder, whether it is executable."""
    for name, place in files_below(folder):
        if not IGNORED.intersection(place.split("/")) and not place.endswith("~"):
            path = Path(name)
            yield path, place, bool(path.stat().st_mode & 0o100)


def build_context(source: Source, artifacts: Iterable[tuple[str, Path]] = ()) -> bytes:
    """A tar of the folder and, below `artifacts/`, of what comes from elsewhere; the same bytes
    for the same content."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, place, executable in files(source.folder):
            _add(tar, place, path, executable=executable)
        for name, path in artifacts:
            _add(tar, f"artifacts/{name}", path, executable=False)
    return held.getvalue()


def _add(tar: tarfile.TarFile, name: str, path: Path, *, executable: bool) -> None:
    member = tarfile.TarInfo(name)
    member.size = path.stat().st_size
    member.mode = 0o755 if executable else 0o644
    with path.open("rb") as file:
        tar.addfile(member, file)
