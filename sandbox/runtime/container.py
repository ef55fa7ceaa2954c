"""What the engine is asked for to make a machine, or the rack that an attempt's machines stand in.

Pure, from spec and placement. A rack is a container that does nothing: its network namespace has
the wires and the published ports of its machines, which begin in it and make one of their own each.
So the wires of the others stay when one reboots. A machine that is alone has its ports itself: a
second container would be a third of what its start costs the engine.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from typing import Any

from sandbox import labels
from sandbox.runtime.base import MachineSpec, Placement, WireSpec
from sandbox.runtime.engine import Engine
from sandbox.runtime.network import NETWORK
from sandbox.runtime.placement import ports_of

TOOLS = "/opt/internbox"
MACHINE = f"{TOOLS}/machine"
CAPABILITIES = ("SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE")  # SYS_ADMIN goes before init runs
STOP_SECONDS = 5
CPU_PERIOD = 1_000_000  # microseconds
# An engine that was killed stops, once it is back, what still runs, and takes that for a stop by
# hand: `unless-stopped` would leave it off.
RESTART = {"Name": "always"}
LOG = {"Type": "json-file", "Config": {"max-size": "1m", "max-file": "1"}}


def name(spec: MachineSpec) -> str:
    return f"internbox-{spec.attempt}-{spec.host}"


def rack_name(attempt: str) -> str:
    """For people: a control has a rack of its own."""
    return f"internbox-{attempt}.rack-{secrets.token_hex(2)}"


def holder_name(spec: MachineSpec) -> str:
    return f"{name(spec)}.volumes"


def volume_name(spec: MachineSpec, index: int) -> str:
    return f"{name(spec)}.{index}"


def volume_options(size: str, inodes: int) -> dict[str, str]:
    """A file system of its own in memory, of a fixed size."""
    limits = f"size={size}" + (f",nr_inodes={inodes}" if inodes else "")
    return {"type": "tmpfs", "device": "tmpfs", "o": f"{limits},mode=0755"}


def tmpfs(memory: int) -> dict[str, str]:
    """What of a machine with so many bytes of memory is gone after a reboot; as Debian has it."""
    return {
        "/run": "mode=755,size=64m",
        "/run/lock": "mode=1777,size=5m",
        "/tmp": f"exec,mode=1777,size={memory // 2}",  # noqa: S108
    }


def attempt_labels(home: str, spec: MachineSpec) -> dict[str, str]:
    owner = owner_labels(home, spec.attempt, spec.scenario, spec.host, spec.role)
    return {**owner, labels.HIDDEN: "1" if spec.hidden else ""}


def owner_labels(home: str, attempt: str, scenario: str, host: str, role: str) -> dict[str, str]:
    return {
        labels.HOME: home,
        labels.ATTEMPT: attempt,
        labels.SCENARIO: scenario,
        labels.HOST: host,
        labels.ROLE: role,
    }


def environment(spec: MachineSpec, placement: Placement, created: float) -> dict[str, str]:
    """What the machine program is told; it keeps none of it for init."""
    place = placement.places[spec.host]
    return {
        "INTERNBOX_INIT": spec.init,
        "INTERNBOX_HOSTNAME": spec.hostname,
        "INTERNBOX_DOORS": f"{place.grader_port},{place.learner_port}",
        "INTERNBOX_WIRES": " ".join(map(wire, spec.wires)),
        "INTERNBOX_KEY": spec.grader_key,
        "INTERNBOX_HOSTKEY": spec.host_key,
        "INTERNBOX_CREATED": f"{created:.3f}",
        "INTERNBOX_SEAL": spec.seal,
    }


def wire(w: WireSpec) -> str:
    """`nic,bridge,mac,address,gateway`. The bridge stands for the wire in the rack: a name of 15
    characters at most, the same on every host."""
    bridge = f"wire{hashlib.sha256(w.wire.encode()).hexdigest()[:8]}"
    return ",".join([w.nic, bridge, w.mac, w.address, w.gateway])


def security_options(kinds: tuple[str, ...]) -> list[str]:
    """docker-default of AppArmor and SELinux's type forbid the mounts that make a machine."""
    options = ["no-new-privileges=false"]  # an engine may have it as its default; sudo needs it off
    if "apparmor" in kinds:
        options.append("apparmor=unconfined")
    if "selinux" in kinds:
        options.append("label=disable")
    return options


def mounts(spec: MachineSpec, tools_volume: str) -> list[dict[str, Any]]:
    """The tools, read-only, and the machine's own small disks."""
    found = [volume_mount(tools_volume, TOOLS, read_only=True)]
    for index, volume in enumerate(spec.volumes):
        found.append(volume_mount(volume_name(spec, index), volume.path))
    return found


