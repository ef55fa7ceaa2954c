"""What doctor finds on computers that lack one thing each."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sandbox.doctor import Bench, examine
from sandbox.doctor.checks import INSTANCES, SEEN
from sandbox.errors import EngineError
from sandbox.paths import builtin_content
from sandbox.runtime.base import ImageState

Put = Callable[[str, str], None]


def found(bench: Any, name: str) -> Any:
    return {finding.name: finding for finding in examine(bench)}.get(name)


def test_a_good_computer_has_nothing_to_mend(bench: Any, put: Put) -> None:
    put(INSTANCES, "8192\n")
    put("/proc/meminfo", "MemTotal: 16000000 kB\nMemAvailable: 8000000 kB\n")

    findings = examine(bench)

    assert {finding.state for finding in findings} == {"ok"}
    assert len(findings) == 12


def test_whatever_is_not_ok_has_a_cure(bench: Any, engine: Any, put: Put) -> None:
    put(INSTANCES, "128")
    put("/proc/meminfo", "MemAvailable: 1000 kB")
    bench.programs, bench.mine["free"] = set(), 0.5
    engine.silent = 1

    bad = [finding for finding in examine(bench) if finding.state != "ok"]

    assert {finding.name for finding in bad} >= {"engine", "disk", "memory", "inotify"}
    assert all(finding.cure and finding.found for finding in bad)


def test_an_engine_that_is_not_started_can_be_started(bench: Any, engine: Any) -> None:
    engine.silent = 1

    assert found(bench, "engine").fix == "start-engine"


def test_an_engine_that_is_not_installed_is_asked_about(bench: Any, engine: Any) -> None:
    engine.silent = 1
    bench.programs.remove("dockerd")

    finding = found(bench, "engine")
    assert finding.fix == "install-engine"
    assert "docker.io" in finding.asks


def test_without_root_installing_is_left_to_the_person(bench: Any, engine: Any) -> None:
    engine.silent = 1
    bench.programs.remove("dockerd")
    bench.mine["root"] = False

    finding = found(bench, "engine")
    assert finding.state == "bad"
    assert "sudo apt install docker.io" in finding.cure


def test_a_refusal_names_the_group_and_what_it_means(bench: Any, engine: Any) -> None:
    engine.silent, engine.why = 1, EngineError("you may not use the Docker engine at x")
    bench.mine["root"] = False

    finding = found(bench, "engine")
    assert "usermod -aG docker" in finding.cure
    assert "root" in finding.cure


def test_a_remote_engine_is_not_started_from_here(
    bench: Any, engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "ssh://lab")
    engine.silent = 1

    finding = found(bench, "engine")
    assert (finding.state, finding.fix) == ("bad", "")


def test_of_a_remote_engine_this_kernel_says_nothing(bench: Any, engine: Any, put: Put) -> None:
    import dataclasses

    put(INSTANCES, "128")
    engine.told = dataclasses.replace(engine.told, endpoint="tcp://lab:2376 (DOCKER_HOST)")

    assert found(bench, "inotify") is None


@pytest.mark.parametrize("kind", ["rootless", "userns"])
def test_an_engine_where_no_machine_boots_is_bad(bench: Any, engine: Any, kind: str) -> None:
    import dataclasses

    engine.told = dataclasses.replace(engine.told, security=("seccomp", kind))

    assert found(bench, "security").state == "bad"


@pytest.mark.parametrize("kind", ["apparmor", "selinux"])
def test_what_was_never_tried_is_called_untested(bench: Any, engine: Any, kind: str) -> None:
    import dataclasses

    engine.told = dataclasses.replace(engine.told, security=(kind,))

    finding = found(bench, "security")
    assert finding.state == "warn"
    assert "untested" in finding.found


def test_what_a_machine_does_without_is_told(bench: Any, engine: Any) -> None:
    import dataclasses

    engine.told = dataclasses.replace(engine.told, security=("apparmor", "seccomp"))

    assert "apparmor=unconfined" in found(bench, "security").found


@pytest.mark.parametrize(
    ("version", "seen"),
    [("20.10.24+dfsg1", True), ("26.1.5", True), ("20.1.0", False), ("28.3.2", False)],
)
def test_an_engine_that_no_probe_has_seen_is_called_so(
    bench: Any, engine: Any, version: str, seen: bool
) -> None:
    import dataclasses

    engine.told = dataclasses.replace(engine.told, version=version)

    finding = found(bench, "engine")
    assert finding.state == "ok"
    assert ("untested" not in finding.found) is seen


def test_the_engines_seen_are_those_of_the_documentation() -> None:
    table = (builtin_content() / "docs" / "engines.md").read_text()

    tested = [line for line in table.splitlines() if "| tested" in line]
    for version in SEEN:
        assert any(version.removesuffix(".") in line for line in tested)


def inotify_of_root(tmp_path: Path, count: int) -> None:
    """Two processes that hold so many instances."""
    for number in range(count):
        folder = tmp_path / "proc" / str(1 + number % 2) / "fd"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}").symlink_to("anon_inode:inotify")
    (folder / "none").symlink_to("anon_inode:[eventfd]")


@pytest.mark.skipif(os.getuid() != 0, reason="whose processes they are is told by their folders")
@pytest.mark.parametrize(
    ("limit", "used", "state"),
    [(1024, 800, "ok"), (1024, 900, "fixable"), (8192, 900, "ok"), (8192, 7000, "warn")],
)
def test_an_inotify_limit_that_is_nearly_used_up(
    bench: Any, put: Put, tmp_path: Path, limit: int, used: int, state: str
) -> None:
    put(INSTANCES, str(limit))
    inotify_of_root(tmp_path, used)

    finding = found(bench, "inotify")
    assert finding.state == state
    assert (f"about {used} of them in use" in finding.found) is (state != "ok")


def test_a_missing_ssh_client_can_be_installed(bench: Any) -> None:
    bench.programs.remove("ssh")

    assert found(bench, "ssh client").fix == "install-ssh"

    bench.mine["root"] = False
    assert found(bench, "ssh client").state == "bad"


@pytest.mark.parametrize(("value", "state"), [("128", "fixable"), ("1024", "ok")])
def test_the_inotify_limit(bench: Any, put: Put, value: str, state: str) -> None:
    put(INSTANCES, value)

    assert found(bench, "inotify").state == state


@pytest.mark.parametrize(("free", "state"), [(1.0, "bad"), (5.0, "warn"), (50.0, "ok")])
def test_disk_space(bench: Any, free: float, state: str) -> None:
    bench.mine["free"] = free

    assert found(bench, "disk").state == state


@pytest.mark.parametrize(
    ("kernel", "state", "word"),
    [
        ("Linux version 6.1.0-18-amd64 (debian)", "ok", "Linux"),
        ("Linux version 4.4.0-19041-Microsoft", "bad", "WSL 1"),
        ("Linux version 5.15.90.1-microsoft-standard-WSL2", "ok", "WSL 2"),
    ],
)
def test_wsl(bench: Any, put: Put, kernel: str, state: str, word: str) -> None:
    put("/proc/version", kernel)

    finding = found(bench, "system")
    assert finding.state == state
    assert word in finding.found


def test_images_that_are_not_built_can_be(bench: Any) -> None:
    bench.states = [ImageState("web", "r", True), ImageState("db", "r", False)]

    finding = found(bench, "images")
    assert finding.fix == "images"
    assert finding.found == "not built: db"


def test_the_image_that_every_machine_needs_is_one_of_them(bench: Any) -> None:
    assert [state.name for _, state in Bench.images(bench)] == ["machine"]


def test_an_image_that_cannot_be_had_is_no_fault_of_the_computer(bench: Any) -> None:
    bench.states = [ImageState("powershell", "r", False, why_not="no PowerShell here")]

    finding = found(bench, "images")
    assert finding.state == "warn"
    assert "no PowerShell here" in finding.found


def test_without_an_engine_nothing_is_said_of_images(bench: Any, engine: Any) -> None:
    engine.silent = 5

    assert found(bench, "images") is None


def test_findings_are_plain_json(bench: Any) -> None:
    rows = msgspec.json.decode(msgspec.json.encode(examine(bench)))

    assert {"name", "state", "found", "required", "cure"} <= set(rows[0])


def test_limits_that_the_kernel_does_not_know_are_named(bench: Any, engine: Any) -> None:
    import dataclasses

    engine.told = dataclasses.replace(engine.told, cannot_limit=("memory", "processes"))

    finding = found(bench, "limits")
    assert finding.state == "warn"
    assert "none for memory, processes" in finding.found
