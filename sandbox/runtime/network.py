"""The one management network of an engine, by which all racks are reached."""

from __future__ import annotations

import ipaddress
import socket
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

from sandbox import labels
from sandbox.errors import EngineError
from sandbox.runtime.engine import Engine
from sandbox.runtime.failures import said
from sandbox.runtime.sdk import docker

NETWORK = "internbox"
CANDIDATES = (
    "10.213.224.0/20",
    "172.29.224.0/20",
    "198.19.224.0/20",
    "192.168.224.0/20",
    "100.127.224.0/20",
    "10.87.64.0/20",
)

Subnet = ipaddress.IPv4Network


def ensure(engine: Engine) -> Subnet:
    """The management network's subnet; the network is made when it is not there yet."""
    found = _find(engine)
    if not found:
        _create(engine)
        found = _find(engine)
    if len(found) > 1:
        found = _keep_one(engine, found)
    if not found:
        raise EngineError(f"the network {NETWORK!r} vanished while it was made", hint="try again")
    return ipaddress.IPv4Network(found[0]["IPAM"]["Config"][0]["Subnet"])


def _find(engine: Engine) -> list[dict[str, Any]]:
    """Every network of ours, the oldest first; a foreign one of that name is an error."""
    with engine.doing("looking for the management network"):
        named = engine.api.networks(names=[NETWORK])
    named = [network for network in named if network["Name"] == NETWORK]
    for network in named:
        if (network.get("Labels") or {}).get(labels.ROLE) != "network":
            raise EngineError(
                f"a Docker network {NETWORK!r} that is not ours is in the way",
                hint=f"docker network rm {NETWORK}, if nothing needs it",
            )
    return sorted(named, key=lambda network: (network["Created"], network["Id"]))


def _create(engine: Engine) -> None:
    """Takes the first candidate that neither a route here nor a network there overlaps."""
    used = _routes() + _engine_subnets(engine)
    refused = ""
    for candidate in map(ipaddress.IPv4Network, CANDIDATES):
        if any(candidate.overlaps(other) for other in used):
            continue
        try:
            engine.api.create_network(**settings(candidate))
        except docker.errors.APIError as error:
            refused = said(error)
            if "already exists" in refused:
                return
            if "overlap" not in refused.lower():
                with engine.doing("making the management network"):
                    raise
        else:
            return
    raise EngineError(
        "no subnet is free for the management network"
        + (f": {refused}" if refused else f"; tried {', '.join(CANDIDATES)}"),
        hint="remove a Docker network that is not used: docker network ls",
    )


def settings(subnet: Subnet) -> dict[str, Any]:
    """What the engine is asked for: no way out, no IPv6."""
    return {
        "name": NETWORK,
        "driver": "bridge",
        "check_duplicate": True,
        "enable_ipv6": False,
        "labels": {labels.ROLE: "network"},
        "ipam": {"Driver": "default", "Config": [{"Subnet": str(subnet)}]},
        "options": {"com.docker.network.bridge.enable_ip_masquerade": "false"},
    }


def _keep_one(engine: Engine, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Engines before 25 let two commands make the same name at once: the oldest stays."""
    with engine.doing(f"removing a second network {NETWORK!r}"):
        for network in found[1:]:
            with suppress(docker.errors.NotFound):
                engine.api.remove_network(network["Id"])
    return found[:1]


def _engine_subnets(engine: Engine) -> list[Subnet]:
    with engine.doing("listing the engine's networks"):
        networks = engine.api.networks()
    configs = [config for n in networks for config in (n.get("IPAM") or {}).get("Config") or []]
    subnets = (ipaddress.ip_network(c["Subnet"], strict=False) for c in configs if c.get("Subnet"))
    return [subnet for subnet in subnets if isinstance(subnet, ipaddress.IPv4Network)]


def _routes(table: Path = Path("/proc/net/route")) -> list[Subnet]:
    """The subnets this host has routes to, so that a VPN or campus network stays reachable."""
    try:
        lines = table.read_text().splitlines()[1:]
    except OSError:
        return []
    routes = []
    for line in lines:
        fields = line.split()
        destination, mask = (_dotted(fields[column]) for column in (1, 7))
        if mask != "0.0.0.0":  # noqa: S104 - the default route overlaps everything
            routes.append(ipaddress.IPv4Network(f"{destination}/{mask}", strict=False))
    return routes


def _dotted(little_endian: str) -> str:
    return socket.inet_ntoa(struct.pack("<L", int(little_endian, 16)))
