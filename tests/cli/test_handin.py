"""code, submit and regrade as commands: what they print, and their exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox.errors import UsageError
from sandbox.handin import batch
from sandbox.handin.batch import Regraded, RegradeReport
from sandbox.handin.lms import Ignored
from sandbox.handin.shapes import Standing, Submitted, SubmittedHost
from sandbox.handin.submitting import Submitting

Call = Callable[..., Any]
ATTEMPT = "web-service-down-k7f2"


def result(status: str, **more: Any) -> Regraded:
    values: dict[str, Any] = {
        "file": "download.zip: Ann Smith_1_assignsubmission_file_/x.ibz",
        "student": "Ann Smith",
        "learner": "s1",
        "scenario": "linux/web-service-down",
        "status": status,
        "handed_in": 100,
        "regraded": 100,
        "difference": 0,
        "outcome": "passed",
    }
    return Regraded(**(values | more))


@pytest.fixture
def regraded(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """What the batch says."""

    def answer(*results: Regraded) -> None:
        ok = all(one.status in ("same", "new") for one in results)
        report = RegradeReport(
            ok, list(results), [Ignored("download.zip: note.txt", "no submission")]
        )
        monkeypatch.setattr(batch, "regrade", lambda *_: report)

    return answer


@pytest.fixture
def submitted(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What submit was called with; it says that 40 of 100 were handed in."""
    calls: list[dict[str, Any]] = []

    def submit(self: Any, ref: str, **options: Any) -> Submitted:
        calls.append({"ref": ref, **options})
        return Submitted(
            attempt=ref,
            scenario="linux/web-service-down",
            learner="",
            file=f"{ref}.ibz",
            sha256="0" * 64,
            bytes=2 << 20,
            hosts=[SubmittedHost("web", 12, 1, 3000)],
            grade=Standing("failed", 40, 100),
            note=False,
            hints=1,
            left_out=["web: /srv/pipe: a device or a pipe"],
            warnings=["it is old"],
        )

    monkeypatch.setattr(Submitting, "submit", submit)
    return calls


def test_a_code_starts_its_scenario(call: Call) -> None:
    (row,) = json.loads(
        call("code", "linux/first-day", "--learner", "s1", "--seed", "x", "--format", "json").out
    )

    assert (row["learner"], row["scenario"]) == ("s1", "linux/first-day")
    assert (
        f"internbox start --code {row['code']}"
        in call("code", "linux/first-day", "--learner", "s1", "--seed", "x").err
    )


def test_the_same_course_seed_makes_the_same_codes(call: Call) -> None:
    once = call("code", "linux/first-day", "--learner", "s1", "--seed", "x").out

    assert call("code", "linux/first-day", "--learner", "s1", "--seed", "x").out == once
    assert call("code", "linux/first-day", "--learner", "s1", "--seed", "y").out != once


def test_a_drawn_course_seed_is_told(call: Call) -> None:
    answer = call("code", "linux/first-day", "--learner", "s1")

    seed = answer.err.split("--seed ")[1].split()[0]
    assert call("code", "linux/first-day", "--learner", "s1", "--seed", seed).out == answer.out


def test_codes_are_written_for_a_roster(call: Call, tmp_path: Path) -> None:
    (tmp_path / "class.csv").write_text("learner,name\ns1,Ann\ns2,Bo\n")
    target = tmp_path / "codes.csv"

    call("code", "linux/first-day", "--roster", str(tmp_path / "class.csv"), "--csv", str(target))

    assert len(target.read_text().splitlines()) == 3


def test_start_takes_a_code_alone(call: Call) -> None:
    answer = call("start", "linux/first-day", "--code", "X")

    assert answer.code == 2
    assert "says it all" in answer.err


def test_start_refuses_a_mistyped_code(call: Call) -> None:
    answer = call("start", "--code", "06JQX-C8XFF")

    assert answer.code == 2
    assert "mistyped" in answer.err


def test_submit_says_what_it_packed(call: Call, submitted: list[dict[str, Any]]) -> None:
    answer = call("submit")

    assert answer.out == f"{ATTEMPT}.ibz\n"
    assert "failed, 40 of 100; without a note; hints taken: 1" in answer.err
    assert "left out: web: /srv/pipe" in answer.err
    assert "warning: it is old" in answer.err
    assert f"next: internbox stop {ATTEMPT}" in answer.err
    assert submitted == [{"ref": ATTEMPT, "out": None, "then": "start"}]


def test_submit_can_stop_the_attempt(call: Call, submitted: list[dict[str, Any]]) -> None:
    call("submit", "--stop", "--out", "x.ibz")

    assert submitted == [{"ref": ATTEMPT, "out": Path("x.ibz"), "then": "remove"}]


def test_submit_prints_json(call: Call, submitted: list[dict[str, Any]]) -> None:
    assert json.loads(call("submit", "--format", "json").out)["grade"]["score"] == 40


@pytest.mark.parametrize(
    ("results", "code"),
    [
        ([result("same"), result("new", handed_in=None)], 0),
        ([result("same"), result("differs", regraded=40, difference=-60)], 1),
        ([result("same"), result("refused", reason="a bomb")], 1),
        ([result("refused"), result("ungraded", regraded=None, reason="no engine")], 3),
    ],
)
def test_the_exit_code_says_whether_all_were_graded_and_are_as_they_say(
    call: Call, regraded: Callable[..., None], tmp_path: Path, results: list[Regraded], code: int
) -> None:
    regraded(*results)

    assert call("regrade", str(tmp_path)).code == code


def test_both_grades_stand_side_by_side_in_80_columns(
    call: Call, regraded: Callable[..., None], tmp_path: Path
) -> None:
    regraded(
        result(
            "differs",
            regraded=40,
            difference=-60,
            student="A" * 60,
            remarks=["“It works”: 100 handed in, 40 now"],
        ),
        result("refused", handed_in=None, regraded=None, reason="it leads \x1b[2Jout"),
    )

    lines = call("regrade", str(tmp_path)).out.splitlines()

    assert lines[0].split() == ["LEARNER", "SCENARIO", "HANDED", "IN", "REGRADED"]
    assert lines[1].split()[1:] == ["web-service-down", "100", "40", "-60"]
    assert lines[2].split()[-1] == "refused"
    assert all(len(line) <= 80 for line in lines[:3])
    assert "“It works”: 100 handed in, 40 now" in lines[3]
    assert "\x1b" not in "\n".join(lines)


def test_reports_are_written(call: Call, regraded: Callable[..., None], tmp_path: Path) -> None:
    regraded(result("same"))

    files = {form: tmp_path / f"out.{form}" for form in ("json", "csv", "junit")}
    call(
        "regrade",
        str(tmp_path),
        *(word for form, path in files.items() for word in (f"--{form}", str(path))),
    )

    assert json.loads(files["json"].read_text())["ok"] is True
    assert files["csv"].read_text().startswith("file,student,learner")
    assert "<testsuite " in files["junit"].read_text()


def test_without_any_submission_it_is_wrong_use(
    call: Call, regraded: Callable[..., None], tmp_path: Path
) -> None:
    regraded()

    answer = call("regrade", str(tmp_path))

    assert answer.code == UsageError.exit_code
    assert ".ibz" in answer.err
