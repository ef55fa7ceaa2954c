"""PowerShell where there is none: every script parses, and the grader of powershell-onboarding
accepts and refuses what a stand-in for the script leaves behind."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import tree_sitter_powershell
from tree_sitter import Language, Node, Parser

from sandbox import rendering
from sandbox.grading.machine import Host
from sandbox.paths import builtin_content
from sandbox.variants.drbg import Drbg
from tests.scenarios_content import onboarding
from tests.scenarios_content.folders import (
    ANCHOR,
    CASES,
    FAULTS,
    ID,
    Machines,
    drawn,
    loaded,
    of_faults,
)
from tests.scenarios_content.onboarding import Script

STUBS = {"false-pwsh": {"stub"}, "example-copied": {"example"}}


# --- every script parses ------------------------------------------------------------------------


def complaints(script: str) -> list[str]:
    """What the grammar does not understand, by line."""
    tree = Parser(Language(tree_sitter_powershell.language())).parse(script.encode())
    return [_shown(node) for node in _walk(tree.root_node) if node.is_error or node.is_missing]


def _walk(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from _walk(child)


def _shown(node: Node) -> str:
    text = (node.text or b"").decode().splitlines() or [""]
    return f"line {node.start_point.row + 1}: {node.type} {text[0][:60]}"


def test_the_grammar_sees_mistakes() -> None:
    assert complaints("if ($a { 'b' }\n")
    assert not complaints("if ($a) { 'b' }\n")


def powershell_files() -> list[Path]:
    roots = [builtin_content() / name for name in ("scenarios", "images", "graders")]
    return [path for root in roots for path in sorted(root.rglob("*.ps1*"))]


def test_there_are_powershell_files() -> None:
    assert powershell_files()


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("path", powershell_files(), ids=lambda path: path.name)
def test_every_powershell_file_parses(path: Path, fault: str) -> None:
    assert complaints(rendering.script(path, loaded(), drawn(fault))) == []


# --- the grader on them ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Statement:
    """A check or guard of the grader."""

    kind: str
    needs: str
    function: Callable[..., None]


class Marks:
    """`pytest.mark` for a grader: these tests' own pytest does not know its markers."""

    def __init__(self) -> None:
        self.statements: dict[str, Statement] = {}

    def __getattr__(self, kind: str) -> Callable[..., Any]:
        def mark(name: str, *, needs: str = "", **_: Any) -> Callable[..., Any]:
            def note(function: Callable[..., None]) -> Callable[..., None]:
                self.statements[name] = Statement(kind, needs, function)
                return function

            return note

        return mark


@cache
def imported() -> tuple[ModuleType, dict[str, Statement]]:
    """The grader, and its statements in its order."""
    marks = Marks()
    module = ModuleType("onboarding_grader")
    with pytest.MonkeyPatch.context() as patch:
        own = SimpleNamespace(mark=marks, fixture=lambda function: function)
        patch.setitem(sys.modules, "pytest", own)
        exec(compile(loaded().files.grader.read_text(), "grader", "exec"), vars(module))
    return module, marks.statements


def grader() -> Any:
    return imported()[0]


def statements() -> dict[str, Statement]:
    return imported()[1]


def graded(
    machines: Machines, hosts: dict[str, Host], salt: str
) -> tuple[dict[str, str], set[str]]:
    """What fails, with its message, and which guards are broken."""
    rng = Drbg(salt.encode(), ID)
    values = machines.variant.values
    known = {"rng": rng, "params": values, "company": loaded().company, "hosts": hosts}
    known |= {"anchor": machines.variant.anchor, "fault": machines.variant.fault}
    known["hr"] = grader().HR(rng, values, loaded().company, ANCHOR, machines.variant.fault)
    failed: dict[str, str] = {}
    broken = set()
    for name, one in statements().items():
        wanted = inspect.signature(one.function).parameters
        try:
            one.function(**{name: known[name] for name in wanted})
        except AssertionError as error:
            if one.kind == "guard":
                broken.add(name)
            else:
                failed[name] = str(error)
        if one.needs in failed:
            failed.setdefault(name, f"needs {one.needs}")
    return failed, broken


def mistakes(case: str) -> set[str]:
    """What the stand-in does wrong for a case: the rejected ones are called after it."""
    kind, _, name = case.partition("/")
    return STUBS.get(name, {name}) if kind == "rejected" else set()


@pytest.mark.parametrize("fault", FAULTS)
def test_untouched_earns_nothing_and_breaks_nothing(tmp_path: Path, fault: str) -> None:
    machines = Machines(tmp_path, fault, set())
    failed, broken = graded(machines, machines.hosts(None), "sample")
    assert failed.keys() == {name for name, one in statements().items() if one.kind == "check"}
    assert broken == set()


@pytest.mark.parametrize(("case", "fault"), of_faults())
def test_a_case_leaves_a_script_that_parses_and_gets_what_it_must(
    tmp_path: Path, case: str, fault: str
) -> None:
    wrong = mistakes(case)
    machines = Machines(tmp_path, fault, wrong, seed=case)
    machines.work(case)
    script = machines.roots["work"] / machines.variant.values["script"].lstrip("/")
    assert script.exists() == (case != "rejected/typed-in")
    if script.exists():
        assert complaints(script.read_text(encoding="utf-8")) == []
    hosts = machines.hosts(Script(machines.described(wrong, []), wrong))
    failed, broken = graded(machines, hosts, salt=case)
    expected = CASES[case][1]
    assert failed.keys() == set(expected.fails if expected else ()), failed
    assert broken == set(expected.guards if expected else ())


