"""Boots two machines and tries what everything else relies on."""

from __future__ import annotations

import io
import secrets
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from sandbox import scratch
from sandbox.doctor.bench import Bench
from sandbox.errors import InternboxError
from sandbox.paths import builtin_content

if TYPE_CHECKING:
    from sandbox import ssh
    from sandbox.runtime.base import MachineSpec, Placement, Runtime

IMAGE = "base"
BOOT_SECONDS = 60.0
WIRE = {"one": "10.99.0.1", "two": "10.99.0.2"}
BOOT = "/opt/internbox/boot"
SYS_ADMIN = 21  # the capability's number
FORGED = "/usr/local/bin/ls"


class Trial(Struct, frozen=True, kw_only=True):
    """One thing that was tried; `skipped` when an earlier one made it pointless."""

    name: str
    state: Literal["ok", "bad", "skipped"]
    found: str
    seconds: float = 0.0


class NotSoError(Exception):
    """What was tried is not as it must be."""


@dataclass
class Lab:
    """The two machines of a probe, and the keys to them."""

    runtime: Runtime
    attempt: str
    key: Path
    reference: str
    host_keys: dict[str, ssh.KeyPair]
    placement: Placement | None = None
    containers: dict[str, str] = field(default_factory=dict)

    def endpoint(self, host: str) -> ssh.Endpoint:
        from sandbox import ssh

        assert self.placement is not None
        place = self.placement.places[host]
        return ssh.Endpoint(
            host=host,
            connect=place.connect,
            port=place.grader_port,
            user="root",
            key=self.key,
            host_key=self.host_keys[host].public,
        )

    def run(self, command: str, *, host: str = "one", timeout: float = 30) -> ssh.Result:
        from sandbox import ssh

        with ssh.connect(self.endpoint(host), deadline=BOOT_SECONDS) as link:
            return link.run(command, timeout=timeout)

    def expect(self, command: str, *, host: str = "one") -> str:
        """The command's output; NotSoError when it fails."""
        result = self.run(command, host=host)
        if result.rc:
            said = (result.stderr or result.stdout).strip().splitlines()
            raise NotSoError(f"{command}: {said[-1] if said else f'exit code {result.rc}'}")
        return result.stdout.strip()


def probe(bench: Bench) -> list[Trial]:
    """Everything tried in turn, on machines that are removed afterwards."""
    trials: list[Trial] = []
    with _lab(bench) as lab:
        for name, trial in TRIALS.items():
            bench.progress(f"trying: {name}")
            trials.append(_tried(name, trial, lab, booted=not trials or trials[0].state == "ok"))
    return trials


def _tried(name: str, trial: Callable[[Lab], str], lab: Lab, *, booted: bool) -> Trial:
    if not booted:
        return Trial(name=name, state="skipped", found="the machines did not boot")
    begun = time.monotonic()
    try:
        state, found = "ok", trial(lab)
    except NotSoError as error:
        state, found = "bad", str(error)
    except InternboxError as error:
        state, found = "bad", error.message
    seconds = round(time.monotonic() - begun, 2)
    return Trial(name=name, state=state, found=found, seconds=seconds)  # type: ignore[arg-type]


@contextmanager
def _lab(bench: Bench) -> Iterator[Lab]:
    from sandbox import ssh

    runtime = bench.runtime
    reference = runtime.ensure_images(builtin_content(), [IMAGE], bench.progress)[IMAGE]
    grader = ssh.key_pair("grader@probe")
    with scratch.folder() as folder:
        key = Path(folder) / "grader"
        key.touch(mode=0o600)
        key.write_text(grader.private)
        host_keys = {host: ssh.key_pair(f"root@{host}") for host in WIRE}
        lab = Lab(runtime, f"probe-{secrets.token_hex(3)}", key, reference, host_keys)
        specs = [_spec(lab, host, grader.public) for host in WIRE]
        try:
            doors = dict.fromkeys(WIRE, False)
            lab.placement = runtime.place(lab.attempt, "doctor/probe", doors)
            for spec in specs:
                lab.containers[spec.host] = runtime.create(spec, lab.placement)
            yield lab
        finally:
            runtime.remove(lab.attempt)


def _spec(lab: Lab, host: str, grader_key: str) -> MachineSpec:
    from sandbox import ssh
    from sandbox.runtime.base import MachineSpec, WireSpec

    mac = f"02:00:00:00:00:0{list(WIRE).index(host) + 1}"
    return MachineSpec(
        attempt=lab.attempt,
        scenario="doctor/probe",
        host=host,
        image=lab.reference,
        hostname=host,
        role="probe",
        wires=(WireSpec(wire="probe", nic="lan0", mac=mac),),
        archive=_archive({"etc/systemd/network/10-lan0.network": _network(WIRE[host])}),
        grader_key=grader_key,
        host_key=ssh.dropbear_host_key(lab.host_keys[host].private),
    )


def _network(address: str) -> str:
    return f"[Match]\nName=lan0\n\n[Network]\nAddress={address}/24\n"


def _archive(files: dict[str, str]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text), 0o644
            tar.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()


# --- what is tried ------------------------------------------------------------------------------


def boots(lab: Lab) -> str:
    """Two machines, from start to an answer over SSH."""
    begun = time.monotonic()
    for container in lab.containers.values():
        lab.runtime.start(container)
    for host in lab.containers:
        try:
            lab.expect("true", host=host)
        except InternboxError as error:
            log = lab.runtime.console_log(lab.containers[host]).strip().splitlines()
            raise NotSoError(
                f"{error.message}; console: {' / '.join(log[-3:]) or 'empty'}"
            ) from error
    return f"both answered after {time.monotonic() - begun:.1f} s"


