"""How long the command takes that asks no engine."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from figures import Figure, figure, in_turn
from stage import CONTENT, Stage

COPIES = 100
LIMITS = {"--help": 0.15, "list": 0.25}


def without_engine(stage: Stage, repeats: int) -> Iterator[Figure]:
    many = _copies(stage.root / "many")
    stage.call("list", "-q", "--content", str(many))  # warm: the index is written
    listing, helping, bare_list, bare_help = in_turn(
        repeats,
        lambda: stage.timed("list", "-q", "--content", str(many)),
        lambda: stage.timed("--help"),
        lambda: stage.python("-c", "import click, msgspec, sqlite3, tomllib"),
        lambda: stage.python("-c", "import click"),
    )
    for name, samples, baseline, imports in (
        ("--help", helping, bare_help, "click"),
        ("list", listing, bare_list, "click, msgspec, sqlite3, tomllib"),
    ):
        yield figure(
            f"internbox {name}" + (f", {COPIES} scenarios" if name == "list" else ""),
            samples,
            unit="s",
            baseline=baseline,
            limit=LIMITS[name],
            rule=f"whole process; the baseline is Python with {imports}",
        )


def _copies(folder: Path) -> Path:
    """A content folder with a hundred scenarios."""
    for number in range(COPIES):
        shutil.copytree(
            CONTENT / "scenarios/bench/small", folder / f"scenarios/copies/small-{number:03}"
        )
    return folder
