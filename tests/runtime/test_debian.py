"""The Debian base, where no registry has it."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sandbox import scratch
from sandbox.runtime import debian


def test_the_tree_lies_where_gc_finds_it_after_a_kill(monkeypatch: pytest.MonkeyPatch) -> None:
    trees: list[Path] = []

    def run(command: list[str], **_: Any) -> Any:
        trees.append(Path(command[3]))
        return SimpleNamespace(returncode=0)

    monkeypatch.delenv("INTERNBOX_DEBIAN_MIRROR", raising=False)
    monkeypatch.setattr(debian, "_require_debootstrap", lambda *_: None)
    monkeypatch.setattr(debian, "_import", lambda *_: None)
    monkeypatch.setattr("subprocess.run", run)
    engine: Any = None
    debian._bootstrap(engine, "debian:trixie", "internbox/debian:trixie-amd64", io.StringIO())

    assert trees[0].parent.name.startswith(scratch.prefix())
    assert not trees[0].parent.exists()
