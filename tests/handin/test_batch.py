"""Many submissions: one that is refused stops no other, and nothing is graded twice."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest

from sandbox import scenarios
from sandbox.errors import EngineError, Refused
from sandbox.grading.results import CheckResult, CheckRun, GuardRun, PhaseResult
from sandbox.handin import batch, reading, roster, tables
from sandbox.handin.regrading import Regrading, as_handed_in
from sandbox.handin.roster import Learner
from sandbox.paths import Home, builtin_content
from tests.handin.conftest import Maker, grade

LOADED = scenarios.load(scenarios.resolve("linux/first-day", [builtin_content()]))


@pytest.fixture
def labs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Use cases whose engine gives every submission the grade that `scores` has for its seed."""
    found: Any = Regrading(Home(tmp_path / "home", tmp_path / "cache"), runtime=object())  # type: ignore[arg-type]
    found.scores, found.graded = {}, []

    def regrade(self: Any, submission: reading.Submission, **_: Any) -> Any:
        seed = submission.manifest.seed
        found.graded.append(seed)
        score = found.scores.get(seed, 100)
        if isinstance(score, Exception):
            raise score
        return grade(score)

    monkeypatch.setattr(Regrading, "regrade", regrade)
    return found


def handed(make: Maker, seed: str, score: int | None = 100, **more: Any) -> Path:
    told = {
        "seed": seed,
        "scenario": LOADED.id,
        "content_hash": LOADED.content_hash,
        "grade": None if score is None else grade(score),
        **more,
    }
    return make(content=seed.encode(), manifest=told, name=f"{seed}.ibz")


def run(labs: Any, *paths: Path, **options: Any) -> batch.RegradeReport:
    return batch.regrade(labs, paths, batch.Options(jobs=2, **options))


def test_grades_stand_side_by_side(labs: Any, make: Maker) -> None:
    labs.scores = {"low": 40}
    files = [handed(make, "same"), handed(make, "low"), handed(make, "none", None)]

    report = run(labs, *files)

    told = [(one.status, one.handed_in, one.regraded, one.difference) for one in report.submissions]
    assert told == [("same", 100, 100, 0), ("differs", 100, 40, -60), ("new", None, 100, None)]
    assert not report.ok
    assert report.submissions[1].remarks == ["“It works”: 100 handed in, 40 now"]


def test_one_that_is_refused_or_cannot_be_graded_stops_no_other(labs: Any, make: Maker) -> None:
    labs.scores = {"broken": EngineError("no engine", hint="start it")}
    files = [
        handed(make, "old", content_hash="0" * 16),
        handed(make, "odd", scenario="linux/none"),
        handed(make, "broken"),
        handed(make, "good"),
    ]

    report = run(labs, *files)

    assert [one.status for one in report.submissions] == ["refused", "refused", "ungraded", "same"]
    old, odd, broken, _ = report.submissions
    assert "another edition" in old.reason
    assert "no scenario" in odd.reason
    assert (broken.reason, broken.hint) == ("no engine", "start it")


def test_what_was_graded_is_not_graded_again(labs: Any, make: Maker) -> None:
    labs.scores = {"two": EngineError("interrupted")}
    files = [handed(make, "one"), handed(make, "two")]
    run(labs, *files)
    labs.scores = {}

    again = run(labs, *files)

    assert sorted(labs.graded) == ["one", "two", "two"]
    assert [one.kept for one in again.submissions] == [True, False]
    assert again.ok


def test_again_grades_anew(labs: Any, make: Maker) -> None:
    file = handed(make, "one")
    run(labs, file)

    assert not run(labs, file, again=True).submissions[0].kept
    assert labs.graded == ["one", "one"]


def test_a_kept_grade_that_is_damaged_is_taken_anew(labs: Any, make: Maker) -> None:
    file = handed(make, "one")
    run(labs, file)
    (kept,) = labs.home.regrades.iterdir()
    kept.write_text("{")

    assert run(labs, file).ok
    assert labs.graded == ["one", "one"]


def test_somebody_elses_code_is_refused(labs: Any, make: Maker, tmp_path: Path) -> None:
    rows = roster.made([LOADED], [Learner("s1", "Ann Smith"), Learner("s2")], "course")
    path = tmp_path / "codes.csv"
    path.write_text(roster.write_codes(rows))
    files = [
        handed(make, rows[0].seed, learner="s1"),
        handed(make, rows[1].seed, learner="s1"),
    ]

    report = run(labs, *files, codes=roster.read_codes(path))

    assert [one.status for one in report.submissions] == ["same", "refused"]
    assert "the variant of s2" in report.submissions[1].reason
    assert labs.graded == [rows[0].seed]


