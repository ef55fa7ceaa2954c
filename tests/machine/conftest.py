"""Machines on a real engine, made with no more than the docker SDK."""

from __future__ import annotations

import base64
import io
import json
import secrets
import socket
import struct
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import paramiko
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from sandbox.runtime.debian import own_reference

IMAGES = Path(__file__).parents[2] / "images"
LABEL = {"internbox.test": "machine-image"}
BASE = "debian:trixie"
SUBNET = "172.31.%d.0/24"
TOOLS = "/opt/internbox"


def wait_for(what: str, probe: Callable[[], Any], seconds: float = 20) -> Any:
    """The first true answer of `probe`; an answer that raises is none."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if answer := probe():
                return answer
        except (OSError, EOFError, paramiko.SSHException) as error:
            last: object = error
        else:
            last = "no"
        assert time.monotonic() < deadline, f"{what}: {last}"
        time.sleep(0.05)


def archive(files: dict[str, tuple[int, str]]) -> bytes:
    """A tar of path → (mode, content), owned by root."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path, (mode, content) in files.items():
            member = tarfile.TarInfo(path)
            member.mode, member.size = mode, len(content.encode())
            tar.addfile(member, io.BytesIO(content.encode()))
    return out.getvalue()


def host_key() -> str:
    """A new ed25519 key as dropbear stores it, in base64."""
    key = Ed25519PrivateKey.generate()
    pair = key.private_bytes_raw() + key.public_key().public_bytes_raw()
    name = b"ssh-ed25519"
    return base64.b64encode(
        struct.pack(">I", len(name)) + name + struct.pack(">I", 64) + pair
    ).decode()


