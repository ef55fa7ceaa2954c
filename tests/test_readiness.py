"""Readiness: what is asked of a machine that boots."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sandbox import readiness
from sandbox.errors import MachineError
from sandbox.ssh import Result


@dataclass
class Shell:
    """A link whose commands run here."""

    asked: list[str] = field(default_factory=list)

    def run(self, command: str, **_: Any) -> Result:
        self.asked.append(command)
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
        return Result(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_port_that_is_listened_on_is_ready(listening: int) -> None:
    link: Any = Shell()

    readiness.wait_ready(link, "web", [f"tcp:{listening}"])

    assert len(link.asked) == 1


def test_what_never_comes_is_named(
    listening: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "BOOT_SECONDS", 0.1)
    monkeypatch.setattr(readiness, "LATE_SECONDS", 0.0)
    link: Any = Shell()
    missing = [f"tcp:{unused_port()}", f"file:{tmp_path}/none"]

    with pytest.raises(MachineError) as raised:
        readiness.wait_ready(link, "web", [missing[0], f"tcp:{listening}", missing[1]])

    assert raised.value.message == f"web booted, but never became ready: {', '.join(missing)}"


def test_what_comes_late_is_waited_for_in_the_machine(tmp_path: Path) -> None:
    late, there = tmp_path / "late", tmp_path / "there"
    there.touch()
    link: Any = Shell()
    coming = threading.Timer(0.3, late.touch)
    coming.start()

    readiness.wait_ready(link, "web", [f"file:{there}", f"file:{late}"])

    assert late.exists()
    assert len(link.asked) == 1


@pytest.mark.parametrize(
    ("state", "ready"), [("running", True), ("degraded", True), ("starting", False)]
)
def test_a_shut_door_is_waited_for_until_the_boot_is_over(
    state: str, ready: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    systemctl = tmp_path / "systemctl"
    systemctl.write_text(f"#!/bin/sh\necho {state}\n")
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(readiness, "BOOT_SECONDS", 0.1)
    monkeypatch.setattr(readiness, "LATE_SECONDS", 0.0)
    link: Any = Shell()

    with nullcontext() if ready else pytest.raises(MachineError):
        readiness.wait_ready(link, "app", [f"login:{unused_port()}"])


@pytest.mark.parametrize("late", [False, True], ids=["early", "late"])
def test_systemd_is_asked_once_all_else_holds_or_when_it_is_late(
    late: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    systemctl, told, door = tmp_path / "systemctl", tmp_path / "told", unused_port()
    systemctl.write_text(f"#!/bin/sh\necho $* >> {told}\n[ $# = 3 ]\n")
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(readiness, "LATE_SECONDS", 0.0 if late else 60.0)
    link: Any = Shell()
    with ExitStack() as opened:

        def open_the_door() -> None:
            opened.enter_context(socket.create_server(("127.0.0.1", door)))

        opening = threading.Timer(0.7, open_the_door)
        opening.start()
        readiness.wait_ready(link, "web", ["unit:a.service", f"login:{door}"])
        opening.join()

    booted, unit = "is-system-running", "is-active --quiet a.service"
    asked = told.read_text().splitlines()
    assert set(asked) == ({booted, unit} if late else {unit})
    assert asked[-1] == unit


def test_what_is_asked_then_is_told(listening: int) -> None:
    link: Any = Shell()

    told = readiness.wait_ready(link, "web", [f"tcp:{listening}"], then="echo one; echo two")

    assert told == "one\ntwo\n"
    assert readiness.wait_ready(link, "web", [], then="echo one") == "one\n"
    assert len(link.asked) == 2


@pytest.mark.parametrize(
    ("bus", "asked"),
    [("true", ["--wait"]), ("false", ["--wait", "", "--wait", ""])],
    ids=["with D-Bus", "without"],
)
def test_a_machine_has_settled_when_its_init_says_so_whether_or_not_d_bus_runs(
    bus: str, asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    systemctl, told = tmp_path / "systemctl", tmp_path / "told"
    systemctl.write_text(
        f"""#!/bin/bash
        echo "$2" >> {told}
        [[ $2 = --wait ]] && {{ {bus} && echo degraded; exit; }}
        (( $(wc -l < {told}) > 2 )) && echo running || echo starting
        """
    )
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with socket.socket(socket.AF_UNIX) as there:
        there.bind(str(tmp_path / "bus"))
        script = readiness.SETTLED.replace(readiness.BUS, str(tmp_path / "bus"))
        monkeypatch.setattr(readiness, "SETTLED", script)
        link: Any = Shell()

        readiness.settle(link)

    assert told.read_text().splitlines() == asked
