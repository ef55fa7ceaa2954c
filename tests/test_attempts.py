"""The use cases, as far as they need no engine."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.attempts import Labs
from sandbox.attempts.upkeep import orphaned
from sandbox.cli.scaffold import scaffold
from sandbox.errors import ContentError, UsageError
from sandbox.paths import Home, ScenarioFiles
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


@pytest.mark.parametrize("seed", [" ", "a\tb", "\x1b[2J", "x" * 201])
def test_a_seed_that_no_submission_could_carry_starts_nothing(tmp_path: Path, seed: str) -> None:
    class Engine:
        """That has all images."""

        def image_states(self, *_: Any) -> list[Any]:
            return []

    labs = Labs(Home(tmp_path / "home", tmp_path / "cache"), runtime=Engine())  # type: ignore[arg-type]

    with pytest.raises(UsageError, match="the seed is"):
        labs.start("linux/first-day", seed=seed)
    assert labs.store.attempts() == []
    labs.store.close()


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


# --- an attempt whose scenario cannot be read any more


class NoMachines:
    """An engine on which nothing runs."""

    def machines(self, *_: Any, **__: Any) -> list[Any]:
        return []

    def remove(self, *_: Any, **__: Any) -> list[Leftover]:
        return []

    leftovers = discard = remove


@pytest.fixture
def labs(tmp_path: Path) -> Iterator[Labs]:
    engine: Any = NoMachines()
    made = Labs(Home(tmp_path / "home", tmp_path / "cache"), runtime=engine)
    yield made
    made.store.close()


def long_ago(labs: Labs, content: Path, name: str = "mine-1") -> None:
    """An attempt at a scenario of `content`, nine days old."""
    row = {"scenario": "linux/mine", "version": 1, "content_hash": "", "seed": ""}
    labs.store.add(AttemptRow(id=name, content=str(content), state="running", **row))  # type: ignore[arg-type]
    labs.store._db.execute("UPDATE attempts SET used = ?", (time.time() - 9 * 86400,))


def test_an_id_is_drawn_until_no_attempt_has_it(
    labs: Labs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long_ago(labs, tmp_path, "mine-0001")
    drawn = iter(["0001", "0002", "0003"])
    monkeypatch.setattr(secrets, "token_hex", lambda _: next(drawn))

    with labs.store.lock("mine-0002"):  # an attempt that is about to be on record
        assert labs._new_id("mine", 2) == "mine-0003"


def missing(folder: Path) -> None:
    """No scenario at all."""


def broken(folder: Path) -> None:
    scaffold(folder, "linux/mine")
    ScenarioFiles(folder, "linux/mine").settings.write_text("title =")


@pytest.mark.parametrize("content", [missing, broken])
def test_an_attempt_is_ended_without_its_scenario(
    labs: Labs, tmp_path: Path, content: Callable[[Path], None]
) -> None:
    content(tmp_path)
    for name in ("mine-1", "mine-2"):
        long_ago(labs, tmp_path, name)

    assert [one.id for one in labs.idle()] == ["mine-2", "mine-1"]
    assert {row.state for row in labs.status()} == {"interrupted"}
    assert labs.attempt("mine-1").title == "linux/mine"
    assert labs.give_up("mine-1").state == "given-up"
    assert labs.stop(["mine-2"]) == ["mine-2"]
    assert {row.state for row in labs.history()} == {"given-up", "stopped"}


def test_what_needs_a_lost_scenario_says_how_to_go_on(labs: Labs, tmp_path: Path) -> None:
    long_ago(labs, tmp_path)

    for act in (labs.ticket, labs.hints, labs.check, labs.grade, labs.reset):
        with pytest.raises(ContentError, match=f"mine-1 needs .*{tmp_path}/.* is gone") as caught:
            act("mine-1")
        assert caught.value.hint == (
            "bring the folder back, or end the attempt: internbox stop mine-1"
        )


def test_what_needs_a_broken_scenario_says_what_is_wrong(labs: Labs, tmp_path: Path) -> None:
    broken(tmp_path)
    long_ago(labs, tmp_path)

    with pytest.raises(ContentError, match=r"mine-1 needs .* broken: .*scenario\.toml"):
        labs.ticket("mine-1")
