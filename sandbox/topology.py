"""Brings the machines of a variant up: keys, specs, preparation, readiness."""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from sandbox import ssh, variants
from sandbox.errors import ContentError, MachineError, Unreachable
from sandbox.lab import HostRecord, LabRecord
from sandbox.models import Host
from sandbox.paths import AttemptFiles, replacing
from sandbox.readiness import BOOT_SECONDS, require_inotify, settle, wait_ready
from sandbox.runtime.base import MachineSpec, Placement, Runtime, VolumeSpec, WireSpec
from sandbox.scenarios import Loaded
from sandbox.variants import Variant
from sandbox.variants.keys import ed25519

ONLINE_SECONDS = 180.0
BOOT = "/opt/internbox/boot"
MACHINE = "/opt/internbox/machine"

Scripts = dict[str, str]  # what a host runs once with its services up; "" for nothing

T = TypeVar("T")
R = TypeVar("R")


def in_parallel(work: Callable[[T], R], items: Iterable[T], *, width: int = 8) -> list[R]:
    """The results in order; the first error is raised once all have ended."""
    todo = list(items)
    if len(todo) < 2:
        return [work(item) for item in todo]
    with ThreadPoolExecutor(min(width, len(todo))) as pool:
        futures = [pool.submit(work, item) for item in todo]
    return [future.result() for future in futures]


