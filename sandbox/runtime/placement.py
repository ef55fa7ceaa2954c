"""Chooses addresses, ports and wire numbers that nothing else of ours has.

What an attempt was given stands in the label `labels.RESERVED` of each of its machines, so that
the engine remembers it; between the choice and the first machine a file in the state folder does.
Two users of one engine do not see each other's file: they draw at random from thousands, and the
engine refuses an address or port that is taken.
"""

from __future__ import annotations

import ipaddress
import json
import secrets
import socket
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox import labels
from sandbox.errors import EngineError
from sandbox.runtime.base import MachineSpec, Place, Placement
from sandbox.runtime.endpoint import EngineEndpoint

PORTS = range(20000, 32768)  # below the ports that Linux and macOS give to outgoing connections
FIRST_ADDRESSES = 16  # left to the gateway and to people
RESERVED_SECONDS = 600.0  # from the choice to the first machine
TRIES = 2000

random = secrets.SystemRandom()


@dataclass
class Taken:
    """What is given away already."""

    addresses: set[str] = field(default_factory=set)
    ports: set[int] = field(default_factory=set)
    vnis: set[int] = field(default_factory=set)

    def add(self, other: Taken) -> None:
        self.addresses |= other.addresses
        self.ports |= other.ports
        self.vnis |= other.vnis

    def __str__(self) -> str:
        """The label's value: three lists, `address,…;port,…;vni,…`."""
        parts: list[Iterable[Any]] = [self.addresses, self.ports, self.vnis]
        return ";".join(",".join(str(item) for item in sorted(part)) for part in parts)

    @classmethod
    def parse(cls, text: str) -> Taken:
        addresses, ports, vnis = (
            [item for item in part.split(",") if item] for part in (text + ";;").split(";")[:3]
        )
        return cls(set(addresses), {int(port) for port in ports}, {int(vni) for vni in vnis})


def of_placement(placement: Placement) -> Taken:
    places = placement.places.values()
    ports = {port for place in places for port in (place.grader_port, place.learner_port) if port}
    return Taken({place.address for place in places}, ports, set(placement.vnis.values()))


def of_containers(containers: Iterable[dict[str, Any]]) -> Taken:
    """What the containers of an engine hold, by label and by published port."""
    taken = Taken()
    for container in containers:
        taken.add(Taken.parse((container.get("Labels") or {}).get(labels.RESERVED, "")))
        taken.ports |= {
            int(p["PublicPort"]) for p in container.get("Ports") or [] if "PublicPort" in p
        }
    return taken


def choose(
    specs: Sequence[MachineSpec],
    subnet: ipaddress.IPv4Network,
    endpoint: EngineEndpoint,
    taken: Taken,
) -> Placement:
    """A place for each spec and a number for each wire; `taken` grows by them."""
    places = {}
    for spec in specs:
        address = free_address(subnet, taken.addresses)
        taken.addresses.add(address)
        ports = choose_ports(spec, endpoint, taken)
        places[spec.host] = Place(spec.host, address, endpoint.connect, *ports)
    vnis = {}
    for wire in sorted({wire.wire for spec in specs for wire in spec.wires}):
        vnis[wire] = free_number(taken.vnis)
        taken.vnis.add(vnis[wire])
    return Placement(places, vnis)


def choose_ports(spec: MachineSpec, endpoint: EngineEndpoint, taken: Taken) -> tuple[int, int]:
    """The grader's and the learner's port; learners get none on hidden machines."""
    grader = free_port(endpoint, taken.ports)
    learner = 0 if spec.hidden else free_port(endpoint, taken.ports | {grader})
    taken.ports |= {grader, learner} - {0}
    return grader, learner


def free_address(subnet: ipaddress.IPv4Network, taken: Collection[str]) -> str:
    for _ in range(TRIES):
        address = str(subnet[random.randrange(FIRST_ADDRESSES, subnet.num_addresses - 1)])
        if address not in taken:
            return address
    raise EngineError(
        f"no address is free in {subnet}", hint="internbox gc, and stop attempts not in use"
    )


def free_number(taken: Collection[int]) -> int:
    """A VXLAN id that no other wire has."""
    while (number := random.randrange(4096, 1 << 24)) in taken:
        pass
    return number


def free_port(endpoint: EngineEndpoint, taken: Collection[int]) -> int:
    """A port nobody listens on; for an engine elsewhere, one that none of its containers has."""
    for _ in range(TRIES):
        port = random.choice(PORTS)
        if port not in taken and (not endpoint.local or can_bind(endpoint.bind, port)):
            return port
    raise EngineError(
        f"no port from {PORTS.start} to {PORTS.stop - 1} is free",
        hint="internbox gc, and stop attempts not in use",
    )


def can_bind(address: str, port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


class Reservations:
    """The file that bridges the moment between choosing a place and making the machine.

    Read and written only while its lock is held.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def standing(self) -> Taken:
        taken = Taken()
        for _, text in self._entries():
            taken.add(Taken.parse(text))
        return taken

    def add(self, taken: Taken) -> None:
        entries = [*self._entries(), (time.time() + RESERVED_SECONDS, str(taken))]
        draft = self.path.with_suffix(".part")
        draft.write_text(json.dumps(entries))
        draft.replace(self.path)

    def _entries(self) -> list[tuple[float, str]]:
        try:
            entries = json.loads(self.path.read_text())
            return [(end, text) for end, text in entries if end > time.time()]
        except (FileNotFoundError, ValueError, TypeError):
            return []
