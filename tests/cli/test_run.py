"""The command for pipelines: what it takes, what it says where, and with which exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox import running
from sandbox.cli import output
from sandbox.grading.runs import RunGrade, RunReport, StepFailure, Ungraded
from tests.cli.conftest import grade

Call = Callable[..., Any]
RUN = ("run", "linux/first-day", "--fix", "desk=fix.sh")


@pytest.fixture
def ran(
    labs: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[[], list[running.Run]]:
    """The runs that were begun; all end with a passing grade, or with `labs.results`."""
    for name in ("GITHUB_ACTIONS", "GITHUB_SHA", "CI_COMMIT_SHA", "INTERNBOX_SEED"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fix.sh").write_text("true\n")
    begun: list[running.Run] = []
    labs.results = [done(grade(scenario="linux/first-day"))]

    def report(self: running.Run) -> RunReport:
        begun.append(self)
        return RunReport.of(
            labs.results, commit=self.commit, seed=self.plans[0].seed, threshold=self.threshold
        )

    monkeypatch.setattr(running.Run, "report", report)
    return lambda: begun


def done(one: Any, step: StepFailure | None = None) -> RunGrade:
    return RunGrade.of(one, fix="fix.sh", step_failed=step, runner_code=False)


def failing(step: StepFailure | None = None, **more: Any) -> RunGrade:
    settings = {"outcome": "failed", "score": 40, "counts": 40, **more}
    return done(grade(scenario="linux/first-day", **settings), step)


def test_all_passed_is_0_and_the_table_says_so(call: Call, ran: Any) -> None:
    answer = call(*RUN, "--seed", "abc")

    assert answer.code == 0
    assert "1 of 1 reach 100; seed abc" in answer.out
    assert "next: internbox list" in answer.err


def test_below_the_threshold_is_1_and_the_way_to_work_on_it_is_named(
    call: Call, labs: Any, ran: Any
) -> None:
    labs.results = [failing()]
    answer = call(*RUN, "--seed", "abc")

    assert answer.code == 1
    assert "next: internbox start linux/first-day --seed abcd2345" in answer.err
    assert call(*RUN, "--pass", "40").code == 0


def test_what_could_not_be_graded_is_3_and_the_others_are_shown(
    call: Call, labs: Any, ran: Any
) -> None:
    labs.results.append(Ungraded(scenario="linux/disk-full", seed="abc", message="no engine"))
    answer = call(*RUN)

    assert answer.code == 3
    assert "linux/disk-full could not be graded" in answer.out
    assert "linux/first-day" in answer.out


def test_a_wrong_fix_is_2_before_anything_begins(call: Call, ran: Any) -> None:
    answer = call("run", "linux/first-day", "--fix", "desk=missing.sh")

    assert answer.code == 2
    assert "missing.sh" in answer.err
    assert ran() == []


def test_a_fix_that_no_machine_could_run_is_2_with_a_report(
    call: Call, labs: Any, ran: Any
) -> None:
    labs.results = [
        Ungraded(scenario="linux/first-day", seed="abc", message="it ends in CRLF", wrong_fix=True)
    ]
    answer = call(*RUN)

    assert answer.code == 2
    assert "it ends in CRLF" in answer.out
    assert "next: internbox run --help" in answer.err


def test_the_step_that_failed_is_named_with_its_output(call: Call, labs: Any, ran: Any) -> None:
    step = StepFailure(step="fix.sh", host="desk", exit_code=3, why="ended with 3", output="no!")
    labs.results = [done(grade(scenario="linux/first-day"), step)]
    answer = call(*RUN)

    assert answer.code == 0
    assert "The fix stopped: fix.sh on desk" in answer.out
    assert "no!" in answer.out


def test_the_report_fits_80_columns(call: Call, labs: Any, ran: Any) -> None:
    step = StepFailure(step="fix.sh", host="desk", why="ended with 3", output="word " * 60)
    labs.results = [done(grade(scenario="linux/first-day", score=0, counts=0), step), failing()]

    assert max(len(line) for line in call(*RUN).out.splitlines()) <= 80


def test_json_is_data_alone(call: Call, ran: Any) -> None:
    told = json.loads(call(*RUN, "--format", "json").out)

    assert told["ok"] is True
    assert told["runs"][0]["scenario"] == "linux/first-day"


# --- what identifies it -------------------------------------------------------------------------


def test_the_seed_comes_from_the_option_or_the_environment_or_is_new(
    call: Call, ran: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    call(*RUN)
    call(*RUN)
    monkeypatch.setenv("INTERNBOX_SEED", "of-the-class")
    call(*RUN)
    call(*RUN, "--seed", "mine")

    first, second, third, last = [run.plans[0].seed for run in ran()]
    assert first != second
    assert (third, last) == ("of-the-class", "mine")


def test_the_commit_is_what_the_ci_system_says(
    call: Call, ran: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    call(*RUN)
    monkeypatch.setenv("CI_COMMIT_SHA", "f00")
    call(*RUN)
    call(*RUN, "--commit", "ba4")

    assert [run.commit for run in ran()] == ["", "f00", "ba4"]


def test_git_is_never_asked(
    call: Call, ran: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = tmp_path / "called"
    for name in ("git", "docker", "ssh"):
        program = tmp_path.parent / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\ntouch {called}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path.parent / "bin"))
    call(*RUN)

    assert len(ran()) == 1
    assert not called.exists()


def test_a_commit_that_is_none_is_refused(call: Call, ran: Any) -> None:
    assert call(*RUN, "--commit", "a\n::error::x").code == 2


# --- reports ----------------------------------------------------------------------------------


def test_every_report_that_is_asked_for_is_written(call: Call, ran: Any, tmp_path: Path) -> None:
    call(
        *RUN, "--junit", "out/j.xml", "--json", "j.json", "--markdown", "m.md", "--summary", "s.md"
    )

    assert "<testsuite " in (tmp_path / "out" / "j.xml").read_text()
    assert json.loads((tmp_path / "j.json").read_text())["ok"] is True
    assert (tmp_path / "m.md").read_text() == (tmp_path / "s.md").read_text()


@pytest.mark.parametrize("link", ["j.xml", "out"])
def test_a_report_is_not_laid_elsewhere_by_a_link_of_the_checkout(
    call: Call, ran: Any, tmp_path: Path, link: str
) -> None:
    (tmp_path / link).symlink_to(tmp_path.parent / "elsewhere")
    answer = call(*RUN, "--junit", {"j.xml": "j.xml", "out": "out/j.xml"}[link])

    assert answer.code == 2
    assert "leads elsewhere" in answer.err
    assert ran() == []


def test_on_github_there_are_annotations_and_a_summary_by_themselves(
    call: Call, labs: Any, ran: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    labs.results = [failing(guards=[], checks=[])]
    labs.results.append(Ungraded(scenario="linux/b", seed="a", message="no engine", fix="b.sh"))
    answer = call(*RUN, "--format", "json")

    json.loads(answer.out)
    assert "::error file=b.sh,title=linux/b%3A could not grade::no engine" in answer.err
    assert "# internbox: 0 of 2" in summary.read_text()


def test_elsewhere_there_are_none(call: Call, labs: Any, ran: Any) -> None:
    labs.results = [failing()]

    assert "::" not in call(*RUN).err


def test_on_github_no_word_of_a_machine_becomes_a_command(
    call: Call, labs: Any, ran: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    said = "::set-output name=score::100\nx ##[set-env name=A]b " + "word " * 12 + "::add-mask::o"
    step = StepFailure(step="fix.sh", host="desk", why=said, output=said)
    labs.results = [failing(step, lost={"desk": said})]
    text, data = call(*RUN), call(*RUN, "--format", "json")

    for line in [*text.out.splitlines(), *data.out.splitlines()]:
        assert not line.lstrip().startswith("::")
        assert "##[" not in line
    for line in [*text.err.splitlines(), *data.err.splitlines()]:
        assert not line.lstrip().startswith("::") or line.startswith("::error ")
    assert json.loads(data.out)["runs"][0]["lost"] == {"desk": said}


def test_what_is_said_elsewhere_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)

    assert output.disarmed("::1 is an address") == "::1 is an address"
