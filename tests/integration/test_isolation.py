"""What leaves the machines, as the engine's host sees it, and what the engine is asked to do."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import pytest

from sandbox import labels
from sandbox.runtime import network
from sandbox.runtime.network import NETWORK
from sandbox.runtime.placement import ports_of
from tests.conftest import Lab, _lab
from tests.integration.conftest import FIRST_DAY, Internbox, Worked, eventually

if TYPE_CHECKING:
    from sandbox.runtime.base import Placement
    from sandbox.ssh import Connection

pytestmark = [pytest.mark.engine, pytest.mark.slow]

ETH_P_ALL, ETH_P_IP, ETH_P_ARP = 0x0003, 0x0800, 0x0806
SOL_PACKET, PACKET_ADD_MEMBERSHIP, PACKET_MR_PROMISC = 263, 1, 1
TCP, UDP = 6, 17


# --- the sniffer ------------------------------------------------------------------------------


@dataclass
class Rack:
    """All machines of an attempt, as the management network knows them; or one that is alone."""

    mac: bytes
    address: str
    doors: frozenset[int]


@dataclass
class Sniffer:
    """Hears every frame on the management network's bridge."""

    bridge: str
    frames: list[bytes] = field(default_factory=list)

    @contextmanager
    def listening(self) -> Iterator[None]:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as ear:
            ear.bind((self.bridge, ETH_P_ALL))
            index = socket.if_nametoindex(self.bridge)
            everything = struct.pack("iHH8s", index, PACKET_MR_PROMISC, 0, b"")
            ear.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, everything)
            ear.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
            ear.settimeout(0.2)
            ended = threading.Event()
            hearing = threading.Thread(target=self._hear, args=(ear, ended))
            hearing.start()
            try:
                yield
            finally:
                time.sleep(0.5)  # what is on its way
                ended.set()
                hearing.join()

    def _hear(self, ear: socket.socket, ended: threading.Event) -> None:
        while not ended.is_set():
            try:
                self.frames.append(ear.recv(256))
            except TimeoutError:
                continue

    def sent_by(self, racks: list[Rack]) -> Iterator[tuple[Rack, bytes]]:
        by_mac = {rack.mac: rack for rack in racks}
        for frame in self.frames:
            if sender := by_mac.get(frame[6:12]):
                yield sender, frame


def judged(sender: Rack, frame: bytes) -> str:
    """`door` for answers of a published port, `arp` for the question that comes before them;
    otherwise what it is, in words."""
    (kind,) = struct.unpack("!H", frame[12:14])
    if kind == ETH_P_ARP:
        asker, asked = socket.inet_ntoa(frame[28:32]), socket.inet_ntoa(frame[38:42])
        return "arp" if asker == sender.address else f"arp of {asker} for {asked}"
    if kind != ETH_P_IP:
        return f"ethernet type {kind:#06x}"
    header = (frame[14] & 15) * 4
    protocol = frame[23]
    source, target = socket.inet_ntoa(frame[26:30]), socket.inet_ntoa(frame[30:34])
    near, far = struct.unpack("!HH", frame[14 + header : 18 + header])
    if source == sender.address and protocol == TCP and near in sender.doors:
        return "door"
    return f"protocol {protocol} from {source}:{near} to {target}:{far}"


def bridge_of(api: Any) -> str:
    """The bridge's name, where this process shares the engine's network namespace."""
    name = f"br-{api.inspect_network(NETWORK)['Id'][:12]}"
    if os.geteuid() != 0 or not Path("/sys/class/net", name).exists():
        pytest.skip("only root on the engine's own host hears what leaves the machines")
    return name


def rack_of(lab: Lab, placement: Placement) -> Rack:
    api: Any = lab.runtime.engine.api
    (container,) = [placement.rack] if placement.rack else lab.containers.values()
    seen = api.inspect_container(container)["NetworkSettings"]["Networks"][NETWORK]
    mac = bytes.fromhex(seen["MacAddress"].replace(":", ""))
    return Rack(mac, seen["IPAddress"], frozenset(ports_of(placement.places.values())))


# --- three attempts on the same subnet, probed from inside ------------------------------------


@pytest.fixture(scope="module")
def attempts(runtime: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Lab]]:
    """Two will have two machines on a wire `lan`, and one has one; in all that is 10.20.0.0/24."""
    made = [_lab(runtime, tmp_path_factory.mktemp(name)) for name in ("one", "other", "alone")]
    yield [next(lab) for lab in made]
    for lab in made:
        next(lab, None)


