"""PowerShell where there is none: every script parses, and the grader of powershell-onboarding
accepts and refuses what a stand-in for the script leaves behind."""

from __future__ import annotations

import inspect
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import tree_sitter_powershell
from tree_sitter import Language, Node, Parser

from sandbox import rendering, scenarios, variants
from sandbox.grading.machine import Clock, Host
from sandbox.grading.results import HostAccess
from sandbox.models import Expectation, Solution
from sandbox.paths import ScenarioFiles, builtin_content
from sandbox.ssh import Result
from sandbox.variants.drbg import Drbg
from tests.scenarios_content import onboarding
from tests.scenarios_content.onboarding import Script

ID = "scripting/powershell-onboarding"
FAULTS = ("keep", "update")
ANCHOR = datetime(2026, 3, 4, 9, 30, tzinfo=UTC)
STUBS = {"false-pwsh": {"stub"}, "example-copied": {"example"}}
OUTSIDE = re.compile(r"(?<![\w./~-])/(srv|usr/local|usr/bin/pwsh|tmp/before)(?![\w-])")


@cache
def loaded() -> scenarios.Loaded:
    return scenarios.load(ScenarioFiles(builtin_content(), ID))


@cache
def drawn(fault: str, seed: str = "scripts") -> variants.Variant:
    return variants.draw(loaded(), seed=seed, anchor=ANCHOR, fault=fault)


def cases() -> dict[str, tuple[Solution, Expectation | None]]:
    """Solutions and rejected cases, by the folder's name within the scenario."""
    found: dict[str, tuple[Solution, Expectation | None]] = {
        f"solutions/{name}": (one, None) for name, one in scenarios.solutions(loaded()).items()
    }
    for name, (one, expected) in scenarios.rejected(loaded()).items():
        found[f"rejected/{name}"] = (one, expected)
    return found


CASES = cases()


def of_faults() -> list[tuple[str, str]]:
    """Each case with each fault that it is for."""
    return [
        (case, fault)
        for case, (solution, _) in CASES.items()
        for fault in FAULTS
        if "*" in solution.faults or fault in solution.faults
    ]


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


# --- two machines of a folder each, on which a stand-in runs for PowerShell -----------------------


class Local:
    """A link to a folder that is a machine's root: a host's commands run here, below it."""

    def __init__(self, root: Path, script: Script | None) -> None:
        self.root, self.script = root, script

    def run(
        self, command: str, *, stdin: bytes = b"", timeout: float = 30, limit: int = 1_000_000
    ) -> Result:
        if self.script and "/usr/bin/pwsh" in command:
            return self._powershell(command)
        line = OUTSIDE.sub(rf"{self.root}/\1", command)
        path = f"{self.root}/stubs:{os.environ['PATH']}"
        ran = subprocess.run(
            ["sh", "-c", line],
            input=stdin,
            capture_output=True,
            timeout=timeout,
            env={"PATH": path, "HOME": f"{self.root}/home", "LANG": "C.UTF-8"},
            cwd=self.root,
        )
        out, err = (self._inside(text) for text in (ran.stdout, ran.stderr))
        return Result(ran.returncode, out, err, truncated=False)

    def _powershell(self, command: str) -> Result:
        assert self.script
        inner = shlex.split(command)[-1]  # runuser -u … -- sh -c INNER
        words = shlex.split(OUTSIDE.sub(rf"{self.root}/\1", inner))
        words = words[words.index(f"{self.root}/usr/bin/pwsh") + 1 : words.index("<")]
        said = self.script.run(words)
        return Result(said.rc, said.stdout, said.stderr, truncated=False)

    def _inside(self, text: bytes) -> str:
        return text.decode(errors="replace").replace(str(self.root), "")

    def put(self, path: str, data: bytes, mode: int = 0o644) -> None:
        raise NotImplementedError("hosts write by commands")

    def close(self) -> None:
        """Nothing is open."""


def stub(folder: Path, name: str, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f"#!{text}\n")
    (folder / name).chmod(0o755)


class Machines:
    """`work` and `runner` of one variant, laid below a folder."""

    def __init__(self, folder: Path, fault: str, wrong: set[str], seed: str = "scripts") -> None:
        self.variant = drawn(fault, seed)
        self.roots = {name: folder / name for name in ("work", "runner")}
        for name, root in self.roots.items():
            own = rendering.Personality(name, "", "UTC")
            for file in rendering.layout(loaded(), self.variant, name, own).files:
                self._lay(root, file)
            stub(root / "stubs", "sudo", '/bin/sh\nexec "$@"')
            stub(root / "stubs", "chown", "/bin/sh")
            stub(root / "stubs", "runuser", '/bin/sh\nshift 3\nexec "$@"')
            for place in ("home", "tmp", "usr/local/bin"):
                (root / place).mkdir(parents=True, exist_ok=True)
            known = self.described(wrong, ["jq"] if name == "work" else [])
            (root / "variant.json").write_text(json.dumps(known))
            text = f"{sys.executable} -I\nimport runpy, sys\nsys.argv.insert(1, {str(root)!r} + "
            text += (
                f"'/variant.json')\nrunpy.run_path({onboarding.__file__!r}, run_name='__main__')"
            )
            stub(root / "usr/bin", "pwsh", text)
            (root / "stubs/pwsh").symlink_to(root / "usr/bin/pwsh")

    @staticmethod
    def _lay(root: Path, file: Any) -> None:
        path = root / file.path.lstrip("/")
        if not file.path.startswith("/srv/"):
            return
        if file.kind == "directory":
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.data)

    def described(self, wrong: set[str], programs: list[str]) -> dict[str, Any]:
        """What the stand-in knows of the variant."""
        values = self.variant.values
        example = self.roots["work"] / "srv/onboarding/example"
        names = ("accounts.json", "rejects.csv")
        return {
            **{name: values[name] for name in ("separator", "day_form", "digits", "longest")},
            "fault": self.variant.fault,
            "departments": loaded().company.departments,
            "domain": loaded().company.domain,
            "example": {name: (example / name).read_text() for name in names if example.is_dir()},
            "wrong": sorted(wrong),
            "programs": programs,
        }

    def work(self, case: str) -> None:
        """Does the steps of a case on `work`, as the proof does them on a machine."""
        solution, _ = CASES[case]
        folder = loaded().files.root / case
        link = Local(self.roots["work"], None)
        for step in solution.steps:
            text = rendering.script((folder / step.script).resolve(), loaded(), self.variant)
            script = self.roots["work"] / "step"
            script.write_text(OUTSIDE.sub(rf"{self.roots['work']}/\1", text))
            ran = link.run(f"bash {script}")
            assert ran.rc == 0, f"{step.script}: {ran.stdout}{ran.stderr}"

    def hosts(self, script: Script | None) -> dict[str, Host]:
        """As graders see them; without a `script`, PowerShell's stub is started for every run."""
        found = {}
        for name, root in self.roots.items():
            access = HostAccess(name=name, connect="", port=0, key="", host_key="")
            found[name] = Host(access, Clock(), 1.0)
            found[name]._link = Local(root, script if name == "runner" else None)
        return found


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
    assert complaints(script.read_text(encoding="utf-8") if script.exists() else "") == []
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