def systemd_runs(lab: Lab) -> str:
    state = lab.run("systemctl is-system-running --wait", timeout=60).stdout.strip()
    if state != "running":
        failed = lab.run("systemctl list-units --failed --plain --no-legend").stdout.split("\n")[0]
        raise NotSoError(f"systemd says {state or 'nothing'}: {failed}")
    return lab.expect("systemctl --version | head -n 1")


def own_network(lab: Lab) -> str:
    names = lab.expect("cd /sys/class/net && ls -d */ | tr -d /").split()
    if sorted(names) != ["lan0", "lo"]:
        raise NotSoError(f"the machine sees {', '.join(names)}, not only lo and lan0")
    return "only lo and its wire"


def wire_carries(lab: Lab) -> str:
    """veth and bridge of this kernel; a full frame passes whole."""
    for _ in range(10):
        if lab.run(f"ping -c 1 -W 1 {WIRE['two']}").rc == 0:
            lab.expect(f"ping -c 1 -W 2 -M do -s 1472 {WIRE['two']}")
            return "ping, and 1472 bytes unfragmented"
        time.sleep(0.5)
    raise NotSoError("no ping from one machine to the other")


def no_way_out(lab: Lab) -> str:
    if lab.expect("ip route show default"):
        raise NotSoError("there is a default route")
    return "no route but the wire's"


def grader_passes_firewall(lab: Lab) -> str:
    """The learner may drop every packet and stop sshd: the grader still gets in."""
    lab.expect(
        "nft add table inet probe"
        " && nft add chain inet probe i '{ type filter hook input priority 0; policy drop; }'"
        " && nft add chain inet probe o '{ type filter hook output priority 0; policy drop; }'"
    )
    try:
        lab.expect("true")
    finally:
        lab.run("nft delete table inet probe")
    return "let in while nft dropped everything"


def no_sys_admin(lab: Lab) -> str:
    for name in ("CapEff", "CapBnd"):
        value = lab.expect(f"awk '/^{name}/ {{ print $2 }}' /proc/1/status")
        if int(value, 16) >> SYS_ADMIN & 1:
            raise NotSoError(f"init has SYS_ADMIN in {name}")
    return "init has no SYS_ADMIN"


def mount_refused(lab: Lab) -> str:
    if lab.run("systemd-run --quiet --wait --pipe mount -t tmpfs none /mnt").rc == 0:
        raise NotSoError("a process of the machine could mount")
    return "mount is refused"


def sysctl_of_network(lab: Lab) -> str:
    lab.expect("systemd-run --quiet --wait --pipe sysctl -w net.ipv4.ip_forward=1")
    same = lab.expect("cat /proc/sys/kernel/panic")  # should it be let through, nothing changes
    if lab.run(f"systemd-run --quiet --wait --pipe sysctl -w kernel.panic={same}").rc == 0:
        raise NotSoError("kernel.* can be written")
    return "net.* can be written, kernel.* not"


def cgroup_writable(lab: Lab) -> str:
    lab.expect("systemd-run --quiet --wait --pipe -p TasksMax=20 true")
    return "systemd makes cgroups"


def tampering_is_measured(lab: Lab) -> str:
    """A program put in the way of ls shows up in the measurement."""
    now = lab.expect("date +%s")
    lab.expect(f"sleep 1; printf '#!/bin/sh\\n' > {FORGED}")
    measured = lab.expect(f"/opt/internbox/machine measure {now}")
    if FORGED not in measured:
        raise NotSoError(f"{FORGED} was not found by the measurement")
    lab.expect(f"rm {FORGED}")
    return f"{FORGED} was found"


def reboots(lab: Lab) -> str:
    """As a learner would: `reboot`. The machine comes back as another boot."""
    from sandbox import ssh

    before = lab.expect(f"cat {BOOT}/boot_id")
    begun = time.monotonic()
    lab.run("systemctl reboot")
    with ssh.wait_boot(lab.endpoint("one"), previous=before, deadline=BOOT_SECONDS) as link:
        told = link.run("cat /proc/sys/kernel/random/boot_id").stdout.strip()
    if not told or told == before:
        raise NotSoError("the machine has the boot_id of its last boot")
    return f"back after {time.monotonic() - begun:.1f} s, with a boot_id of its own"


def wire_survives(lab: Lab) -> str:
    return wire_carries(lab)


def measured_boot(lab: Lab) -> str:
    lab.expect(f"tail -n 1 {BOOT}/report | grep ^seal")
    return "a sealed report was written before init"


def memory_used(lab: Lab) -> str:
    machines = lab.runtime.machines(lab.attempt, memory=True)
    used = [machine.memory_mib for machine in machines if machine.memory_mib is not None]
    if not used:
        raise NotSoError("the engine does not say how much memory a machine uses")
    return f"{sum(used) / len(used):.0f} MiB a machine"


TRIALS: dict[str, Callable[[Lab], str]] = {
    "boots": boots,
    "systemd": systemd_runs,
    "own network": own_network,
    "wire": wire_carries,
    "no way out": no_way_out,
    "firewall": grader_passes_firewall,
    "capabilities": no_sys_admin,
    "mount": mount_refused,
    "sysctl": sysctl_of_network,
    "cgroup": cgroup_writable,
    "tampering": tampering_is_measured,
    "reboot": reboots,
    "wire after it": wire_survives,
    "measured boot": measured_boot,
    "memory": memory_used,
}
