"""Remembers cells that were proven, by all that they depend on."""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from pathlib import Path

import msgspec

from sandbox.attempts import Labs
from sandbox.cases import HANDED_IN, Case, Cell, honest_day
from sandbox.decoding import decode
from sandbox.paths import replacing

OTHER_PARTS = ("__pycache__", "cli", "reports", "doctor", "builtin", "running", "codes.py")
TOOLS = "machine"  # the image of the programs in every machine
HAND_IN = "handin"  # decides only the cells that were handed in


class Kept:
    """Cells already proven, by all that they depend on: content, case, images, engine, our code."""

    def __init__(self, labs: Labs, *, enabled: bool) -> None:
        self.folder = labs.home.proof
        self.enabled = enabled
        self.labs = labs
        self.engine = labs.runtime.info().version if enabled else ""
        self.images: dict[str, str] = {}

    def _path(self, case: Case, kind: str) -> Path:
        code = source_hash(hand_in=kind == HANDED_IN)
        parts = [case.loaded.content_hash, case.id, kind, self.engine, code, self._images(case)]
        if case.folder and case.solution:
            parts.append(tree_hash(case.folder))
            scripts = [case.folder / step.script for step in case.solution.steps if step.script]
            parts += [script.read_text() for script in scripts]  # may lie with another case
        if case.kind == "honest-day":
            parts.append((honest_day(case.loaded) or Path(os.devnull)).read_text())
        digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
        return self.folder / f"{digest[:32]}.json"

    def _images(self, case: Case) -> str:
        if case.loaded.id not in self.images:
            names = sorted({host.image for host in case.loaded.settings.hosts.values()} | {TOOLS})
            states = self.labs.runtime.image_states(case.loaded.files.content, names)
            self.images[case.loaded.id] = " ".join(state.reference for state in states)
        return self.images[case.loaded.id]

    def find(self, case: Case, *, handed_in: bool = False) -> list[Cell]:
        """All cells of the case, if they were proven (and held) with just these inputs."""
        if not self.enabled:
            return []
        kinds = [case.kind, *([HANDED_IN] if handed_in and case.handed_in else [])]
        try:
            found = [self._path(case, kind).read_bytes() for kind in kinds]
            cells = [decode(text, Cell) for text in found]
        except (OSError, msgspec.DecodeError):
            return []
        return [msgspec.structs.replace(cell, cached=True) for cell in cells]

    def keep(self, case: Case, cell: Cell) -> None:
        """Remembers a cell that held; one that did not is run again next time."""
        if not (self.enabled and cell.ok):
            return
        path = self._path(case, cell.kind)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as draft:
            draft.write_bytes(msgspec.json.encode(cell))


def tree_hash(folder: Path, pattern: str = "**/*") -> str:
    """SHA-256 over names, modes and contents of a folder's files, wherever the folder lies."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob(pattern)):
        if path.is_file() and "__pycache__" not in path.parts:
            executable = bool(path.stat().st_mode & 0o100)
            digest.update(f"{path.relative_to(folder)}\0{executable}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


@lru_cache
def source_hash(*, hand_in: bool) -> str:
    """Of the code that decides a cell: of the package, what has a part in its grade."""
    package = Path(__file__).parent
    left_out = OTHER_PARTS if hand_in else (*OTHER_PARTS, HAND_IN)
    parts = [entry for entry in package.iterdir() if entry.name not in left_out]
    hashed = [tree_hash(entry) if entry.is_dir() else entry.read_text() for entry in sorted(parts)]
    return hashlib.sha256("\0".join(hashed).encode()).hexdigest()
