"""Addresses, ports and wire numbers that nothing else has."""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path

import pytest

from sandbox import labels
from sandbox.errors import EngineError
from sandbox.runtime import placement
from sandbox.runtime.base import MachineSpec, WireSpec
from sandbox.runtime.endpoint import EngineEndpoint
from sandbox.runtime.placement import Reservations, Taken

SUBNET = ipaddress.IPv4Network("10.213.224.0/20")
LOCAL = EngineEndpoint("unix:///var/run/docker.sock", "test")
REMOTE = EngineEndpoint("tcp://lab:2375", "test", "0.0.0.0", "lab")


def spec(host: str, *wires: str, hidden: bool = False) -> MachineSpec:
    nics = tuple(WireSpec(wire, f"lan{n}", "02:00:00:00:00:01") for n, wire in enumerate(wires))
    return MachineSpec("a1", "linux/x", host, "image", host, hidden=hidden, wires=nics)


def test_every_host_has_an_address_and_a_port_of_its_own() -> None:
    hosts = [spec(f"h{n}") for n in range(50)]

    places = placement.choose(hosts, SUBNET, LOCAL, Taken()).places.values()

    assert len({place.address for place in places}) == 50
    ports = [port for place in places for port in (place.grader_port, place.learner_port)]
    assert len(set(ports)) == 100


def test_learners_have_no_way_into_a_hidden_host() -> None:
    chosen = placement.choose([spec("desk", hidden=True)], SUBNET, LOCAL, Taken())

    assert chosen.places["desk"].learner_port == 0


def test_each_wire_has_one_number_for_all_its_hosts() -> None:
    chosen = placement.choose([spec("a", "lan"), spec("b", "lan", "dmz")], SUBNET, LOCAL, Taken())

    assert set(chosen.vnis) == {"lan", "dmz"}
    assert len(set(chosen.vnis.values())) == 2


def test_what_is_taken_is_not_given_again() -> None:
    small = ipaddress.IPv4Network("10.0.0.0/27")
    free = str(small[20])
    taken = Taken(addresses={str(address) for address in small} - {free})

    assert placement.free_address(small, taken.addresses) == free


def test_a_full_network_is_said_to_be_full() -> None:
    small = ipaddress.IPv4Network("10.0.0.0/27")

    with pytest.raises(EngineError, match="no address is free"):
        placement.free_address(small, {str(address) for address in small})


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


def test_the_label_says_what_an_attempt_has() -> None:
    chosen = placement.choose([spec("a", "lan"), spec("b", "lan")], SUBNET, LOCAL, Taken())
    row = {"Labels": {labels.RESERVED: str(placement.of_placement(chosen))}}

    taken = placement.of_containers([row])

    assert taken == placement.of_placement(chosen)


def test_published_ports_of_others_count() -> None:
    rows = [{"Labels": None, "Ports": [{"PrivatePort": 80, "PublicPort": 20080}]}]

    assert placement.of_containers(rows).ports == {20080}


def test_a_reservation_stands_until_it_expires(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Reservations(tmp_path / "reserved.json")
    kept.add(Taken(addresses={"10.0.0.5"}))
    before = kept.standing()
    monkeypatch.setattr(placement.time, "time", lambda: 4e12)

    assert before.addresses == {"10.0.0.5"}
    assert kept.standing() == Taken()


def test_a_torn_reservation_file_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "reserved.json").write_text('[["x"')

    assert Reservations(tmp_path / "reserved.json").standing() == Taken()
