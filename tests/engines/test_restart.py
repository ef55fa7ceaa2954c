"""An engine that goes away under an attempt: what was done is there once it is woken, or it is
known to be lost; it is never graded wrong."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

pytestmark = [pytest.mark.engine, pytest.mark.slow]

ALONE = "linux/first-day"  # one machine, which comes back by itself
RACK = "linux/ssh-lockout"  # two, which stay off until they are needed
DISKS = "linux/disk-full"  # a scenario whose machine has a small disk in memory
COME_BACK = {ALONE: "running", RACK: "asleep"}


@pytest.fixture
def student(second_engine: Any, learner: Any) -> Iterator[Any]:
    made = learner(second_engine.by_tls())
    yield made
    made.run("stop", "--all")


@pytest.fixture(params=[ALONE, RACK])
def scenario(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def mended(student: Any, scenario: str) -> str:
    """An attempt that would get all points."""
    attempt = str(student.start(scenario)["attempt"])
    student.mend(attempt)
    return attempt


def scores(student: Any) -> list[int | None]:
    """What the history has for each attempt."""
    return [row["score"] for row in student.told("history")]


@pytest.mark.parametrize("signal", ["TERM", "KILL"])
def test_an_attempt_comes_back_as_it_was(
    second_engine: Any, student: Any, scenario: str, mended: str, signal: str
) -> None:
    second_engine.end(signal)
    second_engine.start()
    state = student.status()[mended]["state"]
    grade = student.told("grade")

    assert state == COME_BACK[scenario]
    assert student.status()[mended]["state"] == "running"
    assert (grade["outcome"], grade["score"]) == ("passed", 100)
    assert grade["tampered"] == []


def test_to_log_in_wakes_the_machines(second_engine: Any, student: Any) -> None:
    attempt = str(student.start(RACK)["attempt"])
    student.mend(attempt)
    second_engine.end()
    second_engine.start()
    before = student.status()[attempt]["state"]

    done = student.run("ssh", attempt, "--", "hostname")

    assert (before, done.stdout) == ("asleep", "app\n")
    assert student.status()[attempt]["state"] == "running"


def test_without_the_engine_nothing_is_graded(
    second_engine: Any, student: Any, scenario: str, mended: str
) -> None:
    second_engine.end()
    refused = [student.run(word, code=3) for word in ("status", "check", "grade")]
    second_engine.start()

    for done in refused:
        assert "no Docker engine answers" in done.stderr
        assert "hint: " in done.stderr
    assert scores(student) == [None]
    assert student.status()[mended]["state"] == COME_BACK[scenario]


def checking(engine: Any) -> None:
    """Returns when the grader has logged in to a machine."""
    command = ["ss", "-Htn", "state", "established", "dst", engine.address, "dport", "!=", ":2376"]
    deadline = time.monotonic() + 60
    while not subprocess.run(command, capture_output=True, check=True).stdout:
        assert time.monotonic() < deadline, "no grader came"
        time.sleep(0.01)


def rebooting(engine: Any) -> None:
    """Returns when the engine begins to stop a machine."""
    with engine.runtime(engine.folder / "probe") as runtime:
        events = runtime.engine.api.events(filters={"event": "kill"}, decode=True)
        next(events)
        events.close()


def graded(student: Any, meanwhile: Callable[[], None]) -> subprocess.CompletedProcess[str]:
    """A grade, and what happens to the engine while it is taken."""
    with ThreadPoolExecutor(1) as pool:
        grading = pool.submit(student.run, "grade", code=None)
        meanwhile()
        done: subprocess.CompletedProcess[str] = grading.result()
    return done


@pytest.mark.parametrize("signal", ["TERM", "KILL"])
def test_a_reboot_that_it_breaks_costs_nothing(
    second_engine: Any, student: Any, scenario: str, mended: str, signal: str
) -> None:
    def meanwhile() -> None:
        rebooting(second_engine)
        second_engine.end(signal)
        second_engine.start()

    done = graded(student, meanwhile)

    assert (done.returncode, scores(student)) in [(3, [None]), (0, [100])], done.stdout
    assert student.status()[mended]["state"] == COME_BACK[scenario]


def test_a_machine_that_it_took_away_fails_no_check(second_engine: Any, student: Any) -> None:
    student.start(RACK)

    def meanwhile() -> None:
        checking(second_engine)  # they wait for what is not mended, and find the machine gone
        second_engine.end()
        second_engine.start()

    done = graded(student, meanwhile)

    assert (done.returncode, scores(student)) in [(3, [None]), (1, [0])], done.stdout
    assert "no longer answers" not in done.stdout


def test_without_a_reboot_there_is_no_grade(second_engine: Any, student: Any, mended: str) -> None:
    def meanwhile() -> None:
        checking(second_engine)
        second_engine.end("KILL")  # the machines stay up

    done = graded(student, meanwhile)
    second_engine.start()

    assert (done.returncode, scores(student)) == (3, [None]), done.stdout
    assert student.told("grade")["score"] == 100


@pytest.fixture
def emptied(second_engine: Any, student: Any) -> str:
    """An attempt whose disk was lost with the engine's restart."""
    attempt = str(student.start(DISKS)["attempt"])
    second_engine.end()
    second_engine.start()
    return attempt


def test_a_lost_disk_interrupts_the_attempt_until_it_is_reset(student: Any, emptied: str) -> None:
    refused = student.run("grade", code=3)
    lost = student.status()[emptied]["state"]
    student.run("reset", emptied)

    assert f"{emptied} was interrupted" in refused.stderr
    assert f"hint: internbox reset {emptied}" in refused.stderr
    assert scores(student) == [None]
    assert lost == "interrupted"
    assert student.status()[emptied]["state"] == "running"
