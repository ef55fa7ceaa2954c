"""A grade as JUnit XML, JSON, Markdown and text."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import reports
from sandbox.errors import UsageError
from sandbox.grading.results import CheckResult, Grade, GuardResult, Missing, NoteResult


def check(id: str, *, earned: int = 60, before: bool = True, message: str = "") -> CheckResult:
    return CheckResult(
        id=id,
        title=f"The {id} answers",
        points=60,
        earned=earned,
        before=before,
        after=bool(earned),
        message=message,
        seconds=0.25,
    )


def grade(**more: Any) -> Grade:
    failing = check("wiki", earned=0, message="it was not made permanent")
    settings: dict[str, Any] = {
        "attempt": "a1b2",
        "scenario": "linux/web-service-down",
        "seed": "abcdefgh",
        "version": 3,
        "content_hash": "0123456789abcdef",
        "kind": "grade",
        "outcome": "failed",
        "score": 55,
        "max": 120,
        "counts": 55,
        "checks": [check("page"), failing],
        "guards": [
            GuardResult(id="mail", title="Mail still works", cap=40, held=False, message="no mail"),
            GuardResult(id="dns", title="Names still resolve", cap=40, held=True),
        ],
        "hints_cost": 5,
        "note": NoteResult(accepted=False, missing=[Missing("cause", "what was wrong")]),
        "graded_at": "2026-03-04T09:30:00+00:00",
        "seconds": 4.5,
    }
    return Grade(**(settings | more))


NASTY = '\x1b[31m<b>&"\x00\ud800\u202e]]> | `x` @anna =1+1\n# no'
nasty_grade = grade(
    checks=[check(NASTY, earned=0, message=NASTY)],
    tampered=[NASTY],
    lost={"web": NASTY},
    note=NoteResult(accepted=False, missing=[Missing("cause", NASTY)], problems=[NASTY]),
    outcome="tampered",
)

# --- JUnit --------------------------------------------------------------------------------------

# The structure of xunit1, as Jenkins' junit-10.xsd has it: attributes (required ones with *), and
# children in their order with how often they may stand.
STRUCTURE: dict[str, tuple[str, str]] = {
    "testsuites": ("name time tests failures errors disabled", "testsuite*"),
    "testsuite": (
        "name* tests* failures errors skipped time timestamp hostname id package file log url",
        "properties? testcase* system-out? system-err?",
    ),
    "properties": ("", "property*"),
    "property": ("name* value*", ""),
    "testcase": ("name* classname* time status assertions file line group", "failure?"),
    "failure": ("message type", ""),
}
INSTANT = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$")


def validate(element: Xml.Element) -> None:
    attributes, children = STRUCTURE[element.tag]
    known = {name.rstrip("*"): name.endswith("*") for name in attributes.split()}
    assert set(element.attrib) <= set(known), element.attrib
    assert all(name in element.attrib for name, required in known.items() if required)
    order = re.compile("".join(f"({re.escape(c[:-1])} ){c[-1]}" for c in children.split()))
    assert order.fullmatch("".join(f"{child.tag} " for child in element))
    for child in element:
        validate(child)


@pytest.mark.parametrize("one", [grade(), nasty_grade, grade(kind="check", note=None, guards=[])])
def test_junit_has_the_structure_of_xunit1(one: Grade) -> None:
    root = Xml.fromstring(reports.render(one, "junit"))
    assert root.tag == "testsuites"
    validate(root)
    [suite] = root
    cases = suite.findall("testcase")
    assert int(suite.attrib["tests"]) == len(cases)
    assert int(suite.attrib["failures"]) == sum(case.find("failure") is not None for case in cases)
    assert INSTANT.match(suite.attrib["timestamp"])
    assert all(float(case.attrib["time"]) >= 0 for case in cases)


def test_junit_has_a_case_for_each_check_and_guard() -> None:
    root = Xml.fromstring(reports.render(grade(), "junit"))
    seen = {
        case.attrib["name"]: failure.attrib["message"] if failure is not None else None
        for case in root.iter("testcase")
        for failure in [case.find("failure")]
    }
    assert seen == {
        "The page answers": None,
        "The wiki answers": "it was not made permanent",
        "Mail still works": "no mail",
        "Names still resolve": None,
    }
    assert {case.attrib["classname"] for case in root.iter("testcase")} == {
        "linux.web-service-down"
    }


def test_junit_carries_score_seed_version_and_hash() -> None:
    root = Xml.fromstring(reports.render(grade(), "junit"))
    properties = {one.attrib["name"]: one.attrib["value"] for one in root.iter("property")}
    wanted = {"score": "55", "seed": "abcdefgh", "version": "3", "content_hash": "0123456789abcdef"}
    assert wanted.items() <= properties.items()


def test_junit_fails_a_case_for_tampering() -> None:
    root = Xml.fromstring(reports.render(grade(tampered=["/usr/bin/dig"]), "junit"))
    case = list(root.iter("testcase"))[-1]
    failure = case.find("failure")
    assert failure is not None
    assert failure.text == "/usr/bin/dig"


# --- the others ---------------------------------------------------------------------------------


def test_json_is_the_grade() -> None:
    text = reports.render(grade(), "json")
    assert msgspec.json.decode(text, type=Grade) == grade()
    assert json.loads(text)["note"] == {
        "accepted": False,
        "facts": [],
        "missing": [{"id": "cause", "says": "what was wrong"}],
        "problems": [],
        "words": 0,
    }


def test_markdown_shows_both_phases_and_the_next_step() -> None:
    text = reports.render(grade(), "markdown")
    assert "| The page answers | ok | ok | 60/60 |" in text
    assert "| The wiki answers | ok | **failed** | 0/60 |" in text
    assert "- **The wiki answers**: it was not made permanent" in text
    assert "The score is at most 40." in text
    assert "**Next:** internbox ssh, mend it, then internbox grade a1b2" in text


def test_markdown_of_a_check_has_one_phase() -> None:
    text = reports.render(grade(kind="check"), "markdown")
    assert "| The page answers | ok | 60/60 |" in text


def test_markdown_stays_below_one_mebibyte() -> None:
    many = grade(checks=[check(f"c{n}", earned=0, message="x" * 2000) for n in range(2000)])
    text = reports.render(many, "markdown")
    assert len(text.encode()) < 1024 * 1024
    assert text.endswith("the report is too long.\n")


def test_markdown_of_nasty_text_has_no_markup_of_it() -> None:
    text = reports.render(nasty_grade, "markdown")
    assert "<b>" not in text
    assert "\x1b" not in text
    assert not any(line.startswith("# no") for line in text.splitlines())
    text.encode()


def test_text_has_a_line_for_each() -> None:
    text = reports.render(grade(), "text")
    assert text.splitlines()[1:5] == [
        "passed    60/60  The page answers",
        "FAILED     0/60  The wiki answers",
        "        it was not made permanent",
        "BROKEN  Mail still works",
    ]
    assert text.splitlines()[-2:] == [
        "failed: 55 of 120",
        "next: internbox ssh, mend it, then internbox grade a1b2",
    ]


def test_text_of_nasty_text_is_safe() -> None:
    text = reports.render(nasty_grade, "text")
    assert not set(text) & set("\x1b\x00\u202e\ud800")


passed: dict[str, Any] = {"outcome": "passed", "checks": [check("page")], "guards": []}
accepted = NoteResult(accepted=True)


@pytest.mark.parametrize(
    ("more", "step"),
    [
        ({**passed, "note": accepted}, "internbox debrief a1b2"),
        ({**passed, "note": None}, "internbox note a1b2"),
        ({**passed, "kind": "check"}, "internbox grade a1b2"),
        ({"tampered": ["/usr/bin/dig"], "outcome": "tampered"}, "put the tools back"),
    ],
)
def test_the_next_step_follows_from_the_grade(more: dict[str, Any], step: str) -> None:
    assert f"next: {step}" in reports.render(grade(**more), "text")


@given(st.text(), st.sampled_from(reports.FORMS))
def test_any_message_can_be_reported(message: str, form: str) -> None:
    text = reports.render(grade(checks=[check("page", earned=0, message=message)]), form)
    text.encode()
    if form == "junit":
        validate(Xml.fromstring(text))


# --- files --------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", reports.FORMS)
def test_a_report_is_written_to_a_file(tmp_path: Path, form: str) -> None:
    path = tmp_path / "reports" / "grade"
    reports.write(grade(), form, path)
    assert path.read_text() == reports.render(grade(), form)
    assert [entry.name for entry in path.parent.iterdir()] == ["grade"]


def test_a_link_is_written_through_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("before")
    (tmp_path / "link").symlink_to("target")
    reports.write(grade(), "text", tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == reports.render(grade(), "text")


def test_a_pipe_is_written_to_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    reports.write(grade(), "text", pipe)
    assert pipe.is_fifo()
    assert os.read(reader, 100_000).decode() == reports.render(grade(), "text")
    os.close(reader)


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be written"):
        reports.write(grade(), "text", tmp_path / "file" / "grade")


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(UsageError, match="no report is called pdf"):
        reports.render(grade(), "pdf")


@pytest.mark.parametrize(
    ("form", "said"),
    [("text", "debrief: read before this grade"), ("markdown", "The debrief was read before")],
)
def test_a_grade_after_the_debrief_says_so(form: str, said: str) -> None:
    assert said not in reports.render(grade(), form)
    assert said in reports.render(grade(debrief_read=True), form)
