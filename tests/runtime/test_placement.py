"""Ports that nothing else has, and what happens when one is taken all the same."""

from __future__ import annotations

import socket
from concurrent.futures import Future
from typing import Any

import pytest

from sandbox import labels
from sandbox.errors import EngineError, PortTaken
from sandbox.runtime import placement
from sandbox.runtime.base import Placement
from sandbox.runtime.endpoint import EngineEndpoint

LOCAL = EngineEndpoint("unix:///var/run/docker.sock", "test")
REMOTE = EngineEndpoint("tcp://lab:2375", "test", "0.0.0.0", "lab")


def test_every_host_has_ports_of_its_own() -> None:
    doors = {f"h{n}": True for n in range(50)}

    places = placement.choose(doors, LOCAL, set())

    assert set(places) == set(doors)
    assert len(set(placement.ports_of(places.values()))) == 100


def test_learners_have_no_way_into_a_hidden_host() -> None:
    chosen = placement.choose({"desk": False}, LOCAL, set())

    assert chosen["desk"].learner_port == 0
    assert placement.ports_of(chosen.values()) == [chosen["desk"].grader_port]


def test_what_is_taken_is_not_given_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "PORTS", range(20000, 20003))

    chosen = placement.choose({"web": True}, REMOTE, {20001})

    assert set(placement.ports_of(chosen.values())) == {20000, 20002}


def test_no_port_left_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "PORTS", range(20000, 20001))

    with pytest.raises(EngineError, match="no port from 20000 to 20000 is free"):
        placement.choose({"web": True}, REMOTE, set())


def test_a_port_somebody_listens_on_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as busy, socket.socket() as idle:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        idle.bind(("127.0.0.1", 0))
        free = idle.getsockname()[1]
        idle.close()
        monkeypatch.setattr(placement, "PORTS", [busy.getsockname()[1], free])

        assert placement.free_port(LOCAL, set()) == free


def test_ports_of_an_engine_elsewhere_are_not_tried_here(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as busy:
        busy.bind(("0.0.0.0", 0))
        busy.listen()
        port = busy.getsockname()[1]
        monkeypatch.setattr(placement, "PORTS", [port])

        assert placement.free_port(REMOTE, set()) == port


def test_what_does_not_run_keeps_its_ports() -> None:
    rows = [
        {"Labels": {labels.PORTS: "20001,20002"}, "Ports": []},
        {"Labels": {labels.PORTS: "20003"}, "Ports": [{"PublicPort": 20003}]},
    ]

    assert placement.taken(rows) == {20001, 20002, 20003}


class Refusing:
    """A runtime whose engine refuses the ports of so many racks."""

    def __init__(self, times: int) -> None:
        self.times, self.removed = times, 0

    def place(self, *_: object) -> Placement:
        standing: Future[None] = Future()
        if self.times:
            self.times -= 1
            standing.set_exception(PortTaken("starting a machine: port is already allocated"))
        else:
            standing.set_result(None)
        return Placement({}, "rack", standing)

    def remove(self, _: str) -> None:
        self.removed += 1


def stand(placing: Future[Placement]) -> str:
    placing.result().stand()
    return placing.result().rack


@pytest.mark.parametrize("times", [0, 1, 4])
def test_all_is_placed_anew_when_a_port_is_taken(times: int) -> None:
    runtime: Any = Refusing(times)

    assert placement.placed(runtime, "a1", "linux/x", {}, stand) == "rack"
    assert runtime.removed == times


def test_when_ports_are_taken_again_and_again_the_error_is_passed_on() -> None:
    runtime: Any = Refusing(5)

    with pytest.raises(PortTaken, match="port is already allocated"):
        placement.placed(runtime, "a1", "linux/x", {}, stand)
