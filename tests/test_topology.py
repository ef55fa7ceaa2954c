"""What is made of a variant before any engine is asked."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sandbox import scenarios, variants
from sandbox.paths import AttemptFiles, builtin_content
from sandbox.topology import Bringer

LOADED = scenarios.load(scenarios.resolve("linux/first-day", [builtin_content()]))


def keys(folder: Path, attempt: str, seed: str = "abcd2345") -> tuple[str, str]:
    """The public host keys of an attempt's machine: the grader's way in, the learner's."""
    anchor = datetime(2026, 3, 4, 9, 30, tzinfo=UTC)
    nothing: Any = None
    bringer = Bringer.make(
        runtime=nothing,
        loaded=LOADED,
        variant=variants.draw(LOADED, seed=seed, anchor=anchor),
        attempt=attempt,
        files=AttemptFiles(folder / attempt),
        manifests=folder,
        new=True,
    )
    _, _, grader, learner = bringer.spec("desk", {"base": "base:1"})
    return grader, learner


def test_a_variants_machines_have_the_same_host_keys_whenever_they_are_made(tmp_path: Path) -> None:
    """What one machine remembers of another holds after a reset and in a regrade."""
    assert keys(tmp_path, "one")[1] == keys(tmp_path, "two")[1]
    assert keys(tmp_path, "one")[1] != keys(tmp_path, "two", seed="zzzz2345")[1]


def test_the_graders_way_in_has_a_key_of_each_attempts_own(tmp_path: Path) -> None:
    assert keys(tmp_path, "one")[0] != keys(tmp_path, "two")[0]
