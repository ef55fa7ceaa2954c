"""What lint says about a scenario that is not ready to be proven."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox import lint
from sandbox.paths import ScenarioFiles

CONTENT = Path(__file__).parent / "data" / "content"
Change = Callable[["Draft"], object]


class Draft:
    """The sample scenario in a folder that a test may change."""

    def __init__(self, content: Path) -> None:
        self.files = ScenarioFiles(content, "linux/sample")

    def path(self, name: str) -> Path:
        return self.files.grader if name == "grader" else self.files.root / name

    def change(self, name: str, old: str, new: str) -> None:
        path = self.path(name)
        text = path.read_text()
        assert old in text, f"{name} has no {old!r}"
        path.write_text(text.replace(old, new))

    def add(self, name: str, text: str) -> None:
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text((path.read_text() if path.exists() else "") + text)

    def remove(self, name: str) -> None:
        path = self.path(name)
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.fixture
def draft(tmp_path: Path) -> Draft:
    return Draft(Path(shutil.copytree(CONTENT, tmp_path / "content")))


def changed(name: str, old: str, new: str) -> Change:
    return lambda draft: draft.change(name, old, new)


def added(name: str, text: str) -> Change:
    return lambda draft: draft.add(name, text)


def removed(*names: str) -> Change:
    return lambda draft: [draft.remove(name) for name in names]


def test_a_good_scenario_has_no_findings() -> None:
    assert lint.lint(ScenarioFiles(CONTENT, "linux/sample")) == []


SCENARIO = "scenario.toml"
LONELY = "\n[hosts.alone]\nhidden = true\n"
DISK = '\n[[hosts.web.volumes]]\npath = "/srv/small"\nsize = "8m"\n'

FINDINGS: list[tuple[str, Change, str]] = [
    # the folder and the company
    ("readable", changed(SCENARIO, "level = 1", "level = 9"), "level: expected int <= 4"),
    ("known-files", added("solution/a.txt", "x"), "solution: the engine does not read this"),
    ("known-files", added("hosts/wbe/etc/x", "x"), "hosts/wbe: the engine does not read this"),
    ("known-files", added("faults/wrong-root/wbe/x", "x"), "faults/wrong-root/wbe"),
    (
        "images",
        changed(SCENARIO, "[hosts.desk]", '[hosts.desk]\nimage = "moon"'),
        "no image 'moon'",
    ),
    ("line-ends", added("solutions/reference/b.sh", "#!/bin/sh\r\n"), "b.sh:1: a line ends with a"),
    ("company", changed("../../company/company.toml", '"cy.sand"', '"di.silt"'), "2 people are"),
    ("company", changed("../../company/company.toml", 'site = "hill"', 'site = "hil"'), "no site"),
    # machines
    (
        "wires-join",
        changed(SCENARIO, "[wires.lan]", '[wires.b]\nsubnet = "10.8.0.0/24"\n[wires.lan]'),
        "wires.b: it joins nothing alone",
    ),
    ("host-reachable", added(SCENARIO, LONELY), "hosts.alone: no wire leads here from web"),
    (
        "addresses",
        changed(SCENARIO, 'address = "{address}/24"', 'address = "10.7.8.4/24"'),
        "10.7.8.4 is not of the wire's 10.7.9.0/24",
    ),
    (
        "addresses",
        changed(SCENARIO, 'address = "{desk}"', 'address = "{address}"'),
        "is web's address, too",
    ),
    (
        "volume-keeper",
        lambda draft: (draft.add(SCENARIO, DISK), draft.change(SCENARIO, "hidden = true", "")),
        "hosts.web.volumes: no hidden host keeps this disk",
    ),
    ("overlays", added("hosts/web/usr/bin/tool", "x"), "nothing may be laid below /usr/bin"),
    ("overlays", added("faults/wrong-port/web/etc/x.j2", "{{ nothing }}"), "there is no 'nothing'"),
    ("overlays", added("hosts/web/files.toml", '\n[[files]]\npath = "x"\n'), "'x' is not absolute"),
    (
        "idle-rules",
        added("hosts/web/files.toml", '\n[[files]]\npath = "/srv/stie/**"\n'),
        "the rule for '/srv/stie/**' fits no file",
    ),
    # parameters
    ("draws", changed(SCENARIO, 'value = "{reporter.login}', 'value = "{reporter.logn}'), "'logn'"),
    (
        "draws",
        changed(SCENARIO, 'distinct_from = ["port"]', "low = 9\nhigh = 8"),
        "no port is left",
    ),
    (
        "unused-parameter",
        added(SCENARIO, '\n[parameters.idle]\ntype = "token"\n'),
        "parameters.idle: nothing uses it",
    ),
    (
        "unused-parameter",
        added(SCENARIO, '\n[faults.wrong-port.parameters.idle]\ntype = "mac"\n'),
        "faults.wrong-port.parameters.idle: nothing uses it",
    ),
    ("weights", changed(SCENARIO, "weight = 2", "weight = 0"), "there is one fault only"),
    ("clock", added("faults/wrong-root/web/etc/x.j2", "{{ now() }}"), "asks for the time of day"),
    # texts
    ("renders", added("debrief.md.j2", "{{ folder }}"), "there is no 'folder'"),
    (
        "renders",
        changed("hints.toml", "Look into /etc/site.", "{{ portt }}"),
        "faults.wrong-root.steps[0].text: there is no 'portt'; did you mean 'port'?",
    ),
    ("renders", changed("note.toml", "{{ folder }}", "{{ foldr }}"), "there is no 'foldr'"),
    ("renders", added("ticket.md.j2", "{{ password }}"), "'password' is secret"),
    ("ticket-length", added("ticket.md.j2", "line\n" * 30), "the ticket has 43 lines"),
    (
        "ticket-length",
        lambda draft: draft.path("ticket.md.j2").write_text("Help!\n"),
        "has 1 lines",
    ),
    ("forbidden-words", added("ticket.md.j2", "See the Root Directory."), "line 14 of the ticket"),
    ("ticket-keeps-the-secret", added("ticket.md.j2", "Wrong root?"), "the name of a fault"),
    ("ticket-keeps-the-secret", added("ticket.md.j2", "The site listens elsewhere."), "the title"),
    (
        "hints",
        changed(
            "hints.toml",
            '[[faults.wrong-root.steps]]\ntext = "Look into /etc/site."\ncost = 5\n',
            "",
        ),
        "the fault wrong-root has 1 hints of its own, not 2",
    ),
    ("hints", changed("hints.toml", "cost = 10", "cost = 3"), "the hints cost 0, 5, 3"),
    (
        "debrief-differs",
        lambda draft: draft.path("debrief.md.j2").write_text("It was broken.\n"),
        "the faults wrong-root and wrong-port have the same debrief",
    ),
    (
        "note-facts",
        changed("note.toml", 'fault = ["wrong-port"]\n', ""),
        "no fact is the fault wrong-port's own",
    ),
    ("note-facts", changed("note.toml", 'id = "verified"', 'id = "cause-root"'), "is there twice"),
    ("note-facts", changed("note.toml", '["check*|test*"]', "[]"), "verified accepts no wording"),
    # the grader
    ("grader", removed("grader"), "test_sample.py: there is no grader"),
    ("grader", added("grader", "def broken(:\n"), "not Python: "),
    (
        "grader",
        changed("grader", '"""sample: colleagues see the pebble list."""\n', ""),
        "docstring",
    ),
    (
        "grader",
        changed("grader", '"linux/sample"', '"linux/simple"'),
        "not marked as the grader of",
    ),
    (
        "grader-imports",
        changed("grader", "import pytest", "import json\nimport requests, pytest"),
        "it imports requests",
    ),
    (
        "grader-imports",
        changed("grader", "import pytest\n", "import pytest\nfrom . import x\n"),
        "it imports .",
    ),
    (
        "grader-clock",
        added("grader", "import datetime\nNOW = datetime.datetime.now()\n"),
        "datetime.datetime.now() is this computer's time",
    ),
    ("grader-points", changed("grader", "points=60", "points=50"), "the points sum to 90, not 100"),
    (
        "grader-points",
        changed("grader", "cap=40", "cap=100"),
        "page-kept: cap is not a number from",
    ),
    (
        "grader-tests",
        changed("grader", '@pytest.mark.guard("page-kept", cap=40)\n', ""),
        "test_page is not one check or one guard",
    ),
    ("grader-tests", changed("grader", '    """The page is as it was."""\n', ""), "no docstring"),
    (
        "grader-tests",
        changed(
            "grader",
            '@pytest.mark.guard("page-kept"',
            '@pytest.mark.skip\n@pytest.mark.guard("page-kept"',
        ),
        "skip is refused",
    ),
    ("grader-tests", changed("grader", '"page-kept"', '"list-shown"'), "'list-shown' is there 2"),
    (
        "grader-needs",
        changed("grader", 'needs="list-shown"', 'needs=["page-kept"]'),
        "starts-by-itself needs 'page-kept', which is no check",
    ),
    ("grader-needs", changed("grader", "within=5", 'needs="starts-by-itself"'), "needs itself"),
    # solutions and rejected cases
    (
        "solutions",
        removed("solutions/reference"),
        "the reference does not mend the fault wrong-root",
    ),
    ("solutions", removed("solutions/by-hand"), "there are 2 ways beside the reference, not 3"),
    (
        "solutions",
        lambda draft: [
            draft.change(
                f"solutions/{name}/solution.toml",
                '[[steps]]\nhost = "web"\nscript',
                'faults = ["wrong-root"]\n[[steps]]\nhost = "web"\nscript',
            )
            for name in ("by-hand", "drop-in", "other-file")
        ],
        "no way but the reference mends the fault wrong-port",
    ),
    (
        "cases",
        changed("solutions/by-hand/solution.toml", "title =", 'faults = ["wrong-rot"]\ntitle ='),
        "there is no fault 'wrong-rot'; did you mean 'wrong-root'?",
    ),
    (
        "cases",
        changed("solutions/by-hand/solution.toml", 'host = "web"', 'host = "desk"'),
        "steps[0].host: learners cannot log in to 'desk'",
    ),
    (
        "cases",
        changed("solutions/by-hand/solution.toml", "reboot = true", "reboot = false"),
        "steps[1]: the step does nothing",
    ),
    (
        "cases",
        changed("rejected/stand-in/solution.toml", "cheat.sh", "chaet.sh"),
        "steps[0].script: there is no file 'chaet.sh'; did you mean 'cheat.sh'?",
    ),
    ("cases", removed("solutions/by-hand/note.md.j2"), "by-hand/note.md.j2: the note is missing"),
    (
        "scripts",
        changed("solutions/by-hand/mend.sh.j2", "#!/bin/bash\n", ""),
        "by-hand/mend.sh.j2:1: the script does not say what runs it",
    ),
    ("scripts", added("solutions/by-hand/note.md.j2", "{{ folder }}"), "there is no 'folder'"),
    (
        "rejected",
        changed("rejected/stand-in/expect.toml", '"list-shown"', '"list-show"'),
        "fails: the grader has no check 'list-show'; did you mean 'list-shown'?",
    ),
    (
        "rejected",
        changed("rejected/page-edited/expect.toml", "guards", "fails"),
        "no check 'page-kept'",
    ),
    (
        "rejected",
        changed("rejected/page-edited/expect.toml", 'guards = ["page-kept"]', ""),
        "nothing is expected to go wrong",
    ),
    ("rejected", removed("rejected/page-edited"), "no case fails the guard 'page-kept'"),
]


@pytest.mark.parametrize(
    ("rule", "change", "message"), FINDINGS, ids=[f"{r}: {m[:40]}" for r, _, m in FINDINGS]
)
def test_a_mistake_is_found(draft: Draft, rule: str, change: Change, message: str) -> None:
    change(draft)

    found = lint.lint(draft.files, seeds=6)

    mine = [str(one) for one in found if one.rule == rule]
    assert [one for one in mine if message in one], "\n".join(map(str, found))


@pytest.mark.parametrize("rule", lint.rules)
def test_every_rule_has_a_case_and_a_description(rule: str) -> None:
    cases = {name for name, _, _ in FINDINGS} | {"id"}

    assert rule in cases
    assert lint.rules[rule].description.endswith(".")


def test_a_folders_name_is_lower_case_words(draft: Draft) -> None:
    root = draft.files.root
    root.rename(root.with_name("Sample_2"))

    found = lint.lint(ScenarioFiles(draft.files.content, "linux/Sample_2"), seeds=2)

    assert [one.message for one in found if one.rule == "id"] == [
        "'Sample_2' is no name for a folder"
    ]


def test_a_finding_names_file_line_key_and_cure(draft: Draft) -> None:
    draft.change("grader", "points=60", "points=50")

    (found,) = lint.lint(draft.files, seeds=2)

    assert (found.file, found.line) == ("graders/linux/test_sample.py", 15)
    assert found.hint == "50 + 40: share out 100"


def test_a_forbidden_word_of_one_seed_is_found_with_the_seed(draft: Draft) -> None:
    draft.add("ticket.md.j2", "{% if port % 50 == 7 %}root directory{% endif %}\n")

    found = lint.lint(draft.files)

    assert [one.rule for one in found] == ["forbidden-words"]
    assert "(seed lint" in found[0].message


def test_a_draft_is_spared_nothing(draft: Draft) -> None:
    draft.change(SCENARIO, "level = 1", 'level = 1\nstatus = "draft"')
    draft.change("grader", "points=60", "points=50")

    assert [one.rule for one in lint.lint(draft.files, seeds=2)] == ["grader-points"]


def test_a_build_task_may_have_one_fault(draft: Draft) -> None:
    draft.change(SCENARIO, "weight = 2", "weight = 0")
    draft.change("grader", "def test_unit(hosts)", "def test_unit(hosts, rng)")

    assert "weights" not in {one.rule for one in lint.lint(draft.files, seeds=2)}


def test_a_fresh_host_needs_no_wire(draft: Draft) -> None:
    draft.add(SCENARIO, "\n[hosts.bench]\nfresh = true\n")

    assert lint.lint(draft.files, seeds=2) == []


def test_ids_of_checks_and_guards_are_read_without_running_the_grader(draft: Draft) -> None:
    draft.add("grader", "\nraise SystemExit\n")

    assert lint.grader_ids(draft.files) == ["list-shown", "starts-by-itself", "page-kept"]
