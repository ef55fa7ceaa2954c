"""A run of several scenarios, with work that needs no engine in the place of the machines'."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest

from sandbox import reports, running
from sandbox.attempts import Labs
from sandbox.errors import EngineError, ImageError, UsageError
from sandbox.grading.results import CheckResult, Grade
from sandbox.grading.runs import RunGrade
from sandbox.paths import Home
from sandbox.reports import github
from sandbox.store import AttemptRow


def graded(scenario: str) -> RunGrade:
    check = CheckResult(id="a", title="A", points=100, earned=100, before=True, after=True)
    grade = Grade(
        attempt="a",
        scenario=scenario,
        seed="abc",
        version=1,
        content_hash="0",
        kind="grade",
        outcome="passed",
        score=100,
        max=100,
        counts=100,
        checks=[check],
        guards=[],
    )
    return RunGrade.of(grade, fix="", step_failed=None, runner_code=False)


@dataclass
class FakeRuntime:
    """Remembers what it was told; images named in `lacking` cannot be had."""

    lacking: str = "none"
    home: str = "home"
    told: list[str] = field(default_factory=list)

    def ensure_images(self, content: Path, names: list[str], progress: Any) -> dict[str, str]:
        if self.lacking in names:
            raise ImageError(f"{self.lacking} cannot be had", hint="internbox images")
        return {}

    def halt(self, *, within: float) -> None:
        self.told.append("halt")

    def remove(self, attempt: str, **_: Any) -> list[Any]:
        self.told.append(f"remove {attempt}")
        return []


@pytest.fixture
def runtime() -> FakeRuntime:
    return FakeRuntime()


@pytest.fixture
def begin(
    first_day: Any,
    subnet: Any,
    runtime: FakeRuntime,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., running.Run]:
    """A run of two scenarios in which `work` (plan → result) stands for all that machines do."""

    def begun(work: Callable[..., Any], **settings: Any) -> running.Run:
        def one(self: Any, labs: Labs, plan: running.Plan, tell: Any) -> Any:
            return work(labs, plan)

        monkeypatch.setattr(running.Run, "_one", one)
        labs = Labs(Home(tmp_path / "home", tmp_path / "cache"), runtime=runtime)  # type: ignore[arg-type]
        plans = [running.Plan(loaded, "abc", running.Fix()) for loaded in (first_day, subnet)]
        return running.Run(labs, plans, **settings)

    return begun


def test_results_come_in_the_order_of_the_call(begin: Any) -> None:
    second_is_done = threading.Event()

    def work(labs: Labs, plan: running.Plan) -> RunGrade:
        if plan.scenario == "network/wrong-subnet":
            second_is_done.set()
        else:
            assert second_is_done.wait(10), "the two do not run at the same time"
        return graded(plan.scenario)

    report = begin(work).report()

    assert [run.scenario for run in report.runs] == ["linux/first-day", "network/wrong-subnet"]
    assert report.ok


def test_one_that_cannot_be_graded_does_not_take_the_others_with_it(begin: Any) -> None:
    def work(labs: Labs, plan: running.Plan) -> RunGrade:
        if plan.scenario == "linux/first-day":
            raise EngineError("the engine is gone", hint="internbox doctor")
        return graded(plan.scenario)

    report = begin(work).report()

    assert [run.scenario for run in report.runs] == ["network/wrong-subnet"]
    [lacking] = report.ungraded
    assert (lacking.scenario, lacking.message) == ("linux/first-day", "the engine is gone")
    assert report.exit_code == 3


def test_a_fix_that_no_machine_could_run_is_reported_and_the_others_are_graded(begin: Any) -> None:
    def work(labs: Labs, plan: running.Plan) -> RunGrade:
        return graded(plan.scenario)

    run = begin(work)
    first, second = run.plans
    fix = running.Fix(shown="fixes/first-day/desk.sh")
    wrong = UsageError("desk.sh:1: the line ends in CRLF", hint="have Git keep LF")
    run.plans = [running.Plan(first.loaded, "abc", fix, wrong), second]
    report = run.report()

    assert [one.scenario for one in report.runs] == ["network/wrong-subnet"]
    assert report.exit_code == 2
    [error] = Xml.fromstring(reports.render_run(report, "junit")).iter("error")
    assert error.attrib["message"] == "desk.sh:1: the line ends in CRLF"
    [command] = github.commands(report)
    assert command.startswith("::error file=fixes/first-day/desk.sh,title=linux/first-day")
    assert "CRLF" in reports.render_run(report, "markdown")


def test_an_engine_at_fault_weighs_more_than_a_wrong_fix(begin: Any) -> None:
    def work(labs: Labs, plan: running.Plan) -> RunGrade:
        raise EngineError("the engine is gone")

    run = begin(work)
    first, second = run.plans
    run.plans = [running.Plan(first.loaded, "abc", running.Fix(), UsageError("wrong")), second]

    assert run.report().exit_code == 3


def test_an_image_that_cannot_be_had_is_known_before_anything_starts(
    begin: Any, runtime: FakeRuntime, subnet: Any
) -> None:
    runtime.lacking = next(
        host.image for host in subnet.settings.hosts.values() if host.image != "base"
    )
    begun: list[str] = []

    def work(labs: Labs, plan: running.Plan) -> RunGrade:
        begun.append(plan.scenario)
        return graded(plan.scenario)

    assert len(begin(work).report().ungraded) == 2 - len(begun)
    assert "network/wrong-subnet" not in begun


def test_a_bug_is_raised_where_it_is_reported(begin: Any) -> None:
    def work(labs: Labs, plan: running.Plan) -> RunGrade:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        begin(work).report()


def test_an_interrupt_removes_what_was_made_and_waits_for_no_thread(
    begin: Any, runtime: FakeRuntime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    never = threading.Event()

    def work(labs: Labs, plan: running.Plan) -> RunGrade:
        row = AttemptRow(
            id=plan.scenario.partition("/")[2],
            scenario=plan.scenario,
            content=str(tmp_path),
            version=1,
            content_hash="0",
            seed="abc",
            variant="{}",
            purpose=labs.purpose,
        )
        labs.store.add(row)
        never.wait(60)
        raise AssertionError

    class Interrupted(running.SimpleQueue):  # type: ignore[misc, type-arg]
        """Waiting for a result is where an interrupt comes."""

        def get(self) -> Any:  # type: ignore[override]
            while len(run.labs.store.living()) < 2:
                time.sleep(0.02)
            raise KeyboardInterrupt

    run = begin(work)
    monkeypatch.setattr(running, "SimpleQueue", Interrupted)
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run.report()
    took = time.monotonic() - begun
    never.set()

    assert took < 5
    assert runtime.told[0] == "halt"
    assert {"remove first-day", "remove wrong-subnet"} <= set(runtime.told)
    assert run.labs.store.attempts() == []
