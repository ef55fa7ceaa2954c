"""The use cases, as far as they need no engine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.attempts import Labs
from sandbox.attempts.upkeep import orphaned
from sandbox.paths import Home


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
