"""Status, history, gc, images and completion."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox.attempts import HistoryRow
from sandbox.errors import EngineError
from sandbox.paths import Home
from sandbox.runtime.base import ImageState, Leftover
from sandbox.store import AttemptRow, Store

Call = Callable[..., Any]
ATTEMPT = "web-service-down-k7f2"


def test_status_shows_age_and_memory(call: Call) -> None:
    answer = call("status")

    assert answer.out.splitlines()[1].split() == [
        ATTEMPT,
        "linux/web-service-down",
        "running",
        "1",
        "h",
        "42",
        "MiB",
    ]


def test_status_as_json(call: Call) -> None:
    rows = json.loads(call("status", "--format", "json").out)

    assert set(rows[0]) == {"attempt", "scenario", "state", "age_s", "memory_mib"}


def test_status_of_nothing(call: Call, labs: Any) -> None:
    labs.running = []
    answer = call("status")

    assert answer.out == ""
    assert "nothing runs" in answer.err


def test_status_offers_to_reset_what_was_interrupted(call: Call, labs: Any) -> None:
    import msgspec

    labs.running = [msgspec.structs.replace(labs.running[0], state="interrupted")]

    assert f"next: internbox reset {ATTEMPT}" in call("status").err


def test_a_long_attempt_stays_on_one_line_in_80_columns(
    call: Call, labs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    name = "powershell-onboarding-1a2b"
    row = HistoryRow(
        name, "scripting/powershell-onboarding", "interrupted", 1.7e9, "tampered", 40, 2
    )
    labs.history = lambda: [row]
    lines = call("history").out.splitlines()

    assert name in lines[1]
    assert max(map(len, lines)) <= 80


def test_history_shows_the_last_grade(call: Call) -> None:
    assert call("history").out.splitlines()[1].split()[-4:] == ["stopped", "failed", "40", "2"]


def test_gc_says_what_it_removed(call: Call, labs: Any) -> None:
    labs.removed = [Leftover("container", "c0ffee", "old-one")]

    assert json.loads(call("gc", "--format", "json").out) == {
        "removed": [{"kind": "container", "id": "c0ffee"}]
    }
    assert call("gc").out == "removed container c0ffee\n"


def test_images_list(call: Call) -> None:
    assert call("images", "list").out.splitlines()[1].split() == [
        "web",
        "internbox/web:0123",
        "yes",
        "214",
        "MiB",
    ]


def test_images_alone_shows_its_help(call: Call) -> None:
    answer = call("images")

    assert answer.code == 0
    assert "pull" in answer.out


class Mover:
    """An engine that remembers what it was told to move."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.lacks: dict[str, str] = {}

    def image_states(self, content: Path, names: list[str]) -> list[ImageState]:
        lacks = self.lacks
        return [
            ImageState(n, f"internbox/{n}:1", n not in lacks, why_not=lacks.get(n, ""))
            for n in names
        ]

    def save_images(self, *arguments: Any) -> list[str]:
        self.calls.append(("save", *arguments[:-1]))
        return ["internbox/web:1"]

    def load_images(self, *arguments: Any) -> list[str]:
        self.calls.append(("load", *arguments[:-1]))
        return ["internbox/web:1"]

    def push_images(self, *arguments: Any) -> list[str]:
        self.calls.append(("push", *arguments[:-1]))
        return ["registry.example/web:1"]


@pytest.fixture
def mover(labs: Any) -> Mover:
    labs.runtime = Mover()
    return labs.runtime


def test_images_save_takes_those_named(call: Call, labs: Any, mover: Mover, tmp_path: Path) -> None:
    target = tmp_path / "images.tar"
    answer = call("images", "save", str(target), "web")

    assert mover.calls == [("save", labs.content[0], ["web"], target)]
    assert answer.out == "saved internbox/web:1\n"


def test_the_name_of_a_scenario_means_its_images(call: Call, labs: Any, mover: Mover) -> None:
    answer = call("images", "push", "registry.example", "linux/web-service-down")

    assert mover.calls == [("push", labs.content[0], ["base", "web"], "registry.example")]
    assert answer.out == "pushed registry.example/web:1\n"


def test_an_image_that_cannot_be_had_is_left_out_and_told(call: Call, mover: Mover) -> None:
    mover.lacks = {"base": "its archive cannot be reached"}
    answer = call("images", "push", "registry.example", "linux/web-service-down")

    assert mover.calls[0][2] == ["web"]
    assert "base is left out: its archive cannot be reached" in answer.err


def test_images_push_needs_a_registry(call: Call, mover: Mover) -> None:
    assert call("images", "push").code == 2
    assert mover.calls == []


def test_an_image_that_no_scenario_uses_is_named(call: Call, mover: Mover, tmp_path: Path) -> None:
    answer = call("images", "save", str(tmp_path / "x"), "wbe")

    assert answer.code == 2
    assert "no scenario is called so, or uses an image wbe" in answer.err


def test_an_engine_that_does_not_answer_is_3(call: Call, labs: Any) -> None:
    labs.raises = EngineError("no Docker engine answers", hint="internbox doctor")

    assert call("status").code == 3


# --- completion


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_is_printed(call: Call, shell: str) -> None:
    answer = call("completion", shell)

    assert answer.code == 0
    assert "_INTERNBOX_COMPLETE" in answer.out


def test_it_is_installed_where_the_shell_looks(
    call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    call("completion", "bash", "--install")

    assert "complete" in (tmp_path / "bash-completion/completions/internbox").read_text()


def completed(line: str, home: Path) -> list[str]:
    """What the shell would offer after this line."""
    environment = {
        "_INTERNBOX_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split(" ")) - 1),
        "INTERNBOX_HOME": str(home),
    }
    done = subprocess.run(
        [sys.executable, "-m", "sandbox.cli.main"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
    )
    assert done.stderr == ""
    return [entry.split(",")[1] for entry in done.stdout.splitlines() if "," in entry]


def test_commands_are_completed(tmp_path: Path) -> None:
    assert completed("internbox st", tmp_path) == ["start", "stop", "status"]


def test_scenarios_are_completed(tmp_path: Path) -> None:
    assert "linux/first-day" in completed("internbox start linux/f", tmp_path)


def test_attempts_are_completed_the_living_first(tmp_path: Path) -> None:
    with Store(Home(tmp_path, tmp_path / "cache")) as store:
        for name, state in (("web-1", "stopped"), ("web-2", "running"), ("db-1", "running")):
            row = AttemptRow(
                id=name,
                scenario="a/b",
                content="",
                version=1,
                content_hash="",
                seed="",
                state=state,
            )
            store.add(row)

    assert completed("internbox check web", tmp_path) == ["web-2", "web-1"]


def test_completion_makes_no_state_folder(tmp_path: Path) -> None:
    completed("internbox check ", tmp_path / "none")

    assert not (tmp_path / "none").exists()
