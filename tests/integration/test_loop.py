"""A student's way through the first day: every command, on real machines, in its order."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest

from sandbox import rendering, scenarios
from sandbox.steps import Console
from tests.integration.conftest import FIRST_DAY, Internbox, eventually, keys, owned

pytestmark = [pytest.mark.engine, pytest.mark.slow]

JUDGED = "attempt scenario seed outcome score max checks guards hints_cost note tampered"
CHECK = "id title points earned before after message"


@pytest.fixture(scope="module")
def started(internbox: Internbox) -> Any:
    """What `start --format json` printed."""
    return internbox.json("start", FIRST_DAY, "--seed", "loop")


@pytest.fixture(scope="module")
def ssh(started: Any) -> list[str]:
    """The system's own client, as the answer says."""
    return ["ssh", "-F", started["ssh_config"], started["learner_host"]]


@pytest.fixture(scope="module")
def mended(internbox: Internbox, started: Any, ssh: list[str]) -> Any:
    """The reference solution, typed into a plain ssh session."""
    labs = internbox.labs()
    bringer, _ = labs.machines(started["attempt"])
    folder = bringer.loaded.files.solution("reference")
    for step in scenarios.solutions(bringer.loaded)["reference"].steps:
        script = rendering.script(folder / step.script, bringer.loaded, bringer.variant)
        done = subprocess.run([*ssh, "bash -s"], input=script, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    note = rendering.script(folder / "note.md.j2", bringer.loaded, bringer.variant)
    labs.store.close()
    return note


@pytest.fixture(scope="module")
def graded(internbox: Internbox, mended: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What `grade --format json` printed, and the JUnit file it wrote."""
    report = tmp_path_factory.mktemp("reports") / "junit.xml"
    internbox("note", "-m", mended)
    return internbox.json("grade", "--junit", str(report)), report


def test_a_start_says_how_to_log_in(started: Any) -> None:
    (host,) = started["hosts"]

    assert keys(started, "attempt scenario version seed hosts ssh_config")
    assert (started["scenario"], started["seed"]) == (FIRST_DAY, "loop")
    assert keys(host, "name hidden ssh")
    assert keys(host["ssh"], "host port user identity")
    assert Path(host["ssh"]["identity"]).stat().st_mode & 0o077 == 0


def test_the_ticket_can_be_read_again(internbox: Internbox, started: Any) -> None:
    ticket = internbox("ticket").stdout

    assert len(ticket.splitlines()) >= 10


def test_the_systems_ssh_logs_in_as_intern_with_sudo(ssh: list[str]) -> None:
    done = subprocess.run([*ssh, "id -un; sudo id -un"], capture_output=True, text=True)

    assert done.stdout.split() == ["intern", "root"], done.stderr
    assert done.stderr == ""


def test_internbox_ssh_runs_a_command_and_hands_on_its_status(
    internbox: Internbox, started: Any
) -> None:
    done = internbox("ssh", "--", "echo it works; exit 7", exit_code=7)

    assert done.stdout == "it works\n"


def test_scp_copies_there_and_back(started: Any, ssh: list[str], tmp_path: Path) -> None:
    there, back = tmp_path / "there", tmp_path / "back"
    there.write_bytes(bytes(range(256)) * 4096)
    remote = f"{ssh[-1]}:/tmp/copied"

    for ends in ([str(there), remote], [remote, str(back)]):
        subprocess.run(["scp", "-q", "-F", started["ssh_config"], *ends], check=True, timeout=60)

    assert back.read_bytes() == there.read_bytes()


def test_an_untouched_machine_is_checked_with_exit_code_1(
    internbox: Internbox, started: Any
) -> None:
    grade = internbox.json("check", exit_code=1)

    assert keys(grade, JUDGED)
    assert (grade["outcome"], grade["score"], grade["max"]) == ("failed", 0, 100)
    assert all(check["message"] for check in grade["checks"])


def test_the_debrief_stays_closed_until_the_grade(internbox: Internbox, started: Any) -> None:
    said = internbox("debrief", exit_code=2).stderr

    assert "hint: internbox grade" in said


def test_the_first_hint_costs_nothing(internbox: Internbox, started: Any) -> None:
    given = internbox.json("hint")

    assert (given["cost"], given["step"]) == (0, 1)
    assert given["text"] in internbox("hint", "--list").stdout


def test_a_mended_machine_is_checked_with_exit_code_0(internbox: Internbox, mended: str) -> None:
    grade = internbox.json("check")

    assert grade["score"] == 100
    assert {check["after"] for check in grade["checks"]} == {None}


def test_a_grade_is_of_before_and_after_the_reboot(graded: Any) -> None:
    grade, _ = graded

    assert keys(grade, JUDGED)
    assert (grade["outcome"], grade["score"], grade["tampered"]) == ("passed", 100, [])
    assert all(keys(check, CHECK) for check in grade["checks"])
    assert {(check["before"], check["after"]) for check in grade["checks"]} == {(True, True)}
    assert all(keys(guard, "id cap held message") for guard in grade["guards"])
    assert keys(grade["note"], "facts missing")
    assert grade["note"]["accepted"]


def test_the_junit_report_says_the_same(graded: Any) -> None:
    grade, report = graded
    suite = Xml.parse(report).getroot().find("testsuite")

    assert suite is not None
    assert suite.get("failures") == "0"
    assert suite.get("tests") == str(len(grade["checks"]) + len(grade["guards"]))


def test_the_debrief_opens_after_the_grade(internbox: Internbox, graded: Any) -> None:
    assert internbox("debrief").stdout.strip()


def test_the_machine_works_on_after_the_grade(graded: Any, ssh: list[str]) -> None:
    done = subprocess.run([*ssh, "systemctl is-active print-log"], capture_output=True, text=True)

    assert done.stdout == "active\n"


def test_what_is_graded_from_then_on_says_that_it_was_read(
    internbox: Internbox, graded: Any
) -> None:
    internbox("debrief")

    assert graded[0]["debrief_read"] is False
    assert internbox.json("check")["debrief_read"] is True


def test_history_has_the_grade(internbox: Internbox, started: Any, graded: Any) -> None:
    (row,) = [one for one in internbox.json("history") if one["attempt"] == started["attempt"]]

    assert (row["outcome"], row["score"], row["hints"]) == ("passed", 100, 1)


def test_two_commands_on_one_attempt_do_not_mix(
    internbox: Internbox, started: Any, graded: Any
) -> None:
    grading = internbox.start("grade", started["attempt"])
    labs = internbox.labs()
    try:
        eventually("the grade has begun", lambda: labs.attempt().state == "grading")
        said = internbox("reset", started["attempt"], "--yes", exit_code=3).stderr
    finally:
        grading.communicate(timeout=120)
        labs.store.close()

    assert "another command works on" in said
    assert grading.returncode == 0


def test_a_reset_is_the_same_variant_clean_again(
    internbox: Internbox, started: Any, graded: Any
) -> None:
    ticket = internbox("ticket").stdout
    again = internbox.json("reset", "--yes")

    assert (again["attempt"], again["seed"]) == (started["attempt"], started["seed"])
    assert internbox("ticket").stdout == ticket
    assert internbox.json("check", exit_code=1)["score"] == 0
    assert internbox("ssh", "--", "ls /tmp/copied", exit_code=2).stdout == ""


def test_hints_and_grades_outlive_a_reset(internbox: Internbox, started: Any, graded: Any) -> None:
    (row,) = [one for one in internbox.json("history") if one["attempt"] == started["attempt"]]

    assert (row["outcome"], row["hints"]) == ("passed", 1)


def test_the_console_asks_for_a_login_and_takes_the_password(
    internbox: Internbox, started: Any
) -> None:
    labs = internbox.labs()
    stream, password = labs.console(started["attempt"], None)
    console = Console(stream)
    try:
        console.log_in("intern", password)
        console.type("echo $((6 * 7)) $(id -un)")
        assert console.expect(r"(42 \w+)", 10) == "42 intern"
        console.type("exit")
    finally:
        stream.close()
        labs.store.close()


def test_two_starts_at_once_get_machines_of_their_own(internbox: Internbox) -> None:
    running = [internbox.start("start", FIRST_DAY, "--format", "json") for _ in range(2)]
    ended = [process.communicate(timeout=120) for process in running]
    assert [process.returncode for process in running] == [0, 0], ended
    one, other = (json.loads(out) for out, _ in ended)

    assert one["attempt"] != other["attempt"]
    assert one["hosts"][0]["ssh"]["port"] != other["hosts"][0]["ssh"]["port"]
    for attempt in one, other:
        internbox("ssh", attempt["attempt"], "--", "true")
    assert internbox.json("stop", one["attempt"], other["attempt"])["stopped"]


def test_a_stopped_attempt_leaves_nothing_on_the_engine(internbox: Internbox, started: Any) -> None:
    stopped = internbox.json("stop", started["attempt"])["stopped"]
    labs = internbox.labs()

    assert stopped == [started["attempt"]]
    assert owned(labs) == []
    assert internbox.json("status") == []
    assert internbox.json("gc") == {"removed": []}
    labs.store.close()


@pytest.mark.parametrize("command", ["check", "grade", "ssh", "hint", "give-up"])
def test_a_stopped_attempt_is_refused_with_a_cure(
    internbox: Internbox, started: Any, command: str
) -> None:
    said = internbox(command, started["attempt"], exit_code=2).stderr

    assert "has ended (stopped)" in said
    assert f"hint: internbox reset {started['attempt']}" in said


def test_an_unknown_scenario_is_told_a_near_name(internbox: Internbox) -> None:
    said = internbox("start", "linux/frist-day", exit_code=2).stderr

    assert "linux/first-day" in said
