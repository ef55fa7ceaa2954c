"""The shapes of what commands print with `--format json`, and their schemas."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct


class Removed(Struct, frozen=True):
    kind: str
    id: str


class GcAnswer(Struct, frozen=True):
    removed: list[Removed]


class StopAnswer(Struct, frozen=True):
    stopped: list[str]


class TicketAnswer(Struct, frozen=True):
    attempt: str
    scenario: str
    ticket: str


class DebriefAnswer(Struct, frozen=True):
    attempt: str
    scenario: str
    debrief: str


class ImagesAnswer(Struct, frozen=True):
    """References of the images that were built or moved."""

    images: list[str]


def all_schemas() -> dict[str, dict[str, Any]]:
    """JSON Schemas by name: files as they are called, answers as `answer-<command>`."""
    from sandbox import scenarios

    answers = {
        f"answer-{name}": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": f"internbox {name} --format json",
            **msgspec.json.schema(shape),
        }
        for name, shape in _answers().items()
    }
    return scenarios.schemas() | answers


def _answers() -> dict[str, Any]:
    from sandbox import attempts, doctor, proof
    from sandbox.cli.rendered import Rendered
    from sandbox.grading.results import Grade, NoteResult
    from sandbox.grading.runs import RunReport
    from sandbox.handin.batch import RegradeReport
    from sandbox.handin.roster import CodeRow
    from sandbox.handin.shapes import Submitted
    from sandbox.runtime.base import ImageState

    return {
        "list": list[attempts.Listed],
        "show": attempts.Listed,
        "start": attempts.Attempt,
        "reset": attempts.Attempt,
        "ticket": TicketAnswer,
        "debrief": DebriefAnswer,
        "check": Grade,
        "grade": Grade,
        "hint": attempts.GivenHint,
        "note": NoteResult,
        "stop": StopAnswer,
        "status": list[attempts.StatusRow],
        "history": list[attempts.HistoryRow],
        "gc": GcAnswer,
        "doctor": doctor.Examined,
        "images-list": list[ImageState],
        "images-build": ImagesAnswer,
        "render": Rendered,
        "prove": proof.ProofReport,
        "run": RunReport,
        "code": list[CodeRow],
        "submit": Submitted,
        "regrade": RegradeReport,
    }
