"""The demo: what it grades, and that it leaves nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

Call = Callable[..., Any]


@pytest.fixture
def worked(labs: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The reference solution turns a failed grade into a passed one."""
    passed = labs.result
    labs.result = msgspec.structs.replace(passed, outcome="failed", score=0)

    def work(app: Any, attempt: str) -> None:
        labs.calls.append(("work", attempt))
        labs.result = passed

    monkeypatch.setattr("sandbox.cli.demo.work", work)
    return labs


def test_it_grades_before_and_after_the_work_and_removes_all(call: Call, worked: Any) -> None:
    answer = call("demo", "linux/first-day")

    assert answer.code == 0
    names = [name for name, *_ in worked.calls]
    assert names == ["start", "ticket", "grade", "work", "grade", "forget"]


def test_a_grader_that_pays_for_nothing_is_shown_up(call: Call, worked: Any) -> None:
    worked.result = msgspec.structs.replace(worked.result, score=40)

    assert call("demo", "linux/first-day").code == 1


def test_an_interrupt_leaves_nothing(call: Call, worked: Any) -> None:
    def interrupted(ref: str) -> Any:
        raise KeyboardInterrupt

    worked.grade = interrupted

    assert call("demo", "linux/first-day").code == 130
    assert worked.calls[-1][0] == "forget"


def test_without_solutions_it_says_where_to_run(call: Call, worked: Any, tmp_path: Any) -> None:
    worked.folder = tmp_path

    assert "from a checkout" in call("demo", "linux/first-day").err
