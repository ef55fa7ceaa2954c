"""What tests of all modules share: the real engine, and two machines on it."""

from __future__ import annotations

import io
import os
import secrets
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from sandbox import ssh
    from sandbox.runtime.base import MachineSpec, Placement
    from sandbox.runtime.docker import DockerRuntime

NETWORKD = "[Match]\nName={nic}\n[Network]\nAddress={address}\nLinkLocalAddressing=no\n"


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_is_heard() -> None:
    """A shell turns it off for what runs in the background, and the commands that tests start
    would inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerRuntime]:
    """The engine of this computer; all that tests leave on it is removed at the end.

    Without an engine its tests are skipped, in CI they fail.
    """
    from sandbox.errors import EngineError
    from sandbox.paths import Home
    from sandbox.runtime.docker import DockerRuntime

    root: Path = tmp_path_factory.mktemp("home")
    found = DockerRuntime(Home(root, root / "cache"))
    try:
        found.info()
    except EngineError as error:
        if os.environ.get("CI"):
            pytest.fail(f"{error}; hint: {error.hint}")
        pytest.skip(str(error))
    yield found
    found.discard(found.leftovers([]))


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a user's pip would install, made from these sources."""
    from sandbox.paths import builtin_content

    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir"]
    done = subprocess.run(
        [*command, folder, builtin_content()], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = folder.glob("internbox-*.whl")
    return found


@dataclass
class Lab:
    """Machines of one attempt, made from the base image with keys of their own."""

    runtime: DockerRuntime
    attempt: str
    key: Path
    image: str
    public: str
    host_keys: dict[str, str] = field(default_factory=dict)
    containers: dict[str, str] = field(default_factory=dict)

    def spec(self, host: str, address: str = "", **more: object) -> MachineSpec:
        """A machine on the wire `lan`; `address` is with its prefix."""
        from sandbox import ssh
        from sandbox.runtime.base import MachineSpec, WireSpec

        pair = ssh.key_pair(host)
        self.host_keys[host] = pair.public
        mac = "02:00:00:00:00:" + f"{len(self.host_keys):02x}"
        laid = {"etc/systemd/network/10-lan0.network": NETWORKD.format(nic="lan0", address=address)}
        settings: dict[str, object] = {
            "attempt": self.attempt,
            "scenario": "linux/test",
            "host": host,
            "image": self.image,
            "hostname": host,
            "wires": (WireSpec("lan", "lan0", mac),) if address else (),
            "grader_key": self.public,
            "host_key": ssh.dropbear_host_key(pair.private),
            "archive": tar_of(laid) if address else b"",
        }
        return MachineSpec(**{**settings, **more})  # type: ignore[arg-type]

    def up(self, *specs: MachineSpec) -> Placement:
        """Places, creates and starts them."""
        placement = self.placed(*specs)
        for spec in specs:
            self.launch(spec, placement)
        return placement

    def placed(self, *specs: MachineSpec) -> Placement:
        """Places for them, and a rack where they are several; the machines are not made yet."""
        doors = {spec.host: not spec.hidden for spec in specs}
        return self.runtime.place(self.attempt, "linux/test", doors)

    def launch(self, spec: MachineSpec, placement: Placement) -> None:
        self.containers[spec.host] = self.runtime.launch(spec, placement)

    def connect(self, host: str, placement: Placement, seconds: float = 30) -> ssh.Connection:
        """The grader's way in; a machine that does not answer shows its console."""
        from sandbox import ssh
        from sandbox.errors import Unreachable

        try:
            return ssh.connect(self.endpoint(host, placement), deadline=seconds)
        except Unreachable as error:
            log = self.runtime.console_log(self.containers[host])
            pytest.fail(f"{error}\n{self.runtime.machines(self.attempt)}\n{log}")

    def endpoint(self, host: str, placement: Placement) -> ssh.Endpoint:
        from sandbox import ssh

        place = placement.places[host]
        pinned = self.host_keys[host]
        return ssh.Endpoint(host, place.connect, place.grader_port, "root", self.key, pinned)


@pytest.fixture
def lab(runtime: DockerRuntime, tmp_path: Path) -> Iterator[Lab]:
    """An attempt of the test's own; its machines are removed afterwards."""
    yield from _lab(runtime, tmp_path)


@pytest.fixture(scope="session")
def shared_lab(runtime: DockerRuntime, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """An attempt for all tests, whose machines no test may change or reboot."""
    yield from _lab(runtime, tmp_path_factory.mktemp("lab"))


def _lab(runtime: DockerRuntime, folder: Path) -> Iterator[Lab]:
    from sandbox import ssh
    from sandbox.paths import builtin_content

    image = runtime.ensure_images(builtin_content(), ["base"], print)["base"]
    pair = ssh.key_pair("grader")
    key = folder / "grader"
    key.write_text(pair.private)
    key.chmod(0o600)
    lab = Lab(runtime, f"t{secrets.token_hex(4)}", key, image, pair.public)
    yield lab
    runtime.remove(lab.attempt)


def tar_of(files: dict[str, str]) -> bytes:
    """A tar of path → text, owned by root."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as tar:
        for path, text in files.items():
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(text.encode()), 0o644
            tar.addfile(member, io.BytesIO(text.encode()))
    return held.getvalue()
