"""The learner's commands: what they call, what they print, what they ask."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Call = Callable[..., Any]
ATTEMPT = "web-service-down-k7f2"


# --- list and show


def test_list_names_every_scenario(call: Call) -> None:
    answer = call("list")

    assert answer.code == 0
    assert "linux/web-service-down" in answer.out
    assert "linux/first-day" in answer.out
    assert answer.err == "next: internbox start linux/first-day\n"


def test_list_as_json_has_the_keys_that_others_rely_on(call: Call) -> None:
    rows = json.loads(call("list", "--format", "json").out)

    wanted = {"id", "title", "area", "level", "minutes", "hosts", "available", "why_not"}
    assert wanted <= set(rows[0])


def test_list_says_why_a_scenario_is_not_available(call: Call, labs: Any) -> None:
    import msgspec

    labs.rows = [
        msgspec.structs.replace(labs.rows[0], available=False, why_not="PowerShell is not here")
    ]
    answer = call("list")

    assert "The intranet does not open *" in answer.out
    assert "PowerShell is not here" in answer.err


def test_list_is_narrowed_by_a_word(call: Call) -> None:
    answer = call("list", "first")

    assert "linux/first-day" in answer.out
    assert "web-service-down" not in answer.out


def test_list_that_finds_nothing_says_so(call: Call) -> None:
    answer = call("list", "haskell")

    assert answer.out == ""
    assert "no scenario fits" in answer.err


def test_plain_rows_are_separated_by_tabs(call: Call) -> None:
    line = call("list", "--plain").out.splitlines()[1]

    assert line.split("\t") == ["linux/web-service-down", "The intranet does not open", "1", "35"]


def test_quiet_leaves_the_next_command_out(call: Call) -> None:
    assert call("list", "-q").err == ""


def test_show_describes_a_scenario(call: Call) -> None:
    answer = call("show", "linux/web-service-down")

    assert "Colleagues stand in the door." in answer.out
    assert "about 35 minutes" in answer.out


# --- start


def test_start_prints_the_ticket_and_the_way_in(call: Call, labs: Any) -> None:
    answer = call("start", "linux/web-service-down", "--seed", "abc")

    assert ("start", "linux/web-service-down", {"seed": "abc", "fault": None, "anchor": None}) in (
        labs.calls
    )
    assert answer.out.startswith("# The intranet is down")
    assert "for plain ssh, scp and editors: ssh -F /home/x/ssh_config web\n" in answer.err
    assert answer.err.endswith(f"next: internbox ssh {ATTEMPT}\n")


def test_start_as_json_is_one_object(call: Call) -> None:
    answer = json.loads(call("start", "linux/first-day", "--format", "json").out)

    keys = {"attempt", "scenario", "version", "seed", "hosts", "ssh_config"}
    assert keys <= set(answer)
    assert set(answer["hosts"][0]["ssh"]) == {"host", "port", "user", "identity"}
    assert answer["hosts"][1] == {"name": "desk", "hidden": True, "ssh": None}


def test_start_without_a_name_and_anybody_to_ask_says_what_to_type(call: Call, labs: Any) -> None:
    answer = call("start")

    assert answer.code == 2
    assert "internbox start linux/first-day" in answer.err
    assert labs.calls == []


def test_start_without_a_name_offers_the_first_day(
    call: Call, labs: Any, answering: Callable[[bool], None]
) -> None:
    answering(True)
    call("start")

    assert labs.calls[0][:2] == ("start", "linux/first-day")


def test_start_offers_to_stop_what_nobody_uses(
    call: Call, labs: Any, answering: Callable[[bool], None]
) -> None:
    answering(True)
    labs.unused = [labs.current]
    call("start", "linux/first-day")

    assert ("stop", [ATTEMPT], False) in labs.calls


def test_start_in_a_script_stops_nothing(call: Call, labs: Any) -> None:
    labs.unused = [labs.current]
    call("start", "linux/first-day")

    assert [name for name, *_ in labs.calls] == ["start", "ticket"]


# --- a folder of one's own


def test_a_foreign_folder_is_not_used_without_consent(
    call: Call, labs: Any, tmp_path: Path
) -> None:
    labs.folder = tmp_path
    answer = call("start", "a/b")

    assert answer.code == 2
    assert "Python that runs as you" in answer.err
    assert "--trust" in answer.err
    assert labs.calls == []


def test_consent_is_remembered(call: Call, labs: Any, tmp_path: Path) -> None:
    labs.folder = tmp_path
    call("start", "a/b", "--trust")
    answer = call("start", "a/b")

    assert answer.code == 0
    assert "not part of internbox" not in answer.err


def test_a_no_starts_nothing(
    call: Call, labs: Any, tmp_path: Path, answering: Callable[[bool], None]
) -> None:
    labs.folder = tmp_path
    answering(False)

    assert call("start", "a/b").code == 2
    assert labs.calls == []


# --- ticket, ssh, hints, debrief


def test_ticket_as_json(call: Call) -> None:
    answer = json.loads(call("ticket", "--format", "json").out)

    assert answer["attempt"] == ATTEMPT
    assert answer["ticket"].startswith("# The intranet")


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    done: list[list[str]] = []

    def run(arguments: list[str]) -> int:
        done.append(arguments)
        return 0

    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr("sandbox.cli.learner._run_in_the_terminal", run)
    return done


@pytest.mark.parametrize(
    ("names", "meant"),
    [
        ([], (None, None)),
        (["web"], (ATTEMPT, "web")),
        ([ATTEMPT], (ATTEMPT, None)),
        ([ATTEMPT, "web"], (ATTEMPT, "web")),
    ],
)
def test_ssh_takes_attempt_host_or_both(
    call: Call, labs: Any, executed: list[list[str]], names: list[str], meant: tuple[Any, ...]
) -> None:
    call("ssh", *names)

    assert labs.calls == [("ssh", *meant)]
    assert executed == [["ssh", "-F", "/home/x/ssh_config", meant[1] or "web"]]


def test_ssh_hands_a_command_on(call: Call, executed: list[list[str]]) -> None:
    call("ssh", "web", "--", "ls", "-la", "--color")

    assert executed[0][-3:] == ["ls", "-la", "--color"]


def fake_ssh(folder: Path, monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    """A program `ssh` that does something else."""
    program = folder / "ssh"
    program.write_text("\n".join(["#!/bin/sh", *lines]))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


@pytest.mark.parametrize(("names", "console"), [([], "web"), ([ATTEMPT, "web"], f"{ATTEMPT} web")])
def test_a_door_that_is_shut_has_another_beside_it(
    call: Call,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    names: list[str],
    console: str,
) -> None:
    fake_ssh(tmp_path, monkeypatch, "exit 255")
    answer = call("ssh", *names)

    assert answer.code == 255
    assert answer.err == f"next: internbox console {console}   (when SSH does not let you in)\n"


@pytest.mark.parametrize(("end", "code"), [("exit 3", 3), ("kill -TERM $$", 143)])
def test_a_commands_own_failure_is_handed_on(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str, code: int
) -> None:
    fake_ssh(tmp_path, monkeypatch, end)
    answer = call("ssh", "--", "false")

    assert answer.code == code
    assert answer.err == ""


def test_ctrl_c_is_for_what_ssh_runs(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_ssh(tmp_path, monkeypatch, "kill -INT $PPID", "sleep 0.2", "exit 5")

    assert call("ssh").code == 5


def test_without_a_client_ssh_says_what_to_install(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    answer = call("ssh")

    assert answer.code == 3
    assert "openssh-client" in answer.err


def test_a_hint_tells_what_it_cost(call: Call) -> None:
    answer = call("hint")

    assert "nginx -t" in answer.out
    assert "5 points, 1 left" in answer.err


def test_a_hint_that_is_declined_costs_nothing(
    call: Call, labs: Any, answering: Callable[[bool], None]
) -> None:
    answering(False)
    answer = call("hint")

    assert answer.code == 0
    assert "nothing was done" in answer.err
    assert labs.calls == []


def test_given_hints_are_shown_at_no_cost(call: Call, labs: Any) -> None:
    answer = call("hint", "--list")

    assert "Look at the service." in answer.out
    assert labs.calls == []


# --- ending


@pytest.mark.parametrize("command", ["stop", "reset", "give-up"])
def test_in_a_script_the_command_itself_is_the_yes(call: Call, labs: Any, command: str) -> None:
    answer = call(command)

    assert answer.code == 0
    assert labs.calls


def test_stop_takes_the_attempt_in_use(call: Call, labs: Any) -> None:
    answer = call("stop", "--yes", "--format", "json")

    assert labs.calls == [("stop", [ATTEMPT], False)]
    assert json.loads(answer.out) == {"stopped": [ATTEMPT]}


def test_stop_all(call: Call, labs: Any) -> None:
    call("stop", "--all", "--yes")

    assert labs.calls == [("stop", None, True)]


def test_giving_up_leads_to_the_debrief(call: Call, labs: Any) -> None:
    answer = call("give-up", "--yes")

    assert labs.calls == [("give_up", ATTEMPT)]
    assert f"next: internbox debrief {ATTEMPT}" in answer.err


def test_debrief_prints_markdown_in_a_pipe(call: Call) -> None:
    assert call("debrief").out == "# What it was\n\nA semicolon.\n"
