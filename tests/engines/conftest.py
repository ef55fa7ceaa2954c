"""Docker engines beside the computer's own, each in namespaces of its own, and the whole loop on
them. Whatever is mounted or made for one ends with its first process."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import secrets
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

SCENARIO = "linux/first-day"
NETWORK = "10.97.{}.{}"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
TOOLS = ("dockerd", "containerd", "iptables", "ip", "nsenter", "setpriv", "unshare", "ssh")
START_SECONDS = 60.0
COMMAND_SECONDS = 240.0
KEEPER = "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN); print(flush=True)\n"
KEEPER += "while True: signal.pause()"

# What is mounted anew: the processes, the devices of the network namespace, the cgroups.
SYSTEM = """
mount -t proc proc "$ROOT/proc"
mkdir -p "$FOLDER/cgroup"
if [ "$CGROUP" = 2 ]; then mount -t cgroup2 cgroup2 "$FOLDER/cgroup"
else mount --rbind /sys/fs/cgroup "$FOLDER/cgroup"; fi
mount -t sysfs sysfs "$ROOT/sys"
mount --move "$FOLDER/cgroup" "$ROOT/sys/fs/cgroup"
"""
# Another Debian as root, on which nothing is written for good; the engine's data is no overlay.
TREE = """
mkdir "$FOLDER/upper" "$FOLDER/work" "$FOLDER/root"
mount -t overlay overlay -o "lowerdir=$TREE,upperdir=$FOLDER/upper,workdir=$FOLDER/work" "$ROOT"
mkdir -p "$ROOT$FOLDER" "$ROOT/old"
mount --bind "$FOLDER" "$ROOT$FOLDER"
mount --rbind /dev "$ROOT/dev"
mount -t tmpfs tmpfs "$ROOT/run"
"""
PIVOT = """
cd "$ROOT"
pivot_root . old
umount -l /old
"""


def refused(reason: str) -> None:
    """A skip here; in CI, where all that is needed can be had, a failure."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def sh(*command: str, **more: Any) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **more)
    assert done.returncode == 0, f"{shlex.join(command)}: {done.stdout}{done.stderr}"
    return done.stdout


def wait_until(truth: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not truth():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.05)


class Island:
    """Processes, mounts and network apart from the rest, joined to it by one cable.

    Its first process ends with this one; and with it all others, all mounts and the cable.
    """

    def __init__(self, folder: Path, *, cgroup: str = "", tree: Path | None = None) -> None:
        self.folder, self.tree, self.first = folder, tree, 0
        command = ["setpriv", "--pdeathsig=KILL", "unshare", "--mount", "--net", "--pid", "--fork"]
        command += ["--kill-child=SIGKILL", "--propagation=private", sys.executable, "-c", KEEPER]
        self._keeper = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self._keeper.stdout
        try:
            with self._keeper.stdout as told:
                assert told.readline(), "the namespaces could not be made"
            (first,) = sh("pgrep", "-P", str(self._keeper.pid)).split()
            self.first = int(first)
            self._set_up(cgroup)
            self.address = self._join()
        except BaseException:
            self.close()
            raise

    def _set_up(self, cgroup: str) -> None:
        root = self.folder / "root" if self.tree else Path()
        script = f"set -e\n{TREE if self.tree else ''}{SYSTEM}{PIVOT if self.tree else ''}"
        place = {"ROOT": str(root) if self.tree else "", "TREE": str(self.tree or "")}
        place |= {"FOLDER": str(self.folder), "CGROUP": cgroup, "PATH": PATH}
        sh(*self.inside("sh", "-c", script), env=place)

    def _join(self) -> str:
        """The address at which the island is met."""
        used = json.loads(sh("ip", "-j", "address"))
        taken = {info.get("local", "") for link in used for info in link["addr_info"]}
        third = next(n for n in range(1, 255) if NETWORK.format(n, 1) not in taken)
        here, there = NETWORK.format(third, 1), NETWORK.format(third, 2)
        cable = f"ibx{secrets.token_hex(4)}"
        sh("ip", "link", "add", cable, "type", "veth", "peer", "cable0", "netns", str(self.first))
        sh("ip", "address", "add", f"{here}/30", "dev", cable)
        sh("ip", "link", "set", cable, "up")
        for words in (
            ["address", "add", f"{there}/30", "dev", "cable0"],
            ["link", "set", "cable0", "up"],
            ["link", "set", "lo", "up"],
        ):
            sh("nsenter", "--net", "--target", str(self.first), "ip", *words)
        return there

    def inside(self, *command: str) -> list[str]:
        target = str(self.first)
        return ["nsenter", "--target", target, "--mount", "--net", "--pid", "--wdns=/", *command]

    def close(self) -> None:
        """Returns when the last of its processes has ended."""
        self._keeper.kill()
        self._keeper.wait()
        gone = Path(f"/proc/{self.first or self._keeper.pid}")
        wait_until(lambda: not gone.exists(), "an island does not end")