@dataclass(frozen=True)
class Bringer:
    """One attempt's machines in the making.

    `learner_key` and `grader_key` are OpenSSH public lines; the grader's private key lies at
    `files.grader_key`.
    """

    runtime: Runtime
    loaded: Loaded
    variant: Variant
    attempt: str
    files: AttemptFiles
    manifests: Path
    learner_key: str
    grader_key: str
    console_password: str

    @classmethod
    def make(
        cls,
        *,
        runtime: Runtime,
        loaded: Loaded,
        variant: Variant,
        attempt: str,
        files: AttemptFiles,
        manifests: Path,
        new: bool,
    ) -> Bringer:
        """For a start (`new`): keys of learner and grader that are on disk before any machine
        knows them. For what comes after it: the keys that were written then."""
        if new:
            learner, grader = ssh.key_pair(f"intern@{attempt}"), ssh.key_pair(f"grader@{attempt}")
            ssh.write_keys(files, learner=learner, grader=grader)
            public = learner.public, grader.public
        else:
            public = ssh.public_keys(files)
        return cls(runtime, loaded, variant, attempt, files, manifests, *public, new_password())

    @cached_property
    def password_hash(self) -> str:
        """The console's password as /etc/shadow holds it, the same on every machine."""
        return ssh.crypt(self.console_password)

    # --- what is to be created ----------------------------------------------------------------

    def spec(self, name: str, images: dict[str, str]) -> tuple[MachineSpec, str, str, str]:
        """The spec of a host, its online script, and the public host keys: grader's, learner's."""
        from sandbox import rendering  # 70 ms that a check need not wait for

        host = self.loaded.settings.hosts[name]
        grader_host_key = ssh.key_pair(f"grader@{name}")
        # drawn: after a reset, and in a regrade, machines that know each other still do
        draw = variants.rng(self.variant.seed, self.loaded.id, f"host key\0{name}")
        login_host_key = ed25519(draw, f"root@{name}")
        layout = rendering.layout(
            self.loaded,
            self.variant,
            name,
            rendering.personality(
                self.loaded,
                self.variant,
                name,
                host_key=(login_host_key.private, login_host_key.public),
                authorized_key=self.learner_key,
                password_hash=self.password_hash,
            ),
        )
        spec = MachineSpec(
            attempt=self.attempt,
            scenario=self.loaded.id,
            host=name,
            image=images[host.image],
            hostname=host.hostname or name,
            role="fresh" if host.fresh else "machine",
            hidden=host.hidden or host.fresh,
            init=host.init,
            memory=host.memory,
            cpus=host.cpus,
            pids=host.pids,
            capabilities=tuple(host.capabilities),
            volumes=tuple(VolumeSpec(v.path, v.size, v.inodes) for v in host.volumes),
            wires=self.wires(name, host),
            archive=rendering.pack(layout, self.variant.anchor),
            grader_key=self.grader_key,
            host_key=ssh.dropbear_host_key(grader_host_key.private),
        )
        return spec, layout.online, grader_host_key.public, login_host_key.public

    def wires(self, name: str, host: Host) -> tuple[WireSpec, ...]:
        bare = host.init == "none"  # no networkd there: the machine program sets the address
        return tuple(
            WireSpec(
                wire=plug.wire,
                nic=plug.nic or f"lan{index}",
                mac=mac_address(self.variant.seed, self.loaded.id, name, index),
                address=self.variant.format(plug.address) if bare else "",
                gateway=self.variant.format(plug.gateway) if bare else "",
            )
            for index, plug in enumerate(host.wires)
        )

    # --- doing it -----------------------------------------------------------------------------

    def plan(
        self, images: dict[str, str], placing: Future[Placement]
    ) -> tuple[dict[str, MachineSpec], Scripts, LabRecord]:
        """Specs and online scripts by host, and the machines to be, in their places."""
        settings = self.loaded.settings
        made = {name: self.spec(name, images) for name in settings.hosts}
        placement = placing.result()
        record = LabRecord(
            hosts={
                name: HostRecord(
                    host=name,
                    hidden=spec.hidden,
                    fresh=settings.hosts[name].fresh,
                    init=spec.init,
                    place=placement.places[name],
                    grader_host_key=grader_key,
                    learner_host_key=login_key,
                    seal=spec.seal,
                )
                for name, (spec, _, grader_key, login_key) in made.items()
            },
            rack=placement.rack,
            images=images,
            learner_host=settings.learner
            or next(name for name, host in settings.hosts.items() if not host.hidden),
            console_password=self.console_password,
        )
        specs = {name: spec for name, (spec, *_) in made.items()}
        return specs, {name: online for name, (_, online, *_) in made.items()}, record

    def all(self, images: dict[str, str], placing: Future[Placement]) -> LabRecord:
        """Creates, starts and prepares every standing machine."""
        specs, scripts, record = self.plan(images, placing)
        placement = placing.result()
        threading.Thread(target=ssh.library, daemon=True).start()  # imports while the engine works
        in_parallel(lambda host: self.launch(host, specs[host.host], placement), record.standing())
        with ExitStack() as links:

            def prepared(host: HostRecord) -> tuple[HostRecord, ssh.Connection]:
                link = self.prepare(host, scripts[host.host])
                return host, links.enter_context(link)

            standing = in_parallel(prepared, record.standing())
            in_parallel(lambda one: self.hand_over(*one), standing)
        return record

    def fresh(self, record: LabRecord, name: str) -> HostRecord:
        """A new machine in the place of a fresh host, with keys of its own; ready for use."""
        self.runtime.remove(self.attempt, host=name)
        spec, online, grader_key, login_key = self.spec(name, record.images)
        host = HostRecord(
            host=name,
            hidden=True,
            fresh=True,
            init=spec.init,
            place=record.hosts[name].place,
            grader_host_key=grader_key,
            learner_host_key=login_key,
            seal=spec.seal,
        )
        self.launch(host, spec, record.placement)
        with self.prepare(host, online) as link:
            self.hand_over(host, link)
        return host

    def probe(self, record: LabRecord) -> bool:
        """Whether a machine made just for this question boots and answers on this engine."""
        image = next(iter(record.images.values()))
        key = ssh.key_pair("grader@probe")
        spec = MachineSpec(
            attempt=self.attempt,
            scenario=self.loaded.id,
            host="probe",
            image=image,
            hostname="probe",
            role="probe",
            hidden=True,
            init="none",
            grader_key=self.grader_key,
            host_key=ssh.dropbear_host_key(key.private),
        )
        self.runtime.remove(self.attempt, host="probe")  # of a grade that was killed
        placement = self.runtime.place(self.attempt, self.loaded.id, {"probe": False}, host="probe")
        host = HostRecord(
            host="probe",
            hidden=True,
            fresh=True,
            init="none",
            place=placement.places["probe"],
            grader_host_key=key.public,
        )
        try:
            host.container = self.runtime.launch(spec, placement)
            with ssh.connect(
                grader_endpoint(host, self.files.grader_key), deadline=BOOT_SECONDS
            ) as link:
                return link.run("echo yes").stdout == "yes\n"
        finally:
            self.runtime.remove(self.attempt, host="probe")

    def has(self, hosts: Iterable[HostRecord]) -> bool:
        """Whether the engine runs these machines, in the network that they began in."""
        machines = self.runtime.machines(self.attempt)
        there = {machine.id for machine in machines if machine.state != "asleep"}
        there -= self.runtime.cut_off(self.attempt)
        return all(host.container in there for host in hosts)

    def manifest(self, reference: str) -> str:
        """What a clean machine of this image holds; asked of the engine once."""
        name = hashlib.sha256(reference.encode()).hexdigest()[:16]
        kept = self.manifests / name
        if not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            with replacing(kept) as draft:
                draft.write_text(self.runtime.manifest(reference))
        return kept.read_text()

    def write_ssh(self, record: LabRecord) -> None:
        """The learner's ssh_config and known_hosts."""
        ssh.write_config(
            self.files,
            [learner_endpoint(host, self.files.learner_key) for host in record.visible()],
        )

    def launch(self, host: HostRecord, spec: MachineSpec, placement: Placement) -> None:
        host.container = self.runtime.launch(spec, placement)

    def prepare(self, host: HostRecord, online: str) -> ssh.Connection:
        """Waits for the first boot; runs the scenario's online script, scrubs, boots anew.

        The connection stands, for `hand_over`.
        """
        endpoint = grader_endpoint(host, self.files.grader_key)
        link = self._first_answer(host, endpoint)
        with ExitStack() as unfinished:
            unfinished.enter_context(link)
            self._went_well(host, link)
            if not online:
                unfinished.pop_all()
                return link
            previous = self._go_online(host, link, online)
        self.runtime.restart(host.container)
        return ssh.wait_boot(endpoint, previous=previous, deadline=BOOT_SECONDS)

    def _went_well(self, host: HostRecord, link: ssh.Connection) -> None:
        failed = link.run(f"cat {BOOT}/failed 2>/dev/null")
        if failed.rc == 0:
            raise ContentError(
                f"{self.loaded.id}: the offline script of {host.host} failed:\n{failed.stdout}",
                hint=f"mend hosts/{host.host}/offline.sh or the fault's, then start again",
            )

    def _go_online(self, host: HostRecord, link: ssh.Connection, online: str) -> str:
        """Runs the online script and takes its traces away; the boot in which it did."""
        settle(link)
        result = link.run("bash -s", stdin=online.encode(), timeout=ONLINE_SECONDS)
        if result.rc:
            raise ContentError(
                f"{self.loaded.id}: the online script of {host.host} failed "
                f"(exit {result.rc}):\n{result.stdout[-4000:]}{result.stderr[-4000:]}",
                hint=f"mend hosts/{host.host}/online.sh or the fault's, then start again",
            )
        link.run("bash -s", stdin=SCRUB.encode(), timeout=30)
        return boot_id(link)

    def _first_answer(self, host: HostRecord, endpoint: ssh.Endpoint) -> ssh.Connection:
        try:
            return ssh.connect(endpoint, deadline=BOOT_SECONDS)
        except Unreachable as error:
            log = self.runtime.console_log(host.container)[-2000:]
            require_inotify(host.host, log)
            raise MachineError(
                f"{host.host} did not boot within {BOOT_SECONDS:.0f} s: {error.message}"
                + (f"\nIts console says:\n{log}" if log.strip() else ""),
                hint="internbox doctor",
            ) from error

    def hand_over(self, host: HostRecord, link: ssh.Connection) -> None:
        """Waits until the host is ready and notes what it is like before any learner came."""
        conditions = self.loaded.settings.hosts[host.host].ready
        ready = [self.variant.format(condition) for condition in conditions]
        if not host.hidden:
            ready.append("login:22" if ready else "tcp:22")
        told = wait_ready(link, host.host, ready, then=f"date +%s.%N; cat {BOOT}/report")
        clock, _, host.baseline = told.partition("\n")
        host.since = float(clock)


