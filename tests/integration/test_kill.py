"""A command that is killed at any moment loses nothing, leaves nothing and tells no lie."""

from __future__ import annotations

import sqlite3
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox import scratch, ssh, topology
from sandbox.attempts import Labs
from sandbox.errors import EngineError, MachineError, Unreachable
from sandbox.grading.results import Grade
from sandbox.runtime.base import MachineSpec
from tests.integration.conftest import FIRST_DAY, Internbox, Worked, eventually, owned

pytestmark = [pytest.mark.engine, pytest.mark.slow]

MOMENTS = 12  # kills, spread over the time that a command took just before


@pytest.fixture(scope="module")
def labs(internbox: Internbox) -> Iterator[Labs]:
    labs = internbox.labs()
    yield labs
    labs.store.close()


@pytest.fixture(scope="module")
def attempt(internbox: Internbox) -> str:
    """One on which the work is done, so that a grade waits for nothing."""
    started = internbox.json("start", FIRST_DAY)
    labs = internbox.labs()
    Worked(labs, started["attempt"]).mend()
    labs.store.close()
    return str(started["attempt"])


def timed(internbox: Internbox, *words: str) -> float:
    """How long the command takes when it is left alone."""
    begun = time.monotonic()
    internbox(*words)
    return time.monotonic() - begun


def killed(internbox: Internbox, seconds: float, *words: str) -> None:
    """The command, killed after `seconds` unless it has ended by then."""
    process = internbox.start(*words)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
    process.communicate()


def moments(whole: float, count: int = MOMENTS) -> list[float]:
    """Delays from the first tenth to the end of the time that a command takes."""
    return [whole * (0.1 + 0.95 * index / (count - 1)) for index in range(count)]


