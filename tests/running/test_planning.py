"""What a call means, and what is said of one that means nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from sandbox.errors import UsageError
from sandbox.running.plan import Action, Copy, Fix, Pause, Reboot, Script


def described(actions: tuple[Action, ...]) -> list[tuple[str, str, str]]:
    return [(type(action).__name__, action.host, action.name) for action in actions]


# --- --fix ------------------------------------------------------------------------------------


def test_fixes_keep_their_order_and_folders_come_first(plans: Any, write: Any, subnet: Any) -> None:
    write("r.sh")
    write("pc.py", "print()\n")
    write("tools/a")
    [plan] = plans(
        subnet,
        fixes=["router=r.sh", "router=reboot", "desk-pc=pc.py", "desk-pc=tools"],
    )

    assert described(plan.fix.actions) == [
        ("Copy", "desk-pc", "tools"),
        ("Script", "router", "r.sh"),
        ("Reboot", "router", "reboot"),
        ("Script", "desk-pc", "pc.py"),
    ]
    assert plan.fix.shown == "r.sh"


def test_with_several_scenarios_a_fix_names_its_own(
    plans: Any, write: Any, first_day: Any, subnet: Any
) -> None:
    write("a.sh")
    made = plans(
        first_day,
        subnet,
        fixes=["first-day/desk=a.sh", "network/wrong-subnet/router=a.sh"],
    )

    assert [plan.fix.actions[0].host for plan in made] == ["desk", "router"]


@pytest.mark.parametrize(
    ("fix", "said"),
    [
        ("desk", "what runs where"),
        ("=a.sh", "what runs where"),
        ("dsk=a.sh", r"linux/first-day has no host dsk; did you mean 'desk'"),
        ("desk=missing.sh", r"missing\.sh: there is no such file"),
        ("other/desk=a.sh", "other is not among the scenarios of this run"),
    ],
)
def test_a_wrong_fix_is_named(plans: Any, write: Any, first_day: Any, fix: str, said: str) -> None:
    write("a.sh")

    with pytest.raises(UsageError, match=said):
        plans(first_day, fixes=[fix])


def test_which_scenario_must_be_said_when_there_are_two(
    plans: Any, write: Any, first_day: Any, subnet: Any
) -> None:
    write("a.sh")

    with pytest.raises(UsageError, match=r"which of linux/first-day, network/wrong-subnet\?"):
        plans(first_day, subnet, fixes=["desk=a.sh"])


def test_a_hidden_host_takes_no_fix(plans: Any, write: Any, subnet: Any) -> None:
    write("a.sh")
    hidden = next(name for name, host in subnet.settings.hosts.items() if host.hidden)

    with pytest.raises(UsageError, match=f"learners cannot log in to {hidden}"):
        plans(subnet, fixes=[f"{hidden}=a.sh"])


def test_a_script_with_jinja_braces_stays_as_it_is(plans: Any, write: Any, first_day: Any) -> None:
    write("a.sh", "echo {{ zone }}\n")
    [plan] = plans(first_day, fixes=["desk=a.sh"])

    [script] = plan.fix.actions
    assert isinstance(script, Script)
    assert script.program.data == b"echo {{ zone }}\n"


def test_nothing_is_graded_untouched_unless_asked_for(
    plans: Any, write: Any, first_day: Any, subnet: Any
) -> None:
    write("a.sh")
    with pytest.raises(UsageError, match=r"no fix for network/wrong-subnet") as caught:
        plans(first_day, subnet, fixes=["first-day/desk=a.sh"])
    assert "--untouched" in caught.value.hint

    made = plans(first_day, subnet, fixes=["first-day/desk=a.sh"], untouched=True)
    assert [len(plan.fix.actions) for plan in made] == [1, 0]


def test_a_playbook_needs_leave(plans: Any, write: Any, first_day: Any) -> None:
    write("site.yml", "- hosts: all\n")

    with pytest.raises(UsageError, match="could forge") as caught:
        plans(first_day, fixes=["desk=site.yml"])
    assert "--ansible" in caught.value.hint


def test_a_playbook_needs_ansible(
    plans: Any, write: Any, first_day: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("site.yml", "- hosts: all\n")
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(UsageError, match="needs ansible-playbook"):
        plans(first_day, fixes=["desk=site.yml"], ansible=True)


# --- --note -----------------------------------------------------------------------------------


def test_the_note_is_read_as_it_is(plans: Any, write: Any, first_day: Any) -> None:
    write("a.sh")
    write("n.md", "It was {{ fault }}.\n")
    [plan] = plans(first_day, fixes=["desk=a.sh"], notes=["n.md"])

    assert plan.fix.note == "It was {{ fault }}.\n"


def test_a_note_names_its_scenario(plans: Any, write: Any, first_day: Any, subnet: Any) -> None:
    write("a.sh")
    write("n.md", "words")
    made = plans(first_day, subnet, notes=["wrong-subnet=n.md"], untouched=True)

    assert [plan.fix.note for plan in made] == [None, "words"]


# --- --fixes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", ["fixes/network/wrong-subnet", "fixes/wrong-subnet"])
def test_a_folder_of_fixes_is_named_by_scenario_and_its_files_by_host(
    plans: Any, write: Any, subnet: Any, checkout: Path, folder: str
) -> None:
    for name in ("20-router.sh", "30-router.reboot", "10-desk-pc.sh", "files/data.txt"):
        write(f"{folder}/{name}")
    write(f"{folder}/README.md")
    write(f"{folder}/.gitkeep")
    write(f"{folder}/note.md", "words")
    [plan] = plans(subnet, folder=Path("fixes"))

    assert described(plan.fix.actions) == [
        ("Copy", "files", "files"),
        ("Script", "desk-pc", "10-desk-pc.sh"),
        ("Script", "router", "20-router.sh"),
        ("Reboot", "router", "reboot"),
    ]
    assert plan.fix.note == "words"
    assert plan.fix.shown == f"{folder}/10-desk-pc.sh"


def test_a_file_called_fix_is_for_the_host_that_learners_land_on(
    plans: Any, write: Any, first_day: Any
) -> None:
    write("fixes/first-day/fix.sh")
    [plan] = plans(first_day, folder=Path("fixes"))

    assert described(plan.fix.actions) == [("Script", "desk", "fix.sh")]


def test_a_file_that_names_no_host_is_not_passed_over(
    plans: Any, write: Any, first_day: Any
) -> None:
    write("fixes/first-day/dsek.sh")

    [plan] = plans(first_day, folder=Path("fixes"))

    assert plan.wrong
    assert re.search(r"dsek\.sh: is for which machine", plan.wrong.message)
    assert "linux/first-day has desk" in plan.wrong.hint
    assert plan.fix == Fix(shown="fixes/first-day/dsek.sh")


def test_what_is_wrong_with_one_fix_takes_no_other_with_it(
    plans: Any, write: Any, first_day: Any, subnet: Any
) -> None:
    write("fixes/first-day/desk.sh", "true\r\n")
    write("fixes/wrong-subnet/router.sh")
    wrong, right = plans(first_day, subnet, folder=Path("fixes"))

    assert "desk.sh:1: the line ends in CRLF" in wrong.wrong.message
    assert (wrong.fix.shown, wrong.fix.actions) == ("fixes/first-day/desk.sh", ())
    assert right.wrong is None
    assert described(right.fix.actions) == [("Script", "router", "router.sh")]


def test_a_script_that_no_machine_could_run_is_the_fixs_mistake_wherever_it_was_named(
    plans: Any, write: Any, first_day: Any
) -> None:
    write("a.sh", "true\r\n")
    [plan] = plans(first_day, fixes=["desk=a.sh"])

    assert "CRLF" in plan.wrong.message
    assert plan.fix.shown == "a.sh"


def test_scripts_run_in_the_order_of_their_numbers(plans: Any, write: Any, subnet: Any) -> None:
    for name in ("10-router.sh", "2-router.sh", "2-desk-pc.sh", "desk-pc.sh", "010-desk-pc.sh"):
        write(f"fixes/wrong-subnet/{name}")
    [plan] = plans(subnet, folder=Path("fixes"))

    assert [action.name for action in plan.fix.actions] == [
        "2-desk-pc.sh",
        "2-router.sh",
        "010-desk-pc.sh",
        "10-router.sh",
        "desk-pc.sh",
    ]


def test_an_option_wins_over_the_folder(plans: Any, write: Any, first_day: Any) -> None:
    write("fixes/first-day/desk.sh")
    write("mine.sh")
    [plan] = plans(first_day, folder=Path("fixes"), fixes=["desk=mine.sh"])

    assert described(plan.fix.actions) == [("Script", "desk", "mine.sh")]


def test_an_empty_folder_is_no_fix(plans: Any, write: Any, first_day: Any) -> None:
    write("fixes/first-day/note.md", "words")

    with pytest.raises(UsageError, match=r"no fix in fixes for linux/first-day"):
        plans(first_day, folder=Path("fixes"))


def test_a_folder_behind_a_link_that_leads_out_is_refused(
    plans: Any, checkout: Path, first_day: Any
) -> None:
    outside = checkout.parent / "outside"
    outside.mkdir()
    (outside / "desk.sh").write_text("true\n")
    (checkout / "fixes").mkdir()
    (checkout / "fixes" / "first-day").symlink_to(outside)
    [plan] = plans(first_day, folder=Path("fixes"))

    assert plan.wrong
    assert "leads out of" in plan.wrong.message


# --- solution.toml ----------------------------------------------------------------------------

SOLUTION = """\
title = "Mine"

