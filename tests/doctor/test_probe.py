"""The probe's way through its trials, on machines that answer by a table."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox import ssh
from sandbox.doctor import Trial, probe, report
from sandbox.doctor.probe import TRIALS
from sandbox.doctor.report import verdict
from sandbox.errors import Unreachable
from sandbox.runtime.base import Place, Placement, Running

GOOD = {
    "is-system-running": (0, "running\n"),
    "systemctl --version": (0, "systemd 257\n"),
    "/sys/class/net": (0, "lan0\nlo\n"),
    "route show default": (0, ""),
    "CapEff": (0, "00000000a80c35fb\n"),
    "CapBnd": (0, "00000000a80c35fb\n"),
    "mount -t tmpfs": (32, ""),
    "kernel.panic=": (255, ""),
    "machine measure": (0, "/usr/local/bin/ls\n"),
    "boot/boot_id": (0, "first\n"),
    "random/boot_id": (0, "second\n"),
}


class Machines:
    """An engine and its machines: what each command answers, and what was done."""

    def __init__(self) -> None:
        self.answers = dict(GOOD)
        self.specs: list[Any] = []
        self.removed: list[str] = []
        self.boots = True

    def ensure_images(self, content: Any, names: list[str], progress: Any) -> dict[str, str]:
        return {name: f"internbox/{name}:1" for name in names}

    def info(self) -> Any:
        raise Unreachable("not asked", host="")

    def place(self, attempt: str, scenario: str, doors: dict[str, bool]) -> Placement:
        return Placement({host: Place(host, "127.0.0.1", 1) for host in doors}, "r1")

    def create(self, spec: Any, placement: Placement) -> str:
        self.specs.append(spec)
        return f"c-{spec.host}"

    def start(self, container: str) -> None:
        pass

    def console_log(self, container: str) -> str:
        return "systemd: Failed to allocate manager object\n"

    def machines(self, attempt: str, *, memory: bool = False) -> list[Running]:
        one = Running("c", attempt, "doctor/probe", "one", "probe", False, "running", 12.0, 0.0)
        return [one]

    def remove(self, attempt: str) -> list[Any]:
        self.removed.append(attempt)
        return []

    # the connection

    def __enter__(self) -> Machines:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def run(self, command: str, *, timeout: float = 30) -> ssh.Result:
        for part, (code, text) in self.answers.items():
            if part in command:
                return ssh.Result(code, text, "", False)
        return ssh.Result(0, "7\n" if command.startswith(("date", "cat")) else "", "", False)


@pytest.fixture
def machines(monkeypatch: pytest.MonkeyPatch) -> Machines:
    made = Machines()

    def connect(endpoint: ssh.Endpoint, *, deadline: float) -> Machines:
        if not made.boots:
            raise Unreachable(f"{endpoint.host} does not answer", host=endpoint.host)
        return made

    monkeypatch.setattr(ssh, "connect", connect)
    monkeypatch.setattr(ssh, "wait_boot", lambda *_, **__: made)
    return made


@pytest.fixture
def trials(bench: Any, machines: Machines) -> Callable[[], dict[str, Trial]]:
    bench._runtime = lambda: machines
    return lambda: {trial.name: trial for trial in probe(bench)}


def test_on_a_good_engine_all_trials_pass(
    trials: Callable[[], dict[str, Trial]], machines: Machines
) -> None:
    found = trials()

    assert list(found) == list(TRIALS)
    assert {trial.state for trial in found.values()} == {"ok"}, found


def test_the_machines_are_removed(
    trials: Callable[[], dict[str, Trial]], machines: Machines
) -> None:
    trials()

    assert machines.removed == [machines.specs[0].attempt]


def test_the_machines_are_removed_after_an_error(bench: Any, machines: Machines) -> None:
    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    bench._runtime = lambda: machines
    bench.progress = interrupt

    with pytest.raises(KeyboardInterrupt):
        probe(bench)
    assert len(machines.removed) == 1


@pytest.mark.parametrize(
    ("name", "command", "answer"),
    [
        ("systemd", "is-system-running", (1, "degraded\n")),
        ("own network", "/sys/class/net", (0, "eth0\nlan0\nlo\n")),
        ("no way out", "route show default", (0, "default via 10.0.0.1\n")),
        ("firewall", "nft add table", (1, "")),
        ("capabilities", "CapEff", (0, "00000000ffffffff\n")),
        ("capabilities", "CapBnd", (0, "00000000ffffffff\n")),
        ("mount", "mount -t tmpfs", (0, "")),
        ("sysctl", "kernel.panic=", (0, "")),
        ("sysctl", "ip_forward=1", (1, "")),
        ("cgroup", "TasksMax", (1, "")),
        ("tampering", "machine measure", (0, "")),
        ("reboot", "random/boot_id", (0, "first\n")),
        ("measured boot", "boot/report", (1, "")),
    ],
)
def test_each_trial_can_fail(
    trials: Callable[[], dict[str, Trial]],
    machines: Machines,
    name: str,
    command: str,
    answer: tuple[int, str],
) -> None:
    machines.answers = {command: answer} | machines.answers | {command: answer}

    bad = {trial.name for trial in trials().values() if trial.state == "bad"}

    assert bad == {name}


def test_a_wire_that_carries_nothing_fails(
    trials: Callable[[], dict[str, Trial]], machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    machines.answers["ping"] = (1, "")

    assert trials()["wire"].state == "bad"


def test_machines_that_do_not_boot_show_their_console_and_stop_the_rest(
    trials: Callable[[], dict[str, Trial]], machines: Machines
) -> None:
    machines.boots = False
    found = trials()

    assert "Failed to allocate manager object" in found["boots"].found
    assert {trial.state for name, trial in found.items() if name != "boots"} == {"skipped"}


def test_the_machines_bring_their_addresses_along(
    trials: Callable[[], dict[str, Trial]], machines: Machines
) -> None:
    trials()

    with tarfile.open(fileobj=io.BytesIO(machines.specs[1].archive)) as tar:
        file = tar.extractfile("etc/systemd/network/10-lan0.network")
        assert file is not None
        assert "Address=10.99.0.2/24" in file.read().decode()


def test_the_grader_s_key_is_not_left_behind(
    trials: Callable[[], dict[str, Trial]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    trials()

    assert not list(tmp_path.glob("internbox-probe-*"))


# --- the report


def trial(state: Any) -> Trial:
    return Trial(name="boots", state=state, found="both answered after 1.2 s", seconds=1.2)


@pytest.mark.parametrize(
    ("trials", "words"),
    [
        ([], "untested"),
        ([trial("ok")], "tested, and it works"),
        ([trial("bad")], "tested, and it does not work: boots"),
    ],
)
def test_the_verdict(trials: list[Trial], words: str) -> None:
    assert verdict(trials) == words


def test_the_report_can_be_pasted(bench: Any) -> None:
    text = report(bench, [], [trial("ok")])

    assert text.startswith("### internbox doctor --probe")
    assert "- engine: Docker 20.10.24; security: seccomp" in text
    assert "- boots: ok, both answered after 1.2 s (1.2 s)" in text
