"""Locks between commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.errors import Busy
from sandbox.runtime import locks


def test_a_lock_that_is_kept_too_long_is_busy(tmp_path: Path) -> None:
    with (
        locks.held(tmp_path / "l", seconds=1, doing="building images"),
        pytest.raises(Busy, match="another internbox command is building images"),
        locks.held(tmp_path / "l", seconds=0, doing="building images"),
    ):
        pass


def test_a_lock_is_free_after_its_use(tmp_path: Path) -> None:
    with locks.held(tmp_path / "a" / "l", seconds=0, doing="x"):
        pass
    with locks.held(tmp_path / "a" / "l", seconds=0, doing="x"):
        again = True

    assert again
