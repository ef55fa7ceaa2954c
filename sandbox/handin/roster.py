"""Rosters and lists of start codes as CSV, as spreadsheets and learning platforms write them."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec import Struct

from sandbox import codes, scenarios, variants
from sandbox.errors import Refused, UsageError
from sandbox.grading import safe

IDS = ("learner", "id", "username", "login", "user", "email", "sis login id", "sis user id")
IDS_TOO = ("id number", "student id", "email address", "matriculation number")
NAMES = ("name", "full name", "student", "learner name")
FILE_BYTES = 16 << 20
FIELDS = ("learner", "name", "scenario", "title", "seed", "content_hash", "code")
_QUOTED = ("'=", "'+", "'-", "'@", "'|", "'%")


class Learner(Struct, frozen=True):
    id: str
    name: str = ""


class CodeRow(Struct, frozen=True, kw_only=True):
    """A start code and what it fixes, as `internbox code` prints it."""

    learner: str
    name: str
    scenario: str
    title: str
    seed: str
    content_hash: str
    code: str


def made(
    loaded: Sequence[scenarios.Loaded], learners: Sequence[Learner], course_seed: str
) -> list[CodeRow]:
    """A code for each learner and scenario; a learner has one seed in all of them."""
    return [
        CodeRow(
            learner=learner.id,
            name=learner.name,
            scenario=one.id,
            title=one.settings.title,
            seed=(seed := codes.seed_for(course_seed, learner.id)),
            content_hash=one.content_hash,
            code=codes.make(one, seed=seed, learner=learner.id),
        )
        for learner in learners
        for one in loaded
    ]


def new_course_seed() -> str:
    """Eighty bits that nobody can guess."""
    return variants.new_seed() + variants.new_seed()


def read_roster(path: Path) -> list[Learner]:
    """The learners of a CSV file with a heading line. UsageError names line and cure."""
    headings, rows = _table(path)
    wanted = next((name for name in (*IDS, *IDS_TOO) if name in headings), headings[0])
    name_column = next((name for name in NAMES if name in headings), "")
    learners: dict[str, Learner] = {}
    for number, row in rows:
        text = row.get(wanted, "").strip()
        if not text:
            continue
        learner = codes.checked_learner(_unquoted(text))
        if learner in learners:
            raise UsageError(
                f"{path}:{number}: {learner} is there twice",
                hint=f"the column {wanted!r} must tell learners apart",
            )
        learners[learner] = Learner(learner, _unquoted(row.get(name_column, "").strip()))
    if not learners:
        raise UsageError(f"{path} names no learner", hint="a heading line, then one a line")
    return list(learners.values())


def write_codes(rows: Sequence[CodeRow]) -> str:
    """CSV that no spreadsheet takes for formulas."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(FIELDS)
    for row in rows:
        writer.writerow([safe.csv(str(getattr(row, name))) for name in FIELDS])
    return text.getvalue()


@dataclass(frozen=True)
class HandedOut:
    """The codes of a course: who was given which variant."""

    variants: dict[str, set[tuple[str, str]]]  # learner → scenario and seed
    names: dict[str, str]
    owners: dict[tuple[str, str], str]  # scenario and seed → learner

    def require(self, learner: str, scenario: str, seed: str) -> None:
        """Refused when this is not what the learner was given."""
        if (scenario, seed) in self.variants.get(learner, ()):
            return
        owner = self.owners.get((scenario, seed))
        if owner is not None:
            whose = f"that of {learner}" if learner else "nobody's"
            raise Refused(f"it is the variant of {owner}, and says that it is {whose}")
        if not learner:
            raise Refused("it was not started with a start code", hint="internbox start --code …")
        if learner not in self.variants:
            raise Refused(f"{learner} was given no start code")
        raise Refused(f"it is not the variant that {learner} was given")


def read_codes(path: Path) -> HandedOut:
    """What `write_codes` wrote. UsageError when it is something else."""
    headings, rows = _table(path)
    if not {"learner", "scenario", "seed"} <= set(headings):
        raise UsageError(
            f"{path} is not a list of start codes: it needs the columns learner, scenario, seed",
            hint="internbox code … --csv FILE writes one",
        )
    out = HandedOut({}, {}, {})
    for _, row in rows:
        learner, scenario, seed = (_unquoted(row[name].strip()) for name in FIELDS_READ)
        out.variants.setdefault(learner, set()).add((scenario, seed))
        out.owners[scenario, seed] = learner
        if name := _unquoted(row.get("name", "").strip()):
            out.names[learner] = name
    return out


FIELDS_READ = ("learner", "scenario", "seed")


def _table(path: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Headings in lower case, and the rows by heading with their lines."""
    try:
        if path.stat().st_size > FILE_BYTES:
            raise UsageError(f"{path} is larger than {FILE_BYTES >> 20} MiB")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8", hint="save it as CSV UTF-8") from None
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    try:
        lines = list(csv.reader(io.StringIO(text), delimiter=delimiter))
    except csv.Error as error:
        raise UsageError(f"{path} is no CSV: {error}") from None
    if not lines or not any(lines[0]):
        raise UsageError(f"{path} is empty", hint="a heading line, then one learner a line")
    headings = [heading.strip().lower() for heading in lines[0]]
    rows = [
        (number, dict(zip(headings, [*row, *[""] * len(headings)], strict=False)))
        for number, row in enumerate(lines[1:], start=2)
        if any(cell.strip() for cell in row)
    ]
    return headings, rows


def _unquoted(text: str) -> str:
    """A cell without the quote that keeps spreadsheets from taking it for a formula."""
    return text[1:] if text.startswith(_QUOTED) else text