def test_the_same_work_of_two_is_flagged(labs: Any, make: Maker) -> None:
    one = handed(make, "seed", learner="a").rename(make.folder / "a.ibz")
    two = handed(make, "seed", learner="b").rename(make.folder / "b.ibz")
    other = handed(make, "other", learner="c")

    report = run(labs, one, two, other)

    assert [found.same_as for found in report.submissions] == [[str(two)], [str(one)], []]
    assert f"the same work as {two}" in report.submissions[0].remarks


def test_another_platform_name_than_the_codes_is_remarked(
    labs: Any, make: Maker, tmp_path: Path
) -> None:
    rows = roster.made([LOADED], [Learner("s1", "Smith, Ann")], "course")
    path = tmp_path / "codes.csv"
    path.write_text(roster.write_codes(rows))
    file = handed(make, rows[0].seed, learner="s1")
    files = []
    for name in ("annsmith", "boli"):
        folder = tmp_path / "download"
        folder.mkdir(exist_ok=True)
        copy = folder / f"{name}_1_2_x.ibz"
        copy.write_bytes(file.read_bytes())
        files.append(copy)

    report = run(labs, *files, codes=roster.read_codes(path))

    ann, bo = (" ".join(one.remarks) for one in report.submissions)
    assert "start code of" not in ann
    assert "handed in by boli, with the start code of Smith, Ann" in bo


def run_of(name: str, passed: bool) -> CheckRun:
    return CheckRun(id=name, title=name, points=50, passed=passed)


def test_what_held_only_after_the_reboot_when_handed_in_stays_so() -> None:
    handed_in = grade(0)
    (check,), (guard,) = handed_in.checks, handed_in.guards
    then = [
        type(check)(
            id="one", title="", points=50, earned=0, before=False, after=True, message="no"
        ),
        type(check)(id="two", title="", points=50, earned=0, before=False, after=False),
    ]
    broken = type(guard)(id="wiki", title="", cap=1, held=False, before=False, after=True)
    now = PhaseResult(
        checks=[run_of("one", True), run_of("two", True)],
        guards=[GuardRun(id="wiki", title="", cap=1, held=True)],
    )

    found = as_handed_in(now, grade(0, checks=then, guards=[broken]))

    assert [run.passed for run in found.checks] == [False, True]
    assert found.checks[0].message == "no"
    assert not found.guards[0].held
    assert as_handed_in(now, None) == now


def test_the_table_holds_no_formula(labs: Any, make: Maker) -> None:
    bad = make.folder / "=cmd"
    bad.mkdir()
    file = handed(make, "one", learner="@SUM(A1)").rename(bad / "=a.ibz")
    labs.scores = {"one": 40}

    report = run(labs, file)
    (row,) = csv.DictReader(io.StringIO(tables.render(report, "csv")))

    assert row["learner"] == "'@SUM(A1)"
    assert row["difference"] == "-60"
    assert row["status"] == "differs"


def test_the_junit_report_has_a_case_for_each(labs: Any, make: Maker) -> None:
    labs.scores = {"low": 40, "broken": EngineError("no \x1b[2Jengine")}
    files = [
        handed(make, "same", learner="a"),
        handed(make, "low", learner="b"),
        handed(make, "broken", learner="c"),
        handed(make, "old", learner="d", content_hash="0" * 16),
    ]

    suite = Xml.fromstring(tables.render(run(labs, *files), "junit"))[0]

    assert {key: suite.get(key) for key in ("tests", "failures", "errors")} == {
        "tests": "4",
        "failures": "2",
        "errors": "1",
    }
    kinds = {case.get("name"): next(part.tag for part in case) for case in suite}
    assert kinds == {"a": "system-out", "b": "failure", "c": "error", "d": "failure"}


def test_the_json_report_is_the_answer(labs: Any, make: Maker) -> None:
    report = run(labs, handed(make, "one"))

    told = json.loads(tables.render(report, "json"))

    assert told["ok"] is True
    assert told["submissions"][0]["grade"]["score"] == 100


def test_hints_that_there_are_not_are_refused(labs: Any) -> None:
    labs._hints = lambda row: []

    with pytest.raises(Refused, match="hints"):
        labs._hints_cost(None, 3)


def test_a_check_that_is_lost_says_why() -> None:
    lost = CheckResult(
        id="one",
        title="It works",
        points=100,
        earned=0,
        before=False,
        after=False,
        message="it is off",
    )

    found = batch.differences(grade(100), grade(0, checks=[lost]))

    assert found == ["“It works”: 100 handed in, 0 now (it is off)"]
