"""Who listens where, from the kernel's tables in /proc/net: no tool of the machine is asked."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass

TABLES = ("tcp", "tcp6", "udp", "udp6")
TCP_LISTEN, UDP_OPEN = "0A", "07"
ANY = ("0.0.0.0", "::")  # noqa: S104  # compared with, never bound to


@dataclass(frozen=True)
class Listeners:
    """The sockets that take connections or datagrams: protocol → {(address, port)}."""

    tcp: frozenset[tuple[str, int]]
    udp: frozenset[tuple[str, int]]

    @classmethod
    def parse(cls, text: str) -> Listeners:
        """`text` is the four tables, each after a line that holds just its name."""
        found: dict[str, set[tuple[str, int]]] = {"tcp": set(), "udp": set()}
        table = ""
        for line in text.splitlines():
            fields = line.split()
            if line.strip() in TABLES:
                table = line.strip()
            elif len(fields) > 3 and fields[0].rstrip(":").isdigit() and table:
                wanted = TCP_LISTEN if table.startswith("tcp") else UDP_OPEN
                if fields[3] == wanted:
                    found[table[:3]].add(_endpoint(fields[1]))
        return cls(frozenset(found["tcp"]), frozenset(found["udp"]))

    def addresses(self, port: int, protocol: str = "tcp") -> set[str]:
        """The addresses on which `port` is listened on: `{"0.0.0.0"}`, `{"127.0.0.1"}`, …"""
        sockets = self.tcp if protocol == "tcp" else self.udp
        return {address for address, number in sockets if number == port}


class Socket:
    """One address and port, as testinfra writes them: `tcp://80`, `tcp://127.0.0.1:80`."""

    def __init__(self, spec: str, look: Callable[[], Listeners]) -> None:
        self.protocol, _, rest = spec.partition("://")
        self.address, _, port = rest.rpartition(":")
        self.address = self.address.strip("[]")
        if self.protocol not in ("tcp", "udp") or not port.isdigit():
            raise TypeError(f"not a socket: {spec!r}; write tcp://80 or tcp://127.0.0.1:80")
        self.port = int(port)
        self._look = look

    @property
    def is_listening(self) -> bool:
        """Would a packet to this address find a listener; without an address: on any at all.

        A socket bound to all addresses listens on each. `::` alone counts for IPv4 too, which is
        what every daemon on Debian does unless told otherwise.
        """
        bound = self._look().addresses(self.port, self.protocol)
        return bool(bound & _covering(self.address) if self.address else bound)


def _covering(address: str) -> set[str]:
    """The addresses a socket may be bound to so that `address` reaches it."""
    return {address, "::"} if ":" in address else {address, *ANY}


def _endpoint(text: str) -> tuple[str, int]:
    """`0100007F:0050` → ("127.0.0.1", 80); words are in the machine's (little endian) order."""
    address, _, port = text.partition(":")
    words = [address[at : at + 8] for at in range(0, len(address), 8)]
    packed = b"".join(bytes.fromhex(word)[::-1] for word in words)
    parsed = ipaddress.ip_address(packed)
    mapped = getattr(parsed, "ipv4_mapped", None)
    return str(mapped or parsed), int(port, 16)