def volume_mount(volume: str, path: str, *, read_only: bool = False) -> dict[str, Any]:
    return {
        "Type": "volume",
        "Source": volume,
        "Target": path,
        "ReadOnly": read_only,
        "VolumeOptions": {"NoCopy": True},
    }


def request(
    engine: Engine, home: str, spec: MachineSpec, placement: Placement, tools_volume: str
) -> dict[str, Any]:
    """Keyword arguments of the SDK's create_container, for a machine."""
    created = engine.clock()
    asked: dict[str, Any] = {
        "image": spec.image,
        "name": name(spec),
        "entrypoint": [MACHINE],
        "command": [],
        "user": "0:0",
        "working_dir": "/",
        "environment": environment(spec, placement, created),
        "labels": {**attempt_labels(home, spec), labels.CREATED: f"{created:.3f}"},
        "tty": True,
        "stdin_open": True,
        "stop_signal": "SIGRTMIN+3",
        "stop_timeout": STOP_SECONDS,
        "healthcheck": {"Test": ["NONE"]},  # it would run inside, with the host's capabilities
        "host_config": _host_config(engine, spec, tools_volume),
    }
    if not placement.rack:
        return published(asked, engine.endpoint.bind, ports_of(placement.places.values()))
    return {**asked, "host_config": {**asked["host_config"], "NetworkMode": within(placement.rack)}}


def _host_config(engine: Engine, spec: MachineSpec, tools_volume: str) -> dict[str, Any]:
    memory = memory_bytes(spec.memory)
    return {
        "CapAdd": [*CAPABILITIES, *spec.capabilities],
        "CgroupnsMode": "private",
        "SecurityOpt": security_options(engine.security()),
        "Tmpfs": tmpfs(memory),
        "Mounts": mounts(spec, tools_volume),
        "Memory": memory,
        "MemorySwap": memory,  # the same: no swap
        "PidsLimit": spec.pids,
        "RestartPolicy": dict(RESTART),
        **_processors(engine.facts(), spec),
        **keeping(),
    }


def rack_request(
    engine: Engine, image: str, called: str, mark: dict[str, str], ports: Collection[int]
) -> dict[str, Any]:
    """Keyword arguments of the SDK's create_container, for a rack. It does not come back with the
    engine, nor do then its machines, until woken."""
    return published(idle_request(image, called, mark, {}), engine.endpoint.bind, ports)


def idle_request(
    image: str, called: str, mark: dict[str, str], host_config: dict[str, Any]
) -> dict[str, Any]:
    """Keyword arguments of the SDK's create_container, for one that does nothing but be there."""
    return {
        "image": image,
        "name": called,
        "entrypoint": [MACHINE, "wait"],
        "labels": mark,
        "host_config": {"CapDrop": ["ALL"], **host_config, **keeping()},
    }


def published(asked: dict[str, Any], address: str, ports: Collection[int]) -> dict[str, Any]:
    """The same request, on the management network; a port is the same number inside and outside."""
    bindings = {f"{port}/tcp": [{"HostIp": address, "HostPort": str(port)}] for port in ports}
    return {
        **asked,
        "ports": list(ports),
        "labels": {**asked["labels"], labels.PORTS: ",".join(map(str, ports))},
        "host_config": {**asked["host_config"], "NetworkMode": NETWORK, "PortBindings": bindings},
    }


def within(rack: str) -> str:
    """The network mode of what stands in a rack; without one, of what needs no network."""
    return f"container:{rack}" if rack else "none"


def _processors(facts: dict[str, Any], spec: MachineSpec) -> dict[str, int]:
    """The one limit that an engine refuses to drop, with a warning, where its kernel lacks it.

    By the second: by the tenth of one, as the engine would have it, a boot that keeps two
    processors busy for half a second is held up again and again.
    """
    if not facts.get("CpuCfsQuota", True):
        return {}
    return {"CpuPeriod": CPU_PERIOD, "CpuQuota": int(spec.cpus * CPU_PERIOD)}


def keeping() -> dict[str, Any]:
    """What a container needs that stays: its log stays small, PID 1 is ours."""
    return {"LogConfig": LOG, "Init": False}


def memory_bytes(text: str) -> int:
    """`256m`, `1g` in bytes."""
    return int(text[:-1]) * {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}[text[-1]]


def memory_mib(stats: dict[str, Any]) -> float | None:
    """MiB in use by the engine's `memory_stats`, without the cache that the kernel may drop.

    None where the kernel does not account for memory.
    """
    if not stats.get("usage"):
        return None
    detail = stats.get("stats") or {}
    cache = detail.get("total_inactive_file", detail.get("inactive_file", 0))
    return float(max(0, stats["usage"] - cache)) / 2**20
