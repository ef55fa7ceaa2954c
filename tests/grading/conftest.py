"""What the tests of grading share: a grader's child to run, and a real SSH server on loopback."""

from __future__ import annotations

import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sandbox import variants
from sandbox.grading import child
from sandbox.grading.results import HostAccess, PhaseResult, Request
from sandbox.models import Company, Employee, Site
from sandbox.variants.values import as_values

SERVER = Path(__file__).with_name("server.py")
HEAD = 'import pytest\n\npytestmark = pytest.mark.scenario("linux/demo")\n\n'
COMPANY = Company(
    name="Quill Haven",
    domain="quillhaven.example",
    about="",
    time_zone="UTC",
    departments={"it": "IT"},
    sites={"hq": Site(name="Head office", subnet="10.20.0.0/16")},
    people=[
        Employee(login=login, name=name, department="it", title="", site="hq")
        for login, name in (("anna.berg", "Anna Berg"), ("bo.ek", "Bo Ek"), ("cy.lin", "Cy Lin"))
    ],
)


def make_request(grader: Path, hosts: list[HostAccess] | None = None, **more: Any) -> Request:
    values = more.pop("values", {"site": "intranet", "pin": "secret-pin-4711"})
    variant = variants.Variant(
        scenario="linux/demo",
        seed="abcdefgh",
        fault="broken",
        anchor=datetime(2026, 3, 4, 9, 30, tzinfo=UTC),
        values=as_values(values),
        secrets=frozenset({"pin"} & set(values)),
    )
    settings: dict[str, Any] = {"phase": "before", "hidden": False, "salt": "sample"}
    return Request(
        scenario="linux/demo",
        grader=str(grader),
        variant=variants.dump(variant),
        company=COMPANY,
        hosts=hosts or [],
        **(settings | more),
    )


Grading = Callable[..., PhaseResult]


@pytest.fixture
def grading(tmp_path: Path) -> Grading:
    """Runs the text of a grader in a child: `grading(text, hosts=[…], timeout=60, phase=…)`."""

    def run(text: str, *, timeout: float = 60, **more: Any) -> PhaseResult:
        folder = tmp_path / "graders"
        folder.mkdir(exist_ok=True)
        grader = folder / "test_demo.py"
        grader.write_text(HEAD + textwrap.dedent(text))
        return child.run(make_request(grader, **more), timeout=timeout)

    return run


@dataclass(frozen=True)
class Server:
    """An SSH server that lets the tests' user in, and runs commands as that user."""

    process: subprocess.Popen[bytes]
    port: int
    folder: Path

    def access(self, name: str = "web") -> HostAccess:
        import getpass

        return HostAccess(
            name=name,
            connect="127.0.0.1",
            port=self.port,
            key=str(self.folder / "key"),
            host_key=" ".join((self.folder / "host.pub").read_text().split()[:2]),
            user=getpass.getuser(),
        )


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("sshd")
    for name in ("host", "key"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(command, check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, str(SERVER), str(folder), str(port)])
    _wait_for(port)
    yield Server(process, port, folder)
    process.terminate()
    process.wait()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