@pytest.mark.parametrize("fault", FAULTS)
def test_the_graders_commands_are_a_shells(tmp_path: Path, fault: str) -> None:
    machines = Machines(tmp_path, fault, set())
    machines.work("solutions/reference")
    assert graded(machines, machines.hosts(None), "real") == ({}, set())


@pytest.mark.parametrize("salt", [f"salt{number}" for number in range(6)])
@pytest.mark.parametrize("fault", FAULTS)
def test_right_work_passes_whatever_is_drawn(tmp_path: Path, fault: str, salt: str) -> None:
    machines = Machines(tmp_path, fault, set(), seed=salt)
    machines.work("solutions/reference")
    hosts = machines.hosts(Script(machines.described(set(), []), set()))
    assert graded(machines, hosts, salt) == ({}, set())


def test_no_rejected_case_is_left_out() -> None:
    text = Path(onboarding.__file__).read_text()
    named = {case.partition("/")[2] for case in CASES if case.startswith("rejected/")}
    elsewhere = STUBS.keys() | {"no-help", "not-run-today", "typed-in", "list-corrected"}
    unknown = {name for name in named - elsewhere if f'"{name}"' not in text}
    assert unknown == {"colleague-renamed"}


# --- what the grader takes for the same, and what it does not -------------------------------------


ANNA = {
    "staffNumber": "00071",
    "userName": "anna.berg",
    "displayName": "Ána Berg",
    "groups": ["staff", "hr"],
}


def test_the_order_of_accounts_and_fields_does_not_matter() -> None:
    other = ANNA | {"staffNumber": "00072"}
    text = json.dumps([dict(reversed(other.items())), ANNA])
    grader().same_accounts(text, {"00071": ANNA, "00072": other}, "x")


def test_a_mark_and_an_accent_apart_do_not_matter() -> None:
    text = "\ufeff" + json.dumps([ANNA | {"displayName": "A\u0301na Berg"}], ensure_ascii=False)
    grader().same_accounts(text, {"00071": ANNA}, "x")


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ("", "not an array of accounts"),
        (json.dumps(ANNA), "not an array of accounts"),
        ("[1]", "not an array of accounts"),
        ("[]", "has no account"),
        (json.dumps([ANNA, ANNA]), "is there 2 times"),
        (json.dumps([ANNA | {"staffNumber": 71}]), "is not a text"),
        (json.dumps([ANNA, ANNA | {"staffNumber": "1"}]), "should have no account"),
        (json.dumps([ANNA | {"userName": "Anna.Berg"}]), "userName is"),
        (json.dumps([ANNA | {"groups": "staff hr"}]), "groups is"),
        (json.dumps([{"staffNumber": "00071"}]), "has no userName"),
    ],
)
def test_wrong_accounts_are_refused(found: str, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        grader().same_accounts(found, {"00071": ANNA}, "x")


HEADINGS = ["Staff number", "First name", "Last name", "Reason"]
KIM = ({"Staff number": "02104", "First name": "Kim", "Last name": ""}, "missing")


def test_blanks_in_refused_rows_do_not_matter() -> None:
    grader().same_rejects([HEADINGS, [" 02104", "Kim\u00a0", "", "missing"]], [KIM], "x")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "is not in rejects.csv"),
        ([HEADINGS], "is not in rejects.csv"),
        ([HEADINGS, ["02104", "Kim", "", "name"]], "Reason is “name”, not “missing”"),
        ([HEADINGS, ["02105", "Kim", "", "missing"]], "Staff number is “02105”"),
        ([HEADINGS[2:], ["", "missing"]], "Staff number is “”"),
        ([["Reason", *HEADINGS[:3]], ["missing", "02104", "Kim", ""]], "last column"),
        ([HEADINGS, *[["02104", "Kim", "", "missing"]] * 2], "rows too many"),
    ],
)
def test_wrong_rejects_are_refused(lines: list[list[str]], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        grader().same_rejects(lines, [KIM], "x")


# --- what learners are given ----------------------------------------------------------------------


@pytest.mark.parametrize("fault", FAULTS)
def test_the_example_is_right(tmp_path: Path, fault: str) -> None:
    machines = Machines(tmp_path, fault, set())
    folder = machines.roots["work"] / "srv/onboarding/example"
    variant = machines.variant
    hr = grader().HR(Drbg(b"x", ID), variant.values, loaded().company, ANCHOR, fault)
    headings, *lines = hr.read((folder / "starters.csv").read_text())
    rows = [dict(zip(headings, line, strict=True)) for line in lines]
    wanted = hr.outcome(rows, json.loads((folder / "accounts-before.json").read_text()))
    grader().same_accounts((folder / "accounts.json").read_text(), wanted.accounts, "x")
    grader().same_rejects(hr.read((folder / "rejects.csv").read_text()), wanted.rejects, "x")


@pytest.mark.parametrize("place", ["inbox/starters.csv.j2", "accounts/accounts.json.j2"])
def test_both_machines_have_the_same_lists(place: str) -> None:
    found = {
        (loaded().files.root / "hosts" / host / "srv/onboarding" / place).read_bytes()
        for host in ("work", "runner")
    }
    assert len(found) == 1
