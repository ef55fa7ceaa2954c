"""The use cases, as far as they need no engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.attempts import Labs
from sandbox.paths import Home


def test_a_relative_content_folder_is_found_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    labs = Labs(Home(tmp_path / "home", tmp_path / "cache"), content=[Path("mine")])

    assert labs.content[0] == tmp_path / "mine"
