"""The author's commands."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox.cli.scaffold import scaffold
from sandbox.errors import UsageError
from sandbox.paths import ScenarioFiles

Call = Callable[..., Any]


@pytest.fixture
def scenario(tmp_path: Path) -> ScenarioFiles:
    scaffold(tmp_path, "linux/printer-queue")
    return ScenarioFiles(tmp_path, "linux/printer-queue")


def test_new_makes_scenario_and_grader(call: Call, tmp_path: Path) -> None:
    answer = call("new", "linux/printer-queue", "--content", str(tmp_path))

    files = ScenarioFiles(tmp_path, "linux/printer-queue")
    assert answer.code == 0
    assert str(files.grader) in answer.out.splitlines()
    assert f"next: internbox lint {files.root}" in answer.err


def test_a_new_scenario_has_no_mark_left(scenario: ScenarioFiles) -> None:
    texts = [path.read_text() for path in scenario.content.rglob("*") if path.is_file()]
    names = [str(path) for path in scenario.content.rglob("*")]

    assert len(texts) > 10
    assert not [text for text in [*texts, *names] if "@SLUG@" in text or "@ID@" in text]


def test_a_new_scenario_has_no_findings(scenario: ScenarioFiles) -> None:
    from sandbox import lint

    assert lint.lint(scenario) == []


def test_new_never_overwrites(scenario: ScenarioFiles) -> None:
    with pytest.raises(UsageError, match="exists already"):
        scaffold(scenario.content, scenario.id)


@pytest.mark.parametrize("name", ["printer", "Linux/x", "linux/../x", "linux/a b", "a/b/c"])
def test_a_bad_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="is no name"):
        scaffold(tmp_path, name)
    assert list(tmp_path.iterdir()) == []


def test_render_shows_what_is_laid(call: Call, labs: Any, scenario: ScenarioFiles) -> None:
    labs.resolve = lambda name: scenario
    answer = json.loads(call("render", "x", "--seed", "abc", "--format", "json").out)

    files = {file["path"]: file for host in answer["hosts"] for file in host["files"]}
    assert answer["fault"] in ("switched-off", "commented-out")
    assert "interval = " in files["/etc/printer-queue.conf"]["text"]


def test_render_is_the_same_for_the_same_seed(
    call: Call, labs: Any, scenario: ScenarioFiles
) -> None:
    labs.resolve = lambda name: scenario
    first, second, other = (
        call("render", "x", "--seed", seed, "--format", "json").out for seed in ("a", "a", "b")
    )

    assert first == second
    assert first != other


def test_render_writes_the_files(
    call: Call, labs: Any, scenario: ScenarioFiles, tmp_path: Path
) -> None:
    labs.resolve = lambda name: scenario
    call("render", "x", "--out", str(tmp_path / "out"))

    assert (tmp_path / "out/desk/etc/printer-queue.conf").is_file()
    assert (tmp_path / "out/ticket.md").read_text().startswith("# The ")


def test_render_of_an_unknown_host_names_those_there_are(
    call: Call, labs: Any, scenario: ScenarioFiles
) -> None:
    labs.resolve = lambda name: scenario
    answer = call("render", "x", "--host", "wbe")

    assert answer.code == 2
    assert "it has desk" in answer.err


def test_lint_of_a_broken_scenario_is_1(call: Call, labs: Any, scenario: ScenarioFiles) -> None:
    labs.resolve = lambda name: scenario
    scenario.debrief.unlink()
    answer = call("lint", "x")

    assert answer.code == 1
    assert "debrief.md.j2" in answer.out


# --- prove


@pytest.fixture
def proof(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    from sandbox import proof

    calls: list[tuple[Any, ...]] = []

    def prove(labs: Any, names: Any, **options: Any) -> proof.ProofReport:
        calls.append((list(names), options["only"], options["cache"]))
        cell = {"scenario": names[0], "fault": "f", "expected": "score 0", "case": "untouched"}
        good = proof.Cell(**cell, kind="untouched", got="score 0", ok=True)
        bad = proof.Cell(**cell, kind="untouched", got="failed, score 40", ok=False)
        kept = {"first-day-1a2b": "linux/first-day f/untouched"} if options["keep"] else {}
        return proof.ProofReport(ok=options["only"] == "good", cells=[good, bad], kept=kept)

    monkeypatch.setattr(proof, "prove", prove)
    return calls


def test_prove_says_what_was_not_as_expected(call: Call, proof: list[tuple[Any, ...]]) -> None:
    answer = call("prove", "linux/first-day", "--no-cache")

    assert answer.code == 1
    assert proof == [(["linux/first-day"], "", False)]
    assert "got: failed, score 40" in answer.out
    assert "1 of 2 cells as expected" in answer.out


def test_prove_that_holds_is_0(call: Call, proof: list[tuple[Any, ...]]) -> None:
    assert call("prove", "linux/first-day", "--only", "good").code == 0


def test_prove_says_the_way_in_to_what_it_kept(call: Call, proof: list[tuple[Any, ...]]) -> None:
    answer = call("prove", "linux/first-day", "--only", "good", "--keep")

    assert "linux/first-day f/untouched  internbox ssh first-day-1a2b" in answer.out
    assert "next: internbox stop first-day-1a2b" in answer.err


def test_prove_as_json(call: Call, proof: list[tuple[Any, ...]]) -> None:
    answer = json.loads(call("prove", "linux/first-day", "--format", "json").out)

    keys = {"scenario", "fault", "case", "kind", "expected", "got", "ok", "seconds", "cached"}
    assert set(answer) >= {"ok", "cells"}
    assert keys <= set(answer["cells"][0])


def test_prove_needs_a_name_or_all(call: Call, proof: list[tuple[Any, ...]]) -> None:
    assert call("prove").code == 2
    assert call("prove", "x", "--all").code == 2
    assert proof == []


def test_prove_asks_before_it_runs_foreign_graders(
    call: Call, labs: Any, proof: list[tuple[Any, ...]], tmp_path: Path
) -> None:
    labs.folder = tmp_path

    assert call("prove", "a/b").code == 2
    assert proof == []


# --- schemas


def test_schemas_cover_files_and_answers(call: Call) -> None:
    schemas = json.loads(call("schemas").out)

    assert {"scenario.toml", "hints.toml", "note.toml"} <= set(schemas)
    assert {f"answer-{name}" for name in ("list", "start", "grade", "status", "gc", "prove")} <= (
        set(schemas)
    )


def test_schemas_are_written_a_file_each(call: Call, tmp_path: Path) -> None:
    call("schemas", "--out", str(tmp_path))

    assert json.loads((tmp_path / "answer-gc.schema.json").read_text())["title"]
