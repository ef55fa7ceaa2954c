"""Machines that the engine does not start with what was handed in; no engine."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sandbox.errors import EngineError
from sandbox.handin import standing
from sandbox.handin.standing import HandedIn, stand
from sandbox.lab import HostRecord, LabRecord
from sandbox.runtime.base import MachineSpec, Place, Placement
from sandbox.runtime.failures import NoAnswer

PLACE = Place("desk", "127.0.0.1", 1)


@dataclass
class Engine:
    """That says `answers`, one at each start; None is a machine that starts."""

    answers: list[EngineError | None]
    laid: list[MachineSpec] = field(default_factory=list)

    def info(self) -> Any:
        return SimpleNamespace(clock=1000.0)

    def create(self, spec: MachineSpec, placement: Placement) -> str:
        self.laid.append(spec)
        return "c1"

    def start(self, container: str) -> None:
        if answer := self.answers.pop(0):
            raise answer


def stood(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> tuple[LabRecord, list[str]]:
    """The record of one machine, and the machines of which a boot was waited for."""
    host = HostRecord(host="desk", hidden=False, fresh=False, init="systemd", place=PLACE)
    record = LabRecord(
        hosts={"desk": host}, images={}, learner_host="desk", console_password="", rack="r1"
    )
    spec = MachineSpec(attempt="a", scenario="s", host="desk", image="i", hostname="desk")
    bringer: Any = SimpleNamespace(
        runtime=engine,
        attempt="a",
        plan=lambda images, placing: ({"desk": spec}, {"desk": ""}, record),
    )
    placing: Future[Placement] = Future()
    placing.set_result(Placement({"desk": PLACE}, "r1"))
    booted: list[str] = []
    monkeypatch.setattr(standing, "_boot", lambda bringer, host: booted.append(host.host))
    handed = {"desk": HandedIn(Path("desk.tar"), measured=False)}
    return stand(bringer, {}, placing, handed), booted


@pytest.mark.parametrize("answers", [[None], [EngineError("it is about to end"), None]])
def test_a_machine_that_starts_is_waited_for(
    answers: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine(answers)
    record, booted = stood(engine, monkeypatch)

    assert record.hosts["desk"].container == "c1"
    assert [(spec.archive, spec.replaces) for spec in engine.laid] == [(Path("desk.tar"), True)]
    assert booted == ["desk"]


def test_a_machine_that_does_not_start_is_left_to_the_grade(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refused = EngineError("/etc/hosts is a directory")
    record, booted = stood(Engine([refused, refused]), monkeypatch)

    assert record.hosts["desk"].container == "c1"
    assert booted == []


def test_an_engine_that_does_not_answer_says_nothing_about_the_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(NoAnswer):
        stood(Engine([NoAnswer("no engine")]), monkeypatch)