def assert_sound(internbox: Internbox, labs: Labs) -> None:
    """The database is whole, and every grade in it."""
    with sqlite3.connect(internbox.root / "internbox.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
        (half,) = database.execute(
            "SELECT count(*) FROM grades JOIN attempts ON attempts.id = attempt"
            " WHERE (SELECT count(*) FROM events WHERE events.attempt = grades.attempt"
            "        AND name = 'grade') != (SELECT count(*) FROM grades AS all_of"
            "        WHERE all_of.attempt = grades.attempt)"
        ).fetchone()
    assert half == 0, "a grade without its event, or an event without its grade"
    for row in labs.store.attempts():
        for kept in labs.store.grades(row.id):
            assert kept.body_as(Grade).checks
            assert kept.body_as(Grade).score == 100, "a kill made a grade worse"


def strays(labs: Labs) -> list[str]:
    """What is on the engine after gc, and no living attempt needs."""
    labs.gc()
    living = {row.id for row in labs.store.living()}
    scratches = [str(path) for path in scratch.abandoned()]
    helpers = [f"{one.role} {one.id}" for one in labs.runtime.machines() if one.role != "machine"]
    others = [name for name in owned(labs) if not any(one in name for one in living)]
    return scratches + helpers + others


def assert_nothing_strays(labs: Labs) -> None:
    """The engine goes on for a moment with what it was told by a command that is dead."""
    eventually("gc leaves nothing", lambda: not strays(labs), seconds=20)


def settled(labs: Labs, attempt: str) -> str:
    """The state that the attempt shows, once it is a true one: usable, or refused with a cure."""
    return str(eventually("its state is true", lambda: true_state(labs, attempt), seconds=60))


def true_state(labs: Labs, attempt: str) -> str:
    labs.status(memory=False)
    state = labs.attempt(attempt).state
    assert state in ("running", "interrupted", "stopped")
    try:
        if state == "interrupted":
            labs.check(attempt)
            return ""  # the engine was just restarting it
        if state == "running":
            use(labs, attempt)
    except Unreachable:
        return ""  # the engine is just removing it
    except (MachineError, EngineError) as refused:
        return state if "internbox reset" in refused.hint else f"without a cure: {refused}"
    return state


def use(labs: Labs, attempt: str) -> None:
    """Learner and grader come in by the keys and ports that are on record."""
    bringer, record = labs.machines(attempt)
    for host in record.visible():
        for endpoint in (
            topology.grader_endpoint(host, bringer.files.grader_key),
            topology.learner_endpoint(host, bringer.files.learner_key),
        ):
            with ssh.connect(endpoint, deadline=10) as link:
                assert link.run("true").rc == 0


def test_a_killed_start_leaves_nothing(internbox: Internbox, labs: Labs) -> None:
    whole = timed(internbox, "start", FIRST_DAY)
    labs.stop(everything=True)

    for number, seconds in enumerate(moments(whole)):
        killed(internbox, seconds, "start", FIRST_DAY)
        if number % 2:
            labs.status(memory=False)  # looked at before it is tidied, or not
        assert_nothing_strays(labs)
        assert_sound(internbox, labs)
        for row in labs.store.living():  # the kill came too late: it has started
            assert settled(labs, row.id) == "running"
            labs.stop([row.id])
        assert owned(labs) == [], f"killed after {seconds:.2f} of {whole:.2f} s"


@pytest.mark.parametrize("command", ["check", "grade"])
def test_a_killed_judgement_harms_nothing(
    internbox: Internbox, labs: Labs, attempt: str, command: str
) -> None:
    whole = timed(internbox, command, attempt)

    for seconds in moments(whole):
        killed(internbox, seconds, command, attempt)
        assert_sound(internbox, labs)
        assert_nothing_strays(labs)
        eventually("it is usable", lambda: true_state(labs, attempt) == "running", seconds=60)

    assert labs.grade(attempt).score == 100


def test_a_killed_reset_or_stop_is_either_done_or_interrupted(
    internbox: Internbox, labs: Labs, attempt: str
) -> None:
    kept = len(labs.store.grades(attempt))
    reset = timed(internbox, "reset", attempt, "--yes")
    stop = timed(internbox, "stop", attempt)
    delays = zip(moments(reset, 8), moments(stop, 8), strict=True)

    for number, (into_reset, into_stop) in enumerate(delays):
        killed(internbox, into_reset, "reset", attempt, "--yes")
        assert_sound(internbox, labs)
        if number % 2:
            settled(labs, attempt)
        assert_nothing_strays(labs)
        settled(labs, attempt)

        labs.reset(attempt)
        killed(internbox, into_stop, "stop", attempt)
        assert_sound(internbox, labs)
        assert_nothing_strays(labs)
        settled(labs, attempt)

    labs.stop([attempt])
    assert owned(labs) == []
    assert len(labs.store.grades(attempt)) >= kept, "a killed reset has lost grades"


def test_an_attempt_whose_machine_is_gone_is_never_graded(labs: Labs) -> None:
    attempt = labs.start(FIRST_DAY).id
    before = labs.store.grades(attempt)
    labs.runtime.remove(attempt)

    with pytest.raises(MachineError, match="interrupted"):
        labs.grade(attempt)

    assert labs.store.grades(attempt) == before
    assert labs.attempt(attempt).state == "interrupted"
    labs.stop([attempt])


def test_helpers_of_a_killed_grade_are_found_by_gc(labs: Labs) -> None:
    attempt = labs.start(FIRST_DAY).id
    _, record = labs.machines(attempt)
    helper = MachineSpec(
        attempt=attempt,
        scenario=FIRST_DAY,
        host="probe",
        image=next(iter(record.images.values())),
        hostname="probe",
        role="probe",
        hidden=True,
        init="none",
    )
    places = labs.runtime.place(attempt, FIRST_DAY, {"probe": False}, host="probe")
    made: Any = labs.runtime.create(helper, places)

    removed = labs.gc()

    assert [(one.kind, one.id) for one in removed] == [("container", made)]
    assert [one.role for one in labs.runtime.machines(attempt)] == ["machine"]
    labs.stop([attempt])