[[steps]]
host = "router"
script = "r.sh"

[[steps]]
host = "router"
reboot = true
wait = 2.0

[[steps]]
host = "desk-pc"
script = "pc.sh"
via = "console"
"""


def test_a_solution_is_accepted_as_it_is(plans: Any, write: Any, subnet: Any) -> None:
    write("fixes/wrong-subnet/solution.toml", SOLUTION)
    write("fixes/wrong-subnet/r.sh")
    write("fixes/wrong-subnet/pc.sh")
    write("fixes/wrong-subnet/note.md", "words")
    [plan] = plans(subnet, folder=Path("fixes"))

    first, second, third, last = plan.fix.actions
    assert isinstance(first, Script)
    assert isinstance(second, Reboot)
    assert isinstance(third, Pause)
    assert third.seconds == 2.0
    assert isinstance(last, Script)
    assert last.via == "console"
    assert plan.fix.note == "words"
    assert plan.fix.shown == "fixes/wrong-subnet/r.sh"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (('"r.sh"', '"../../../secret.sh"'), r"solution\.toml:5: .*leads out of"),
        (('"r.sh"', '"/etc/passwd"'), r"solution\.toml:5: .*leads out of"),
        (('"r.sh"', '"r.sh.j2"'), r"solution\.toml:5: .*templates are rendered only"),
        (('"r.sh"', '"none.sh"'), r"solution\.toml:5: .*no such file"),
        (('"router"', '"ruter"'), r"solution\.toml:4: .*has no host ruter"),
        (("wait = 2.0", "wait = 1e9"), "between 0 and 600 seconds"),
        (("title", "titel"), "unknown key"),
    ],
)
def test_a_wrong_solution_is_named_by_line(
    plans: Any, write: Any, subnet: Any, changed: tuple[str, str], said: str
) -> None:
    write("fixes/wrong-subnet/solution.toml", SOLUTION.replace(*changed, 1))
    for name in ("r.sh", "r.sh.j2", "pc.sh"):
        write(f"fixes/wrong-subnet/{name}")
    write("../secret.sh")

    [plan] = plans(subnet, folder=Path("fixes"))

    assert plan.wrong
    assert re.search(said, plan.wrong.message)
    assert plan.fix.shown == "fixes/wrong-subnet/solution.toml"


def test_paths_in_reports_are_those_of_the_checkout(
    plans: Any, write: Any, first_day: Any, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_WORKSPACE", str(checkout.parent))
    write("a.sh")
    [plan] = plans(first_day, fixes=["desk=a.sh"])

    assert plan.fix.shown == "checkout/a.sh"


def test_a_file_outside_the_working_folder_is_taken_where_the_call_names_it(
    plans: Any, checkout: Path, first_day: Any
) -> None:
    (checkout.parent / "given.sh").write_text("true\n")
    [plan] = plans(first_day, fixes=["desk=../given.sh"])

    assert described(plan.fix.actions) == [("Script", "desk", "given.sh")]


def test_a_copied_folder_keeps_its_own_name(plans: Any, write: Any, first_day: Any) -> None:
    write("deep/tools/a")
    [plan] = plans(first_day, fixes=["desk=deep/tools/"])

    [copy] = plan.fix.actions
    assert isinstance(copy, Copy)
    assert copy.name == "tools"