@dataclass
class Probed:
    """What the machines `a1` and `c1` were answered, and what the host heard meanwhile."""

    answers: list[str]  # the probes that were
    sniffer: Sniffer
    racks: list[Rack]


def host_addresses() -> list[str]:
    """The addresses of the engine's host and its bridges, link-local ones too."""
    told = subprocess.run(["ip", "-o", "addr"], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in told.splitlines()]
    found = {row[3].partition("/")[0] for row in rows if not row[1].startswith(("lo", "veth"))}
    return sorted(found)


# As if its wire led to the management network and from there to everywhere.
PREPARE = """
set -e
sysctl -qw net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.lan0.disable_ipv6=0
ip addr add {address} dev lan0
ip -6 addr add fe80::77/64 dev lan0 nodad
ip -6 addr add fd00::77/64 dev lan0 nodad
ip route replace default dev lan0
ip -6 route replace default dev lan0
"""
SHOUTS = """
ping -c 3 -i 0.2 10.20.0.2
ping -b -c 2 -i 0.2 -W 1 255.255.255.255
ping -c 2 -i 0.2 -W 1 -I lan0 224.0.0.1
ping -6 -c 2 -i 0.2 -W 1 -I lan0 ff02::1
"""


def probes(outside: list[str], other: list[str]) -> dict[str, str]:
    """Shell lines that succeed when somebody answers."""
    found = {f"ping {address}": f"ping -c 1 -W 1 {address}" for address in ["1.1.1.1", *other]}
    for address in outside:
        scoped = f"{address}%lan0" if address.startswith("fe80") else address
        found[f"ping {address}"] = f"ping -c 1 -W 1 {scoped}"
    found["curl"] = "curl -sS --max-time 1 http://1.1.1.1/"
    found["engine"] = "curl -sS --max-time 1 http://172.17.0.1:2375/version"
    found["dig"] = "dig +time=1 +tries=1 @1.1.1.1 example.org"
    found["dig of Docker"] = "dig +time=1 +tries=1 @127.0.0.11 example.org"
    found["mdns"] = "dig +time=1 +tries=1 -p 5353 @224.0.0.251 example.local"
    return found


@pytest.fixture(scope="module")
def probed(attempts: list[Lab]) -> Probed:
    one, other, third = attempts
    place = one.up(one.spec("a1", "10.20.0.1/24"), one.spec("a2", "10.20.0.2/24"))
    elsewhere = other.up(other.spec("b1", "10.20.0.3/24"), other.spec("b2", "10.20.0.4/24"))
    lone = third.up(third.spec("c1", "10.20.0.5/24"))
    api: Any = one.runtime.engine.api
    sniffer = Sniffer(bridge_of(api))
    subnet = network.ensure(one.runtime.engine)
    outside = host_addresses()
    racks = [rack_of(one, place), rack_of(other, elsewhere), rack_of(third, lone)]
    outside += [rack.address for rack in racks]
    with (
        one.connect("a1", place) as a1,
        other.connect("b2", elsewhere) as b2,
        third.connect("c1", lone) as c1,
    ):
        for link, mate in (a1, "10.20.0.2"), (b2, "10.20.0.3"), (c1, "10.20.0.5"):
            up = partial(answers_to, link, {mate: f"ping -c 1 -W 1 {mate}"})
            eventually(f"{mate} answers its own attempt", up)
        for link, number in (a1, 2), (c1, 3):
            told = link.run(PREPARE.format(address=f"{subnet[-number]}/{subnet.prefixlen}"))
            assert told.rc == 0, told.stderr
        with sniffer.listening():
            assert "time=" in a1.run(SHOUTS).stdout
            c1.run(SHOUTS)
            answers = answers_to(a1, probes(outside, ["10.20.0.3", "10.20.0.4", "10.20.0.5"]))
            answers += answers_to(c1, probes(outside, ["10.20.0.1", "10.20.0.2", "10.20.0.3"]))
            assert answers_to(a1, {"own": "ping -c 1 -W 5 10.20.0.2"}) == ["own"]
    return Probed(answers, sniffer, racks)


def answers_to(link: Connection, lines: dict[str, str]) -> list[str]:
    """The names of the probes that succeeded; all are made at the same time."""
    tries = [f"{{ {line}; }} >&2 && echo {quote(name)} &" for name, line in lines.items()]
    return link.run("\n".join([*tries, "wait"]), timeout=60).stdout.splitlines()