@dataclass
class Engine:
    """A Docker engine on an island."""

    island: Island
    folder: Path
    certificates: Path
    settings: dict[str, Any] = field(default_factory=dict)  # daemon.json
    cgroup_parent: str = field(default_factory=lambda: f"internbox-test-{secrets.token_hex(4)}")
    _daemon: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return self.island.address

    @property
    def url(self) -> str:
        return f"tcp://{self.address}:2376"

    def by_tls(self) -> dict[str, str]:
        """What makes docker, and internbox, use it from afar."""
        return {
            "DOCKER_HOST": self.url,
            "DOCKER_TLS_VERIFY": "1",
            "DOCKER_CERT_PATH": str(self.certificates / "client"),
        }

    def by_socket(self) -> dict[str, str]:
        """The socket is at hand, the ports are on the island."""
        return {
            "DOCKER_HOST": f"unix://{self.folder}/docker.sock",
            "INTERNBOX_BIND": self.address,
            "INTERNBOX_CONNECT": self.address,
        }

    def start(self) -> None:
        """Returns when the engine answers."""
        folder = self.folder
        (folder / "daemon.json").write_text(json.dumps(self.settings))
        files = {"cacert": "ca.pem", "cert": "server/cert.pem", "key": "server/key.pem"}
        options = {
            "config-file": folder / "daemon.json",
            "data-root": folder / "data",
            "exec-root": folder / "exec",
            "pidfile": folder / "docker.pid",
            "exec-opt": "native.cgroupdriver=cgroupfs",
            "cgroup-parent": f"/{self.cgroup_parent}",
            **{f"tls{name}": self.certificates / file for name, file in files.items()},
        }
        command = ["dockerd", "--tlsverify", "-H", f"unix://{folder}/docker.sock"]
        command += ["-H", f"tcp://{self.address}:2376"]
        command += [f"--{name}={value}" for name, value in options.items()]
        with (folder / "dockerd.log").open("ab") as log:
            self._daemon = subprocess.Popen(
                self.island.inside(*command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"PATH": PATH},
            )
        self._wait()

    def _wait(self) -> None:
        from sandbox.errors import EngineError

        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                with self.runtime(self.folder / "probe") as runtime:
                    runtime.info()
            except EngineError as error:
                assert self._daemon
                if self._daemon.poll() is None and time.monotonic() < deadline:
                    time.sleep(0.2)
                    continue
                log = (self.folder / "dockerd.log").read_text()[-4000:]
                pytest.fail(f"the engine does not answer: {error}\n{log}")
            return

    def end(self, signal: str = "TERM") -> None:
        """Ends the daemon alone; what it started, it may leave."""
        assert self._daemon
        number = (self.folder / "docker.pid").read_text().strip()
        sh(*self.island.inside("sh", "-c", f"kill -{signal} {number}"))
        self._daemon.wait(60)
        self._daemon = None

    def runtime(
        self, root: Path, environ: dict[str, str] | None = None
    ) -> contextlib.AbstractContextManager[Any]:
        """It as the state folder `root` sees it; closed afterwards."""
        return opened(root, environ or self.by_tls())

    def close(self) -> None:
        """All that runs on the island ends, and nothing of it stays here."""
        self.island.close()
        if self._daemon:
            self._daemon.wait(60)
        # not by glob, which gives up where a container of others ends meanwhile
        found = [Path(folder) for folder, _, _ in os.walk("/sys/fs/cgroup")]
        for cgroup in [folder for folder in found if folder.name == self.cgroup_parent]:
            _remove_cgroup(cgroup)
        shutil.rmtree(self.folder)


@contextlib.contextmanager
def opened(root: Path, environ: dict[str, str]) -> Iterator[Any]:
    """The engine that `environ` names, for the state folder `root`."""
    from sandbox.paths import Home
    from sandbox.runtime.docker import DockerRuntime
    from sandbox.runtime.endpoint import find

    runtime = DockerRuntime(Home(root, root / "cache"), find(environ, root))
    try:
        yield runtime
    finally:
        runtime.engine.close()


def _remove_cgroup(cgroup: Path) -> None:
    for folder, _, _ in os.walk(cgroup, topdown=False):
        Path(folder).rmdir()


# --- certificates ---------------------------------------------------------------------------------


