"""What a runtime must do for us, whatever engine stands behind it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

Progress = Callable[[str], None]  # one line of talk: "building image web (3 of 4) …"


@dataclass(frozen=True)
class EngineInfo:
    """The engine as it describes itself; `clock` is its time in epoch seconds."""

    version: str
    api: str
    architecture: str  # amd64, arm64
    cgroup: str  # "1" or "2"
    security: tuple[str, ...]  # apparmor, seccomp, selinux, rootless, userns
    clock: float
    endpoint: str
    cannot_limit: tuple[str, ...] = ()  # memory, processors, processes


@dataclass(frozen=True)
class VolumeSpec:
    path: str
    size: str  # "64m"
    inodes: int  # 0: the file system's own default


@dataclass(frozen=True)
class WireSpec:
    """A NIC; `address` and `gateway` only where there is no systemd to set them."""

    wire: str
    nic: str
    mac: str
    address: str = ""
    gateway: str = ""


def new_seal() -> str:
    """A key for the seal of a machine's boot reports, as long as images/machine/src wants it."""
    return secrets.token_hex(32)


@dataclass(frozen=True)
class MachineSpec:
    """All that is needed to create one machine; `image` is a full reference."""

    attempt: str
    scenario: str
    host: str
    image: str
    hostname: str
    role: Literal["machine", "fresh", "probe"] = "machine"
    hidden: bool = False
    init: Literal["systemd", "none"] = "systemd"
    memory: str = "256m"
    cpus: float = 1.0
    pids: int = 512
    capabilities: tuple[str, ...] = ()
    volumes: tuple[VolumeSpec, ...] = ()
    wires: tuple[WireSpec, ...] = ()
    archive: bytes | Path = b""  # a tar laid over / before the first boot
    replaces: bool = False  # whether what it holds may take the place of another kind of file
    grader_key: str = ""  # OpenSSH public key line
    host_key: str = ""  # base64 of the dropbear-format host key
    seal: str = field(default_factory=new_seal, repr=False)  # secret, of each machine its own


@dataclass(frozen=True)
class Place:
    """Where one host of an attempt is, kept until it is stopped. Ports are on `connect`."""

    host: str
    connect: str  # name or address a client connects to
    grader_port: int
    learner_port: int = 0  # 0: learners cannot log in


@dataclass(frozen=True)
class Placement:
    """The places of all hosts of an attempt, fresh ones included, and the rack they stand in: one
    that is alone stands in none."""

    places: dict[str, Place]
    rack: str  # the container that has their wires and doors, also while they reboot; or ""
    standing: Future[None] | None = field(default=None, compare=False)  # None: the rack runs

    def stand(self) -> None:
        """Waits until the rack runs. PortTaken when another program has one of its ports."""
        if self.standing:
            self.standing.result()


@dataclass(frozen=True)
class Running:
    """A machine as the engine sees it."""

    id: str
    attempt: str
    scenario: str
    host: str
    role: str
    hidden: bool
    state: str  # created, running, restarting, exited; asleep: until woken; dead: has lost disks
    memory_mib: float | None  # None unless asked for
    created: float  # epoch seconds by the engine's clock


@dataclass(frozen=True)
class Leftover:
    kind: Literal["container", "network", "volume", "image"]
    id: str
    attempt: str


@dataclass(frozen=True)
class ImageState:
    """An image that a scenario needs: `reference` carries the hash of its sources."""

    name: str
    reference: str
    present: bool
    size_mib: float = 0.0
    why_not: str = ""  # an artifact that cannot be had, in words


class Runtime(Protocol):
    """One engine. Every method raises EngineError when the engine itself fails."""

    home: str  # value of the home label

    def info(self) -> EngineInfo: ...

    # images
    def image_states(self, content: Path, names: Iterable[str]) -> list[ImageState]: ...
    def ensure_images(
        self, content: Path, names: Iterable[str], progress: Progress
    ) -> dict[str, str]: ...  # name → reference; pulls or builds what is missing
    def save_images(
        self, content: Path, names: Iterable[str], path: Path, progress: Progress
    ) -> list[str]: ...  # references; the machine image is always among them
    def load_images(self, path: Path, progress: Progress) -> list[str]: ...
    def push_images(
        self, content: Path, names: Iterable[str], registry: str, progress: Progress
    ) -> list[str]: ...
    def pull_images(
        self, content: Path, names: Iterable[str], registry: str, progress: Progress
    ) -> list[str]: ...
    def manifest(self, reference: str) -> str: ...  # `machine manifest` of a clean image
    def image_files(self, reference: str) -> AbstractContextManager[BinaryIO]: ...  # tar

    # machines
    def place(
        self, attempt: str, scenario: str, doors: Mapping[str, bool], *, host: str = ""
    ) -> Placement: ...  # host → whether learners log in; `host`: it is removed with that one
    def create(self, spec: MachineSpec, placement: Placement) -> str: ...  # → id; or PortTaken
    def start(self, container: str) -> None: ...
    def launch(self, spec: MachineSpec, placement: Placement) -> str: ...  # create and start
    def wake(self, attempt: str) -> None: ...  # what the engine's restart put to sleep
    def cut_off(self, attempt: str) -> set[str]: ...  # ids of those whose rack began anew
    def halt(
        self, *, within: float
    ) -> None: ...  # none is launched any more; waits for those begun
    def restart(self, container: str) -> None: ...
    def stop(self, container: str) -> None: ...
    def remove(
        self, attempt: str, *, role: str | None = None, host: str | None = None
    ) -> list[Leftover]: ...
    def machines(self, attempt: str | None = None, *, memory: bool = False) -> list[Running]: ...
    def starts(self, attempt: str) -> dict[str, str]: ...  # container id → token; docker.py
    def ended(self, container: str) -> float: ...  # when its last boot did: epoch, engine's clock
    def files(self, container: str) -> AbstractContextManager[BinaryIO]: ...  # without volumes
    def folder(self, container: str, path: str) -> AbstractContextManager[BinaryIO]: ...
    def console_log(self, container: str) -> str: ...
    def attach(self, container: str) -> ConsoleStream: ...

    # what is left
    def leftovers(self, living: Iterable[str]) -> list[Leftover]: ...
    def discard(self, leftovers: Iterable[Leftover]) -> list[Leftover]: ...


class ConsoleStream(Protocol):
    """A machine's console: bytes both ways."""

    def fileno(self) -> int: ...
    def recv(self, size: int) -> bytes: ...
    def send(self, data: bytes) -> int: ...
    def close(self) -> None: ...
