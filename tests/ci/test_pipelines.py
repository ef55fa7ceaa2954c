"""The templates' steps with internbox itself, on the real engine: a right fix and a wrong one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest

from sandbox import labels
from sandbox.paths import builtin_content
from sandbox.scenarios import load, resolve
from tests.ci.hosted import CALLER, COMMIT, EXAMPLE, STUDENTS, Job, called, github, included, shell

pytestmark = [pytest.mark.engine, pytest.mark.slow]

WRONG = """#!/usr/bin/env bash
echo '::error::all is well'
echo '::stop-commands::quiet'
echo '##vso[task.complete result=Succeeded]'
"""


@pytest.fixture(scope="module")
def right(runtime: Any, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Job:
    """The example as it is, called as the example calls."""
    tmp = tmp_path_factory.mktemp("right")
    inputs = called(CALLER) | {"internbox": str(wheel)}
    return github(tmp, EXAMPLE, inputs)


@pytest.fixture(scope="module")
def wrong(runtime: Any, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Job:
    """The example with a second ticket, whose script mends nothing and talks to the runner."""
    tmp = tmp_path_factory.mktemp("wrong")
    checkout = tmp / "anna"
    shutil.copytree(EXAMPLE, checkout)
    (checkout / "fixes/linux/web-service-down/web.sh").write_text(WRONG)
    inputs = called(CALLER) | {"internbox": str(wheel)}
    inputs["scenarios"] = "linux/first-day\nlinux/web-service-down"
    return github(tmp, checkout, inputs)


def suites(job: Job) -> dict[str, Any]:
    return {suite.get("name"): suite for suite in Xml.fromstring(job.kept["junit.xml"])}


def scores(job: Job) -> dict[str, int]:
    return {run["scenario"]: run["score"] for run in json.loads(job.kept["grades.json"])["runs"]}


def test_a_right_fix_passes(right: Job) -> None:
    assert right.status == 0, right.log
    assert scores(right) == {"linux/first-day": 100}
    assert set(right.steps.values()) == {"success", "skipped"}


def test_the_result_names_what_was_graded(right: Job) -> None:
    told = json.loads(right.kept["grades.json"])
    (run,) = told["runs"]

    assert (told["commit"], told["seed"]) == (COMMIT, "example")
    assert run["fix"].startswith("fixes/linux/first-day")
    assert run["content_hash"] == load(resolve("linux/first-day", [builtin_content()])).content_hash
    assert told["internbox"]


def test_its_summary_is_the_steps(right: Job) -> None:
    assert "linux/first-day" in right.summary
    assert "100" in right.summary


def test_a_wrong_fix_fails_and_the_right_one_keeps_its_points(wrong: Job) -> None:
    assert wrong.status == 1, wrong.log
    assert wrong.steps["Grade"] == "failure"
    assert scores(wrong)["linux/first-day"] == 100
    assert scores(wrong)["linux/web-service-down"] < 100


def test_junit_says_which_and_where(wrong: Job) -> None:
    found = suites(wrong)

    assert [int(found[name].get("failures")) > 0 for name in sorted(found)] == [False, True]
    failing = found["linux/web-service-down"]
    assert failing.get("file", "").startswith("fixes/linux/web-service-down")


def test_the_failure_is_annotated_on_the_fix(wrong: Job) -> None:
    lines = [line for line in wrong.log.splitlines() if line.startswith("::error")]

    assert lines
    assert all("file=fixes/linux/web-service-down/" in line for line in lines)


def test_what_a_fix_prints_commands_no_runner(wrong: Job) -> None:
    said = ("::error::all is well", "::stop-commands", "##vso[")

    assert not [line for line in wrong.log.splitlines() if line.lstrip().startswith(said)]


def test_the_script_grades_as_the_others_do(runtime: Any, wheel: Path, tmp_path: Path) -> None:
    seed = included(STUDENTS)["seed"]
    options = ["-i", str(wheel), "-s", seed, "-e", str(tmp_path / "kept"), "-c", COMMIT]

    job = shell(tmp_path, EXAMPLE, options, "linux/first-day")

    assert job.status == 0, job.log
    assert scores(job) == {"linux/first-day": 100}


def test_nothing_is_left_on_the_engine(right: Job, wrong: Job, runtime: Any) -> None:
    for job in (right, wrong):
        owned = labels.owned((job.home / "home-id").read_text().strip())
        machines = runtime.engine.api.containers(all=True, filters={"label": owned})

        assert [row["Names"] for row in machines if row["State"] == "running"] == []