def write_certificates(folder: Path, address: str) -> None:
    """An authority, the engine's certificate for `address`, and a client's, as docker has them."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    authority = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)

    def write(place: Path, subject: str, *extensions: tuple[x509.ExtensionType, bool]) -> None:
        key = authority if subject == "authority" else ec.generate_private_key(ec.SECP256R1())
        builder = x509.CertificateBuilder().subject_name(name(subject))
        builder = builder.issuer_name(name("authority")).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(hours=1))
        builder = builder.not_valid_after(now + timedelta(days=1))
        marks = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        builder = builder.add_extension(marks, critical=False)
        signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key())
        builder = builder.add_extension(signer, critical=False)
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        pem = serialization.Encoding.PEM
        certificate = builder.sign(authority, hashes.SHA256()).public_bytes(pem)
        place.mkdir(parents=True, exist_ok=True)
        if subject == "authority":
            (place / "ca.pem").write_bytes(certificate)
            return
        (place / "cert.pem").write_bytes(certificate)
        plain = serialization.NoEncryption()
        form = serialization.PrivateFormat.PKCS8
        (place / "key.pem").write_bytes(key.private_bytes(pem, form, plain))
        shutil.copy(folder / "ca.pem", place)

    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    write(folder, "authority", (x509.BasicConstraints(True, 0), True), (usage, True))
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
    serves = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    write(folder / "server", "engine", (here, False), (serves, False))
    asks = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    write(folder / "client", "client", (asks, False))


# --- the loop -------------------------------------------------------------------------------------


@dataclass
class Learner:
    """One who works with the command line, on the engine that `environ` names."""

    root: Path
    environ: dict[str, str]

    def run(self, *words: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        """A command of internbox; it must end with `code`, if one is given."""
        environ = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("DOCKER_", "INTERNBOX_"))
        }
        done = subprocess.run(
            [sys.executable, "-m", "sandbox.cli.main", *words],
            env=environ | {"INTERNBOX_HOME": str(self.root)} | self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        assert code in (None, done.returncode), f"{words} ended with {done.returncode}: {done}"
        return done

    def told(self, *words: str, code: int = 0) -> Any:
        """The answer of a command, as JSON."""
        return json.loads(self.run(*words, "--format", "json", code=code).stdout)

    def start(self, scenario: str = SCENARIO) -> Any:
        return self.told("start", scenario)

    def status(self) -> dict[str, Any]:
        """The row of each living attempt."""
        return {row["attempt"]: row for row in self.told("status")}

    def mend(self, attempt: str) -> None:
        """Does what the reference does."""
        from sandbox.attempts import Labs
        from sandbox.scenarios import load, solutions

        with opened(self.root, self.environ) as runtime:
            labs = Labs(runtime.folders, runtime=runtime)
            files = labs.resolve(labs.attempt(attempt).scenario)
            labs.apply(attempt, files.solution("reference"), solutions(load(files))["reference"])
            labs.store.close()

    def reboot(self, attempt: str) -> None:
        """As somebody does who wants to see that it holds."""
        from sandbox.ssh import BOOT_ID

        def booted() -> str:
            told = self.run("ssh", attempt, "--", f"cat {BOOT_ID}", code=None)
            return told.stdout if told.returncode == 0 else ""

        before = booted()
        self.run("ssh", attempt, "--", "sudo systemctl reboot", code=None)
        wait_until(lambda: booted() not in ("", before), "it did not boot again")


def whole_loop(learner: Learner) -> dict[str, Any]:
    """From start to an engine without a trace; what was seen on the way, by step."""
    seen: dict[str, Any] = {"start": learner.start()}
    attempt = seen["start"]["attempt"]
    seen["ssh"] = learner.run("ssh", attempt, "--", "whoami; hostname").stdout.split()
    seen["check"] = learner.told("check", code=1)
    seen["status"] = learner.status()[attempt]
    learner.mend(attempt)
    learner.reboot(attempt)
    seen["grade"] = learner.told("grade")
    learner.run("stop")
    seen["gc"] = learner.told("gc")
    return seen


# --- fixtures -------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def images(runtime: Any) -> Iterator[Path]:
    """A file with the images that the loop needs, from the computer's own engine."""
    from sandbox.paths import builtin_content

    folder = Path(tempfile.mkdtemp(prefix="internbox-images-"))
    try:
        runtime.save_images(builtin_content(), ["base"], folder / "images.tar", print)
        yield folder / "images.tar"
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def new_engine(images: Path) -> Iterator[Callable[..., Engine]]:
    """Makes engines that have the images; ends them all at the end."""
    if os.geteuid() != 0:
        pytest.skip("only root can start another Docker engine")
    if missing := [tool for tool in TOOLS if not shutil.which(tool, path=PATH)]:
        refused(f"another Docker engine needs {', '.join(missing)}")
    with contextlib.ExitStack() as stack:

        def make(**settings: Any) -> Engine:
            folder = Path(tempfile.mkdtemp(prefix="internbox-engine-"))
            try:
                island = Island(folder, **settings)
            except BaseException:
                shutil.rmtree(folder)
                raise
            engine = Engine(island, folder, folder / "certificates")
            stack.callback(engine.close)
            write_certificates(engine.certificates, engine.address)
            engine.start()
            with engine.runtime(folder / "probe") as runtime:
                runtime.load_images(images, print)
            return engine

        yield make


@pytest.fixture(scope="session")
def second_engine(new_engine: Callable[..., Engine]) -> Engine:
    """An engine like the computer's own, on another address, that wants certificates."""
    return new_engine()


@pytest.fixture
def learner(tmp_path: Path) -> Iterator[Callable[[dict[str, str]], Learner]]:
    """Makes learners; what a test that failed left on an engine goes with the engine."""

    def make(environ: dict[str, str]) -> Learner:
        return Learner(tmp_path / "home", environ)

    return make


@pytest.fixture(scope="session")
def loop() -> Callable[[Learner], dict[str, Any]]:
    return whole_loop


@pytest.fixture(scope="session")
def certificates() -> Callable[[Path, str], None]:
    return write_certificates


@pytest.fixture(scope="session")
def refuse() -> Callable[[str], None]:
    return refused