def test_the_sniffer_tells_a_leak_from_a_door() -> None:
    sender = Rack(b"\2" * 6, "10.0.0.2", frozenset({20001}))

    def sent(protocol: int, port: int, source: str = sender.address) -> bytes:
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 40, 0, 0, 64, protocol, 0)
        ip += socket.inet_aton(source) + socket.inet_aton("10.0.0.1")
        return b"\4" * 6 + sender.mac + b"\x08\x00" + ip + struct.pack("!HHHH", port, 9, 8, 0)

    assert judged(sender, sent(TCP, 20001)) == "door"
    assert judged(sender, sent(TCP, 20002)) != "door"
    assert judged(sender, sent(UDP, 20001)) != "door"
    assert judged(sender, sent(TCP, 20001, "10.20.0.1")) != "door"


def test_nobody_answers_a_machine_but_its_own_attempt(probed: Probed) -> None:
    assert probed.answers == []


def test_nothing_but_its_doors_answers_leaves_a_rack(probed: Probed) -> None:
    seen: dict[str, int] = {}
    for sender, frame in probed.sniffer.sent_by(probed.racks):
        kind = judged(sender, frame)
        seen[kind] = seen.get(kind, 0) + 1

    assert set(seen) <= {"door", "arp"}, seen
    assert seen["door"], "the sniffer has not heard the grader's connection"


def test_what_is_said_on_a_wire_is_heard_on_no_other_network(probed: Probed) -> None:
    labs = [socket.inet_aton(f"10.20.0.{number}") for number in range(1, 6)]

    assert [frame for frame in probed.sniffer.frames if any(one in frame for one in labs)] == []


# --- what the engine is asked to do -----------------------------------------------------------


@pytest.fixture(scope="module")
def events(internbox: Internbox) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """All that happened to this person's containers in one life of an attempt, and how they
    were made."""
    labs = internbox.labs()
    runtime: Any = labs.runtime
    api = runtime.engine.api
    since = int(runtime.engine.clock()) - 1
    attempt = labs.start(FIRST_DAY).id
    made = [api.inspect_container(machine.id) for machine in runtime.machines(attempt)]
    Worked(labs, attempt).mend()
    labs.check(attempt)
    assert labs.grade(attempt).score == 100
    labs.status()
    stream, _ = labs.console(attempt, None)
    stream.close()
    labs.reset(attempt)
    made += [api.inspect_container(machine.id) for machine in runtime.machines(attempt)]
    labs.stop([attempt])
    labs.gc()
    told = api.events(
        since=since,
        until=int(runtime.engine.clock()) + 1,
        filters={"label": labels.owned(runtime.home)},
        decode=True,
    )
    labs.store.close()
    return [event for event in told if event["Type"] == "container"], made


def test_the_engine_never_execs_into_a_machine(events: Any) -> None:
    happened, _ = events
    actions = {event["Action"].partition(":")[0] for event in happened}

    assert {"create", "start", "restart", "attach", "destroy"} <= actions
    assert not [action for action in actions if action.startswith("exec")]


def test_a_rack_can_do_nothing(internbox: Internbox) -> None:
    runtime: Any = internbox.labs().runtime
    rack = runtime.place("a-rack", FIRST_DAY, {"desk": True, "file": False}).rack
    made = runtime.engine.api.inspect_container(rack)
    runtime.remove("a-rack")

    assert made["HostConfig"]["CapDrop"] == ["ALL"]
    assert made["HostConfig"]["NetworkMode"] == NETWORK
    assert made["Mounts"] == []


def test_no_machine_has_more_than_it_needs(events: Any) -> None:
    _, made = events
    allowed = {"SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE"}

    assert len(made) == 2
    for container in made:
        host = container["HostConfig"]
        assert not host["Privileged"]
        assert {name.removeprefix("CAP_") for name in host["CapAdd"]} <= allowed
        assert (host["PidMode"], host["UTSMode"], host["UsernsMode"]) == ("", "", "")
        assert host["NetworkMode"] == NETWORK
        assert {door["HostIp"] for port in host["PortBindings"].values() for door in port} == {
            "127.0.0.1"
        }
        assert not host["Binds"]
        assert not host["Devices"]
        assert {mount["Type"] for mount in container["Mounts"]} <= {"volume", "tmpfs"}
        assert not any(m["RW"] for m in container["Mounts"] if m["Destination"] == "/opt/internbox")