# --- pieces that grading uses too ---------------------------------------------------------------

SCRUB = r"""
set -u
systemctl stop systemd-journald.socket systemd-journald-dev-log.socket systemd-journald 2>/dev/null
rm -rf /var/log/journal/*/* /run/log/journal/*/*
for log in /var/log/wtmp /var/log/btmp /var/log/lastlog /var/log/wtmp.db; do
    [ -e "$log" ] && : > "$log"
done
find /tmp /var/tmp -mindepth 1 -delete
rm -f /root/.bash_history /root/.psql_history /root/.viminfo /root/.lesshst
true
"""


def mac_address(seed: str, scenario: str, host: str, index: int) -> str:
    """A locally administered address, the same for the same variant."""
    digest = hashlib.sha256(f"{seed}\0{scenario}\0{host}\0{index}".encode()).digest()
    return "02:" + ":".join(f"{byte:02x}" for byte in digest[:5])


def grader_endpoint(host: HostRecord, key: Path) -> ssh.Endpoint:
    """The grader's way in: root, by the tools' server."""
    return ssh.Endpoint(
        host=host.host,
        connect=host.place.connect,
        port=host.place.grader_port,
        user="root",
        key=key,
        host_key=host.grader_host_key,
    )


def learner_endpoint(host: HostRecord, key: Path) -> ssh.Endpoint:
    """The learner's way in: intern, by the machine's own sshd."""
    return ssh.Endpoint(
        host=host.host,
        connect=host.place.connect,
        port=host.place.learner_port,
        user="intern",
        key=key,
        host_key=host.learner_host_key,
    )


def boot_id(link: ssh.Connection) -> str:
    return link.run(f"cat {BOOT}/boot_id").stdout.strip()


def new_password() -> str:
    """A password for the console, easy to type."""
    return "-".join(secrets.token_hex(2) for _ in range(2))