def openssh_key() -> str:
    """A new ed25519 key as the learner's sshd reads it."""
    form = (Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    return Ed25519PrivateKey.generate().private_bytes(*form).decode()


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Machine:
    """A container with the machine's entrypoint, and the grader's way into it."""

    def __init__(self, lab: Lab, container: Any, rack: Any, ports: tuple[int, int]) -> None:
        self.lab, self.container, self.rack = lab, container, rack
        self.port, self.learner_port = ports
        self.client: paramiko.SSHClient | None = None

    def connect(self, user: str = "root", key: paramiko.PKey | None = None) -> paramiko.SSHClient:
        client = paramiko.SSHClient()
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        client.connect(
            "127.0.0.1",
            self.port,
            user,
            pkey=key or self.lab.key,
            look_for_keys=False,
            allow_agent=False,
            timeout=5,
            banner_timeout=5,
        )
        return client

    def run(self, command: str) -> str:
        """Standard output and error of a command that the grader runs, stripped."""
        if self.client is None:
            self.client = self.enter()
        _, out, _ = self.client.exec_command(f"{{ {command}\n}} 2>&1", timeout=60)
        return out.read().decode().strip()

    def enter(self) -> paramiko.SSHClient:
        try:
            client: paramiko.SSHClient = wait_for("the grader's door", self.connect)
        except AssertionError as error:
            self.container.reload()
            error.add_note(
                f"{self.container.attrs['State']}, {self.container.attrs['RestartCount']}"
            )
            error.add_note(self.container.logs(tail=30).decode(errors="replace"))
            raise
        return client

    def wait(self, command: str, answer: str) -> None:
        """Until the command's output ends in `answer`."""
        wait_for(command, lambda: self.run(command).endswith(answer))

    def wait_for_init(self, state: str = "running") -> None:
        """Until systemd has started all there is; its own --wait fails before D-Bus is up."""
        self.wait("systemctl is-system-running", state)

    def forget(self) -> None:
        if self.client:
            self.client.close()
        self.client = None

    def reboot(self, command: str | None = None) -> None:
        """Restarts by the engine, or by a command inside, and waits until the machine is back."""
        before = self.run("cat /proc/sys/kernel/random/boot_id")
        if command:
            self.run(f"({command}) > /dev/null 2>&1 &")
        else:
            self.container.restart(timeout=10)

        def is_new() -> bool:
            self.forget()
            client = self.connect()
            with closing(client):
                _, out, _ = client.exec_command("cat /proc/sys/kernel/random/boot_id", timeout=5)
                return out.read().decode().strip() not in ("", before)

        wait_for("the machine's return", is_new, 40)


@dataclass
class Rack:
    """A container whose network namespace machines begin in, with ports for two doors each."""

    container: Any
    address: str
    ports: list[tuple[int, int]]  # of machines still to come

    def address_of(self, bridge: str) -> str:
        """The bridge's own MAC address, which no machine on it is told."""
        return str(json.loads(self._told("ip", "-j", "link", "show", bridge))[0]["address"])

    def taken_in(self) -> dict[str, int]:
        """How many pings the rack itself was asked to answer, and packets it has passed on."""
        rows = [line.split() for line in self._told("cat", "/proc/net/snmp").splitlines()]
        counted: dict[str, int] = {}
        for names, numbers in zip(rows[::2], rows[1::2], strict=True):
            counted |= {names[0] + n: int(v) for n, v in zip(names[1:], numbers[1:], strict=True)}
        return {name: counted[name] for name in ("Icmp:InEchos", "Ip:ForwDatagrams")}

    def _told(self, *command: str) -> str:
        """What a command prints in the rack's network."""
        process = self.container.attrs["State"]["Pid"]
        entering = ["nsenter", "-t", str(process), "-n", *command]
        told = subprocess.run(entering, capture_output=True, text=True, check=False)
        if told.returncode:
            pytest.skip(f"only root on the engine's own host sees the rack: {told.stderr}")
        return told.stdout


class Lab:
    """One management network and one tools volume; removes all it made."""

    def __init__(self, engine: Any, base: str) -> None:
        self.engine, self.base = engine, base
        self.tools_image, self.machine_image = "internbox/dev-machine", "internbox/dev-base"
        self.build("machine", self.tools_image)
        self.build("base", self.machine_image)
        self.key = paramiko.RSAKey.generate(2048)
        self.sshd_key = openssh_key()
        self.seal = secrets.token_hex(32)
        self.containers: list[Any] = []
        self.network, self.prefix = self.make_network()
        self.volume = engine.volumes.create(labels=LABEL)
        mount = {self.volume.name: {"bind": TOOLS, "mode": "rw"}}
        engine.containers.create(self.tools_image, volumes=mount, labels=LABEL).remove()

    def build(self, name: str, tag: str, **options: Any) -> Any:
        path, arguments = str(IMAGES / name), {"BASE": self.base}
        return self.engine.images.build(
            path=path, buildargs=arguments, tag=tag, rm=True, **options
        )[0]

    def make_network(self) -> tuple[Any, str]:
        for third in range(200, 250):
            pool = docker.types.IPAMPool(subnet=SUBNET % third)
            try:
                network = self.engine.networks.create(
                    f"internbox-test-{third}",
                    ipam=docker.types.IPAMConfig(pool_configs=[pool]),
                    labels=LABEL,
                    check_duplicate=True,
                )
            except docker.errors.APIError:
                continue
            return network, f"172.31.{third}."
        raise AssertionError("no free subnet for the test's network")

    def rack(self, machines: int = 1) -> Rack:
        ports = [(free_port(), free_port()) for _ in range(machines)]
        published = {port: ("127.0.0.1", port) for pair in ports for port in pair}
        api = self.engine.api
        made = api.create_container(
            self.tools_image,
            entrypoint=[f"{TOOLS}/machine", "wait"],
            labels=LABEL,
            ports=list(published),
            host_config=api.create_host_config(
                port_bindings=published, network_mode=self.network.name
            ),
        )
        container = self.engine.containers.get(made["Id"])
        self.containers.append(container)
        container.start()
        container.reload()
        networks = container.attrs["NetworkSettings"]["Networks"]
        return Rack(container, networks[self.network.name]["IPAddress"], ports)

    def create(
        self,
        name: str,
        *,
        rack: Rack | None = None,
        wires: str = "",
        init: str = "systemd",
        files: dict[str, tuple[int, str]] | None = None,
        learner: bool = True,
        image: str = "",
        environment: dict[str, str] | None = None,
    ) -> Machine:
        """A machine that is not yet started, in a rack of its own unless one is given."""
        rack = rack or self.rack()
        port, learner_port = rack.ports.pop(0)
        variables = {
            "INTERNBOX_INIT": init,
            "INTERNBOX_HOSTNAME": name,
            "INTERNBOX_DOORS": f"{port},{learner_port if learner else 0}",
            "INTERNBOX_WIRES": wires,
            "INTERNBOX_KEY": f"{self.key.get_name()} {self.key.get_base64()} grader",
            "INTERNBOX_HOSTKEY": host_key(),
            "INTERNBOX_CREATED": f"{time.time():.6f}",
            "INTERNBOX_SEAL": self.seal,
        }
        container = self.engine.api.create_container(
            image or self.machine_image,
            entrypoint=f"{TOOLS}/machine",
            environment=variables | (environment or {}),
            tty=True,
            stdin_open=True,
            labels=LABEL,
            stop_signal="SIGRTMIN+3",
            host_config=self.engine.api.create_host_config(
                cap_add=["SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE"],
                tmpfs={"/run": "", "/run/lock": ""},
                restart_policy={"Name": "unless-stopped"},
                binds={self.volume.name: {"bind": TOOLS, "mode": "ro"}},
                network_mode=f"container:{rack.container.id}",
            )
            | {"CgroupnsMode": "private"},
        )
        made = self.engine.containers.get(container["Id"])
        machine = Machine(self, made, rack, (port, learner_port))
        self.containers.append(machine.container)
        laid = {"etc/ssh/ssh_host_ed25519_key": (0o600, self.sshd_key)} | (files or {})
        machine.container.put_archive("/", archive(laid))
        return machine

    def start(self, name: str, **options: Any) -> Machine:
        machine = self.create(name, **options)
        machine.container.start()
        return machine

    def close(self) -> None:
        for container in self.containers:
            container.remove(force=True)
        self.volume.remove(force=True)
        self.network.remove()


@pytest.fixture(scope="session")
def engine() -> Iterator[Any]:
    client = docker.from_env()
    yield client
    client.close()


@pytest.fixture(scope="session")
def base(engine: Any) -> str:
    for reference in (own_reference(BASE, engine.version()["Arch"]), BASE):
        try:
            engine.images.get(reference)
        except docker.errors.ImageNotFound:
            continue
        return reference
    engine.images.pull(BASE)
    return BASE


@pytest.fixture(scope="session")
def lab(engine: Any, base: str) -> Iterator[Lab]:
    lab = Lab(engine, base)
    yield lab
    lab.close()


def network_file(nic: str, address: str) -> dict[str, tuple[int, str]]:
    content = f"[Match]\nName={nic}\n[Network]\nAddress={address}\n"
    return {f"etc/systemd/network/10-{nic}.network": (0o644, content)}


@pytest.fixture(scope="session")
def pair(lab: Lab) -> tuple[Machine, Machine]:
    """Two machines on one wire; tests that share them leave them as they were."""
    rack = lab.rack(2)
    first = lab.start(
        "ann",
        rack=rack,
        wires="fifteen-letters,wire-of-fifteen,02:00:0a:14:01:01,,",
        files=network_file("fifteen-letters", "10.20.1.1/24")
        | {"etc/hosts": (0o644, "127.0.0.1 localhost ours\n")},
    )
    second = lab.start(
        "bob",
        rack=rack,
        wires="lan0,wire-of-fifteen,02:00:0a:14:01:02,, dmz0,wire2,02:00:0a:14:02:02,,",
        files=network_file("lan0", "10.20.1.2/24"),
    )
    for machine in first, second:
        machine.wait_for_init()
    return first, second


@pytest.fixture
def machine(lab: Lab) -> Iterator[Machine]:
    """A machine of the test's own."""
    made = lab.start("own")
    yield made
    made.forget()
    for container in made.container, made.rack.container:
        container.remove(force=True)
        lab.containers.remove(container)
