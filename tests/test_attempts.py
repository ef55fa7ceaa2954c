"""The use cases, as far as they need no engine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from sandbox.attempts import Labs
from sandbox.attempts.upkeep import orphaned
from sandbox.errors import UsageError
from sandbox.paths import Home
from sandbox.runtime.base import Leftover
from sandbox.store import AttemptRow, State


def test_a_relative_content_folder_is_found_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    labs = Labs(Home(tmp_path / "home", tmp_path / "cache"), content=[Path("mine")])

    assert labs.content[0] == tmp_path / "mine"


def test_an_attempt_of_a_process_that_ended_is_orphaned() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()

    assert orphaned(f"run:{ended.pid}")
    assert orphaned(f"prove:{ended.pid}")
    assert not orphaned(f"run:{os.getpid()}")
    assert not orphaned("learn")


def test_gc_leaves_an_attempt_alone_that_begins_while_it_looks(tmp_path: Path) -> None:
    class Engine:
        """On which another command has just made a machine."""

        def machines(self, *_: Any) -> list[Any]:
            return []

        def leftovers(self, living: Iterable[str]) -> list[Leftover]:
            assert "new" not in list(living)
            row = {"scenario": "a/b", "content": "", "version": 1, "content_hash": "", "seed": ""}
            labs.store.add(AttemptRow(id="new", **row))  # type: ignore[arg-type]
            return [Leftover("container", "1", "new"), Leftover("volume", "2", "old")]

        def discard(self, leftovers: list[Leftover]) -> list[Leftover]:
            return leftovers

    engine: Any = Engine()
    labs = Labs(Home(tmp_path / "home", tmp_path / "cache"), runtime=engine)

    assert labs.gc() == [Leftover("volume", "2", "old")]
    labs.store.close()


@pytest.mark.parametrize("state", ["stopped", "given-up"])
def test_the_note_of_an_attempt_that_has_ended_stays_as_it_was(
    tmp_path: Path, state: State
) -> None:
    labs = Labs(Home(tmp_path / "home", tmp_path / "cache"))
    row = {"scenario": "a/b", "content": "", "version": 1, "content_hash": "", "seed": ""}
    labs.store.add(AttemptRow(id="old", state=state, **row))  # type: ignore[arg-type]
    labs.store.save_note("old", "It was the disk.")

    with pytest.raises(UsageError, match="has ended"):
        labs.note("old", "fixed it")

    assert labs.saved_note("old") == "It was the disk."
    labs.store.close()
