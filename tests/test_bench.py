"""What the benchmark says of its figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its modules import each other by their names alone."""
    monkeypatch.syspath_prepend(Path(__file__).parent / "bench")


def test_limit_and_ratio_come_from_the_same_median(monkeypatch: pytest.MonkeyPatch) -> None:
    import starting

    monkeypatch.setattr(starting, "_beside_bare", lambda *_: [[1.0, 2.0], [1.0, 2.0]])
    stage: Any = None
    (one,) = starting.one_machine(stage, 2)
    (three,) = starting.three_machines(stage, 2)

    assert one.baseline == three.baseline == 1.5
    assert one.limit == pytest.approx(1.3 * 1.5 + starting.PER_START)
    assert three.limit == 3.0


def test_a_machine_of_which_nothing_is_told_is_no_small_machine() -> None:
    import starting

    nothing, some = starting.small_memory([], 40), starting.small_memory([14.0, 16.0], 40)

    assert (nothing.value, nothing.ok) == (None, None)
    assert (some.value, some.ok) == (15.0, True)
    assert "2 times, 40 at a time" in some.rule


@pytest.mark.parametrize(
    ("left_out", "had_release", "rule"),
    [
        ([], True, "all images without cache, on the Debian release, which was there already"),
        (
            ["pwsh"],
            False,
            "all images but pwsh without cache, on the Debian release, which was got",
        ),
    ],
)
def test_the_rule_of_a_cold_build_says_what_was_built(
    left_out: list[str], had_release: bool, rule: str
) -> None:
    import sizes

    assert sizes.cold_rule(left_out, had_release=had_release).startswith(rule)
