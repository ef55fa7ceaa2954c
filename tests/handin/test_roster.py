"""Rosters as platforms export them, and lists of codes that come back."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox import codes, scenarios
from sandbox.errors import Refused, UsageError
from sandbox.handin import roster
from sandbox.handin.roster import Learner
from sandbox.paths import builtin_content

LOADED = scenarios.load(scenarios.resolve("linux/first-day", [builtin_content()]))
ANN, BO = Learner("s1", "Ann Smith"), Learner("=2", "-Bo")

ROSTERS = {
    "comma": "learner,name\ns1,Ann Smith\n",
    "semicolon": "Name;ID\nAnn Smith;s1\n",
    "moodle": '"First name",Surname,"ID number","Email address"\nAnn,Smith,s1,a@x.example\n',
    "canvas": "Student,ID,SIS Login ID,Section\nAnn Smith,s1,ann,A\n",
    "byte order mark": "\ufefflearner\ns1\n\n",
    "any heading": "matrikel\ns1\n",
    "windows": "learner,name\r\ns1,Ann\r\n",
}


@pytest.mark.parametrize("text", ROSTERS.values(), ids=ROSTERS)
def test_a_roster_is_read_as_it_is_exported(tmp_path: Path, text: str) -> None:
    path = tmp_path / "class.csv"
    path.write_bytes(text.encode())

    assert [one.id for one in roster.read_roster(path)] == ["s1"]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty"),
        (b"learner\n", "names no learner"),
        (b"learner\ns1\ns1\n", ":3: s1 is there twice"),
        (b"learner\n\xff\n", "not UTF-8"),
        (b"learner\n" + b"x" * 80, "too long"),
    ],
)
def test_a_roster_that_is_none_is_refused(tmp_path: Path, data: bytes, why: str) -> None:
    path = tmp_path / "class.csv"
    path.write_bytes(data)

    with pytest.raises(UsageError, match=why):
        roster.read_roster(path)


def test_the_list_of_codes_holds_no_formula_and_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "codes.csv"
    rows = roster.made([LOADED], [ANN, BO], "course")
    path.write_text(roster.write_codes(rows), newline="")

    handed_out = roster.read_codes(path)

    assert "'=2,'-Bo," in path.read_text()
    assert handed_out.names == {"s1": "Ann Smith", "=2": "-Bo"}
    for row in rows:
        handed_out.require(row.learner, row.scenario, row.seed)
        assert codes.read(row.code).seed == row.seed


@pytest.mark.parametrize(
    ("learner", "seed", "why"),
    [
        ("s1", codes.seed_for("course", "=2"), "the variant of =2, and says that it is that of s1"),
        ("", codes.seed_for("course", "s1"), "the variant of s1, and says that it is nobody's"),
        ("", "zzzz2222", "not started with a start code"),
        ("s3", "zzzz2222", "s3 was given no start code"),
        ("s1", "zzzz2222", "not the variant that s1 was given"),
    ],
)
def test_what_was_not_handed_out_is_refused(
    tmp_path: Path, learner: str, seed: str, why: str
) -> None:
    path = tmp_path / "codes.csv"
    path.write_text(roster.write_codes(roster.made([LOADED], [ANN, BO], "course")), newline="")

    with pytest.raises(Refused, match=why):
        roster.read_codes(path).require(learner, "linux/first-day", seed)


def test_another_table_is_no_list_of_codes(tmp_path: Path) -> None:
    path = tmp_path / "codes.csv"
    path.write_text("name,grade\nAnn,5\n")

    with pytest.raises(UsageError, match="not a list of start codes"):
        roster.read_codes(path)
