"""What people write of a fault is taken for that fault, and for none of the others."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

from sandbox import rendering, scenarios, variants
from sandbox.grading import note
from sandbox.grading.results import NoteResult
from sandbox.paths import ScenarioFiles, builtin_content

FOLDER = Path(__file__).parents[1] / "data" / "notes"  # DOMAIN--SLUG.toml
ANCHOR = datetime(2026, 3, 4, 9, 30, tzinfo=UTC)


@cache
def loaded(id: str) -> scenarios.Loaded:
    return scenarios.load(ScenarioFiles(builtin_content(), id))


@cache
def drawn(id: str, fault: str) -> variants.Variant:
    return variants.draw(loaded(id), seed="note", anchor=ANCHOR, fault=fault)


def written() -> list[tuple[str, str, str]]:
    """Scenario, fault and text of every note."""
    found = []
    for path in sorted(FOLDER.glob("*.toml")):
        kept = tomllib.loads(path.read_text())
        for fault, notes in kept["notes"].items():
            found += [
                (path.stem.replace("--", "/"), fault, f"{text} {kept['end']}") for text in notes
            ]
    return found


def refused() -> list[tuple[str, str, str, str]]:
    """Scenario, fault, the one fact that is missing, and the text of every such note."""
    found = []
    for path in sorted(FOLDER.glob("*.toml")):
        kept = tomllib.loads(path.read_text())
        for fault, lacking in kept.get("refused", {}).items():
            for fact, notes in lacking.items():
                id = path.stem.replace("--", "/")
                found += [(id, fault, fact, f"{text} {kept['end']}") for text in notes]
    return found


def judged(id: str, fault: str, text: str) -> NoteResult:
    scenario, variant = loaded(id), drawn(id, fault)

    def wording(template: str) -> str:
        return rendering.text(template, scenario, variant).strip()

    return note.judge_for(wording(text), scenario.note, fault, wording)


@pytest.mark.parametrize(("id", "fault", "text"), written())
def test_a_note_is_taken_for_its_own_fault_alone(id: str, fault: str, text: str) -> None:
    faults = loaded(id).settings.faults

    assert [one for one in faults if judged(id, one, text).accepted] == [fault]


@pytest.mark.parametrize(("id", "fault", "fact", "text"), refused())
def test_a_note_that_lacks_a_fact_is_refused_for_it(
    id: str, fault: str, fact: str, text: str
) -> None:
    result = judged(id, fault, text)

    assert [one.id for one in result.missing] == [fact]
