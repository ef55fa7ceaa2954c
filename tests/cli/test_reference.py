"""The reference page says what the commands say."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.cli.reference import reference

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), (
        "python -m sandbox.cli.reference > docs/commands.md"
    )


def test_it_does_not_depend_on_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    first = reference()
    monkeypatch.setenv("COLUMNS", "40")

    assert reference() == first
