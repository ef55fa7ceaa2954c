"""The commands that judge: their exit codes, their tables, their reports."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

Call = Callable[..., Any]
ATTEMPT = "web-service-down-k7f2"


@pytest.fixture
def failed(labs: Any) -> Any:
    """A grade in which one check did not outlast the reboot, and one guard broke."""
    first, second = labs.result.checks
    second = msgspec.structs.replace(
        second, title="It starts by itself", after=False, earned=0, message="not made permanent"
    )
    guard = msgspec.structs.replace(labs.result.guards[0], held=False, message="502")
    labs.result = msgspec.structs.replace(
        labs.result,
        outcome="failed",
        score=40,
        counts=40,
        checks=[first, second],
        guards=[guard],
        hints_cost=5,
    )
    return labs.result


def test_all_passed_is_0(call: Call) -> None:
    answer = call("grade")

    assert answer.code == 0
    assert "100 of 100, passed" in answer.out
    assert f"next: internbox debrief {ATTEMPT}" in answer.err


def test_something_failed_is_1(call: Call, failed: Any) -> None:
    answer = call("grade")

    assert answer.code == 1
    assert "not made permanent" in answer.out
    assert "40 of 100, failed" in answer.out
    assert "-5" in answer.out


def test_the_table_tells_before_from_after_in_words(call: Call, failed: Any) -> None:
    row = next(line for line in call("grade").out.splitlines() if "starts by itself" in line)

    assert row.split()[-3:] == ["ok", "FAILED", "0/60"]


def test_a_broken_guard_shows_its_cap(call: Call, failed: Any) -> None:
    row = next(line for line in call("grade").out.splitlines() if "wiki" in line)

    assert "BROKEN" in row
    assert row.endswith("≤ 40")


def test_a_check_has_one_column_and_no_score(call: Call, labs: Any) -> None:
    checks = [msgspec.structs.replace(one, after=None) for one in labs.result.checks]
    labs.result = msgspec.structs.replace(labs.result, kind="check", checks=checks)
    answer = call("check")

    assert "BEFORE" not in answer.out
    assert "2 of 2 checks pass" in answer.out
    assert f"next: internbox grade {ATTEMPT}" in answer.err


def test_tampering_is_named_and_is_1(call: Call, labs: Any) -> None:
    labs.result = msgspec.structs.replace(
        labs.result, outcome="tampered", counts=0, tampered=["/usr/bin/dig"]
    )
    answer = call("grade")

    assert answer.code == 1
    assert "/usr/bin/dig" in answer.out
    assert "tampered, counts 0" in answer.out


def test_a_missing_note_is_what_comes_next(call: Call, labs: Any) -> None:
    labs.result = msgspec.structs.replace(labs.result, note=None)

    assert f"next: internbox note {ATTEMPT}" in call("grade").err


def test_a_grade_as_json(call: Call) -> None:
    answer = json.loads(call("grade", "--format", "json").out)

    keys = {"attempt", "scenario", "seed", "outcome", "score", "max", "checks", "guards"}
    assert keys | {"hints_cost", "note", "tampered"} <= set(answer)


def test_reports_are_written_besides(call: Call, tmp_path: Path) -> None:
    files = {form: tmp_path / f"grade.{form}" for form in ("junit", "json", "markdown")}
    options = [part for form, path in files.items() for part in (f"--{form}", str(path))]

    assert call("grade", *options).code == 0
    assert files["junit"].read_text().startswith("<?xml")
    assert json.loads(files["json"].read_text())["outcome"] == "passed"
    assert "page" in files["markdown"].read_text()


def test_reports_are_written_when_something_failed(call: Call, failed: Any, tmp_path: Path) -> None:
    assert call("grade", "--junit", str(tmp_path / "x.xml")).code == 1
    assert "failure" in (tmp_path / "x.xml").read_text()


# --- the note


def test_a_note_from_the_command_line(call: Call, labs: Any) -> None:
    answer = call("note", "-m", "the disk was full")

    assert labs.calls == [("note", ATTEMPT, "the disk was full")]
    assert "accepted, 2 of 2 facts" in answer.out


def test_a_note_that_lacks_a_fact_is_1_and_names_it(call: Call, labs: Any) -> None:
    from sandbox.grading.results import Missing

    labs.told = msgspec.structs.replace(
        labs.told, accepted=False, missing=[Missing("cause", "what was wrong")]
    )
    answer = call("note", "-m", "done")

    assert answer.code == 1
    assert "missing: what was wrong" in answer.out


def test_a_note_from_a_file(call: Call, labs: Any, tmp_path: Path) -> None:
    (tmp_path / "note.md").write_text("Größe")
    call("note", "-F", str(tmp_path / "note.md"))

    assert labs.calls == [("note", ATTEMPT, "Größe")]


def test_a_note_from_the_input(call: Call, labs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("from a pipe"))
    call("note")

    assert labs.calls == [("note", ATTEMPT, "from a pipe")]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal())


def test_a_note_from_the_editor_begins_with_the_last_one(
    call: Call, labs: Any, terminal: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    labs.kept_note = "As before."
    monkeypatch.setattr("click.edit", lambda text, **_: text.replace("before", "ever"))
    call("note")

    assert labs.calls == [("note", ATTEMPT, "As ever.\n")]


def test_an_editor_that_is_left_changes_nothing(
    call: Call, labs: Any, terminal: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("click.edit", lambda text, **_: None)

    assert call("note").code == 2
    assert labs.calls == []


def test_the_note_is_shown_as_it_is(call: Call, labs: Any) -> None:
    labs.kept_note = "The disk was full."

    assert call("note", "--show").out == "The disk was full.\n"
