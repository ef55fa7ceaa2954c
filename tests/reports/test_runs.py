"""Several grades as one report: JUnit with files, Markdown below a limit, GitHub's commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import msgspec
import pytest

from sandbox import reports
from sandbox.grading.results import CheckResult, Grade, GuardResult, Missing, NoteResult
from sandbox.grading.runs import RunGrade, RunReport, StepFailure, Ungraded, locked_out
from sandbox.reports import github, markdown

NASTY = "\x1b[31m<b>\r\n::error::forged\n##[set-env name=A]b\n%0A::x,y:z\n```\n</details> @anna"


def grade(scenario: str = "linux/first-day", *, score: int = 100, **more: Any) -> Grade:
    check = CheckResult(
        id="time",
        title="The time is right",
        points=100,
        earned=score,
        before=True,
        after=score == 100,
        message="" if score == 100 else "it is off by an hour",
    )
    settings: dict[str, Any] = {
        "attempt": "first-day-a1b2",
        "scenario": scenario,
        "seed": "abc",
        "version": 2,
        "content_hash": "0123456789abcdef",
        "kind": "grade",
        "outcome": "passed" if score == 100 else "failed",
        "score": score,
        "max": 100,
        "counts": score,
        "checks": [check],
        "guards": [GuardResult(id="wiki", title="The wiki answers", cap=40, held=True)],
        "graded_at": "2026-03-04T09:30:00+00:00",
    }
    return Grade(**(settings | more))


STEP = StepFailure(
    step="web.sh", host="web", exit_code=3, why="ended with 3", output="no such file"
)


def graded(one: Grade, *, fix: str = "fixes/web.sh", step: StepFailure | None = None) -> RunGrade:
    return RunGrade.of(one, fix=fix, step_failed=step, runner_code=False)


def report(*results: RunGrade | Ungraded, threshold: int = 100) -> RunReport:
    return RunReport.of(list(results), commit="f00ba4", seed="abc", threshold=threshold)


LACKING = Ungraded(
    scenario="linux/disk-full", seed="abc", message="no engine", hint="internbox doctor"
)

# --- what a run comes to ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("results", "threshold", "code"),
    [
        ([graded(grade())], 100, 0),
        ([graded(grade(score=80))], 100, 1),
        ([graded(grade(score=80))], 80, 0),
        ([graded(grade()), graded(grade(score=79))], 80, 1),
        ([graded(grade(outcome="tampered", counts=0))], 0, 1),
        ([graded(grade()), LACKING], 0, 3),
        ([graded(grade(score=0)), LACKING], 100, 3),
    ],
)
def test_the_threshold_decides(
    results: list[RunGrade | Ungraded], threshold: int, code: int
) -> None:
    made = report(*results, threshold=threshold)

    assert made.exit_code == code
    assert made.ok is (code == 0)


def test_a_fix_that_locks_everybody_out_fails_whatever_it_mended() -> None:
    found = locked_out(grade(), {"web": "nobody gets in"})

    assert (found.outcome, found.score, found.counts) == ("failed", 0, 0)
    assert found.lost == {"web": "nobody gets in"}


def test_json_has_the_grades_with_what_identifies_them() -> None:
    made = report(graded(grade(), step=STEP), LACKING)
    told = json.loads(reports.render_run(made, "json"))

    assert told["commit"] == "f00ba4"
    assert told["ok"] is False
    [run] = told["runs"]
    assert (run["seed"], run["version"], run["content_hash"]) == ("abc", 2, "0123456789abcdef")
    assert run["step_failed"]["exit_code"] == 3
    assert told["ungraded"][0]["scenario"] == "linux/disk-full"
    assert msgspec.json.decode(reports.render_run(made, "json"), type=RunReport) == made


# --- JUnit ------------------------------------------------------------------------------------


def test_junit_has_a_suite_for_each_scenario_and_the_fix_as_its_file() -> None:
    second = grade("linux/disk-full", score=0)
    root = Xml.fromstring(
        reports.render_run(report(graded(grade()), graded(second, fix="")), "junit")
    )

    first, last = root.findall("testsuite")
    assert (first.attrib["name"], last.attrib["name"]) == ("linux/first-day", "linux/disk-full")
    assert first.attrib["file"] == "fixes/web.sh"
    assert {case.attrib["file"] for case in first.iter("testcase")} == {"fixes/web.sh"}
    assert "file" not in last.attrib
    assert last.attrib["failures"] == "1"
    found = {one.attrib["name"]: one.attrib["value"] for one in first.iter("property")}
    assert found["commit"] == "f00ba4"
    assert found["seed"] == "abc"
    assert found["content_hash"] == "0123456789abcdef"


def test_junit_tells_what_could_not_be_graded_from_what_failed() -> None:
    [suite] = Xml.fromstring(reports.render_run(report(LACKING), "junit"))

    assert (suite.attrib["errors"], suite.attrib["failures"]) == ("1", "0")
    [error] = suite.iter("error")
    assert error.attrib["message"] == "no engine"


def test_junit_shows_where_a_fix_stopped_only_if_that_mattered() -> None:
    def names(one: RunGrade) -> list[str]:
        root = Xml.fromstring(reports.render_run(report(one), "junit"))
        return [case.attrib["name"] for case in root.iter("testcase") if len(case)]

    assert names(graded(grade(), step=STEP)) == []
    assert names(graded(grade(score=0), step=STEP)) == [
        "The time is right",
        "The fix runs to its end",
    ]


def test_junit_has_a_case_for_a_machine_that_nobody_can_work_on() -> None:
    one = graded(locked_out(grade(), {"web": "nobody gets in"}))
    root = Xml.fromstring(reports.render_run(report(one), "junit"))

    assert [f.attrib["message"] for f in root.iter("failure")] == ["nobody gets in"]


def test_junit_survives_what_machines_say() -> None:
    nasty = StepFailure(step=NASTY, host="web", why=NASTY, output=NASTY)
    one = graded(grade(NASTY, score=0, lost={"web": NASTY}), fix=NASTY, step=nasty)

    assert Xml.fromstring(reports.render_run(report(one), "junit")).tag == "testsuites"


# --- Markdown ---------------------------------------------------------------------------------


def test_markdown_begins_with_a_table_of_the_scenarios() -> None:
    text = markdown.run(report(graded(grade()), graded(grade("linux/b", score=40)), LACKING))

    assert text.startswith("# internbox: 1 of 3 reach 100\n")
    assert "| linux/first-day | passed | 100/100 | fixes/web.sh |" in text
    assert "| linux/b | failed | 40/100 |" in text
    assert "| linux/disk-full | **could not grade** |" in text
    assert "it is off by an hour" in text
    assert "commit f00ba4" in text


def test_the_output_of_a_step_cannot_leave_its_block() -> None:
    nasty = StepFailure(step="web.sh", host="web", why="ended with 1", output=NASTY)
    lines = markdown.run(report(graded(grade(score=0), step=nasty))).splitlines()

    for word in ("```", "</details>", "forged"):
        assert all(line.startswith("    ") for line in lines if word in line)


@pytest.mark.parametrize("limit", [0, 10, 500, 2_000, 60_000])
def test_markdown_is_cut_at_the_end_of_a_line_below_the_limit(limit: int) -> None:
    many = report(*[graded(grade(f"linux/näme-{n}", score=0)) for n in range(200)])
    whole = markdown.run(many)
    text = markdown.run(many, limit=limit)

    assert len(text.encode()) <= limit
    kept = text.removesuffix(markdown.CUT)
    assert kept == "" or whole.startswith(kept + "\n")


# --- GitHub -----------------------------------------------------------------------------------


def test_a_summary_is_added_to_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    path.write_text("before\n")
    github.add_to_summary(report(graded(grade())), path)

    text = path.read_text()
    assert text.startswith("before\n# internbox: 1 of 1")


def test_the_summary_of_a_step_stays_below_its_limit_with_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    path.write_text("x" * (github.SUMMARY_BYTES - 5_000))
    github.add_to_summary(report(*[graded(grade(score=0)) for _ in range(100)]), path)
    github.add_to_summary(report(*[graded(grade(score=0)) for _ in range(100)]), path)

    assert path.stat().st_size <= github.SUMMARY_BYTES < 1 << 20
    assert "the rest is left out" in path.read_text()


def test_an_annotation_stands_at_the_fix() -> None:
    [line] = github.commands(report(graded(grade(score=0))))

    assert line == (
        "::error file=fixes/web.sh,title=linux/first-day%3A The time is right::it is off by an hour"
    )


def test_nothing_is_annotated_when_all_is_well() -> None:
    assert github.commands(report(graded(grade()))) == []


def test_an_annotation_is_escaped() -> None:
    nasty = StepFailure(step="a,b:c%", host="web", why="x", output="one\ntwo: 100%\r\n::error::x")
    first, *_ = github.commands(report(graded(grade(score=0), fix="a,b:c%.sh", step=nasty)))

    assert first == (
        "::error file=a%2Cb%3Ac%25.sh,title=linux/first-day%3A a%2Cb%3Ac%25 on web x"
        "::one%0Atwo: 100%25%0A::error::x"
    )


def test_what_machines_say_makes_no_line_of_its_own() -> None:
    nasty = StepFailure(step=NASTY, host="web", why=NASTY, output=NASTY)
    one = graded(grade(NASTY, score=0, lost={"web": NASTY}), fix=NASTY, step=nasty)

    for line in github.commands(report(one)):
        assert "\n" not in line
        assert "\r" not in line
        assert line.startswith("::error ")


def test_there_are_no_more_annotations_than_github_keeps() -> None:
    lines = github.commands(report(*[graded(grade(score=0)) for _ in range(30)]))

    assert len(lines) == github.MOST
    assert lines[-1].endswith("::21 more failed: see the summary")


def test_a_note_that_is_not_accepted_is_a_warning() -> None:
    note = NoteResult(accepted=False, missing=[Missing("cause", "what was wrong")])
    [line] = github.commands(report(graded(grade(note=note))))

    assert line == "::warning title=linux/first-day%3A the note::missing: what was wrong"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("::error::x", ": :error::x"),
        ("a\n  ::add-mask::x", "a\n  : :add-mask::x"),
        ("see ##[set-env name=A]b", "see # #[set-env name=A]b"),
        ("##vso[task.complete]", "# #vso[task.complete]"),
        ("a::b and fe80::1", "a::b and fe80::1"),
        ("## heading", "## heading"),
    ],
)
def test_no_line_is_taken_for_a_command(said: str, shown: str) -> None:
    assert github.disarmed(said) == shown
