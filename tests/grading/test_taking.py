"""What a machine says of its tools, told by a link that the learner may have in hand."""

from __future__ import annotations

import contextlib
import dataclasses
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sandbox import readiness, ssh
from sandbox.errors import EngineError, HostFull, MachineError, Unreachable
from sandbox.grading import taking
from sandbox.grading.results import PhaseResult
from sandbox.lab import HostRecord, LabRecord
from sandbox.runtime.base import Place
from sandbox.topology import Bringer
from tests.grading.test_sealed import SEAL, sealed_with
from tests.grading.test_tamper import MANIFEST, PLACES, SINCE, folder, new

DOWN = SINCE + 100  # when the machine went down for this grade's reboot


def report(*lines: str, booted: float = DOWN + 0.5, key: str = SEAL) -> bytes:
    body = f"boot\t{booted:.9f}\n{PLACES}{''.join(lines)}"
    return sealed_with(key, body.encode())


@dataclasses.dataclass
class Link:
    """A connection that answers what it was told to."""

    report: bytes | None
    now: str = PLACES
    asked: list[str] = dataclasses.field(default_factory=list)

    def __enter__(self) -> Link:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def read(self, path: str, limit: int) -> bytes:
        if self.report is None:
            raise MachineError(f"{path}: No such file or directory")
        return self.report[:limit]

    def run(self, command: str, **_: Any) -> ssh.Result:
        self.asked.append(command)
        return ssh.Result(0, "yes\n" if command == "echo yes" else self.now, "")


def taker(*, seal: str = SEAL, down: float = DOWN) -> taking.Taker:
    """Of one machine, which went down at `down` as the engine says."""
    host = HostRecord(
        host="desk",
        hidden=False,
        fresh=False,
        init="systemd",
        container="c1",
        place=Place("desk", "127.0.0.1", 1),
        baseline=PLACES,
        since=SINCE,
        seal=seal,
    )
    record = LabRecord(
        hosts={"desk": host},
        rack="r1",
        images={"base": "base:1"},
        learner_host="desk",
        console_password="",
    )
    hosts = {"desk": SimpleNamespace(image="base")}
    bringer: Any = SimpleNamespace(
        attempt="first-day-1234",
        files=SimpleNamespace(grader_key=Path("key")),
        runtime=SimpleNamespace(ended=lambda _: down),
        loaded=SimpleNamespace(settings=SimpleNamespace(hosts=hosts)),
        manifest=lambda _: MANIFEST,
    )
    nothing: Any = None
    return taking.Taker(bringer, record, "", nothing)


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What is found tampered on a machine that is reached by this link."""

    def judge(link: Link, **more: float) -> list[str]:
        monkeypatch.setattr(ssh, "connect", lambda *_, **__: link)
        found, silent = taker(**more)._measure([])
        assert silent == {}
        return found

    return judge


def test_an_untouched_machine_is_clean(judged: Any) -> None:
    assert judged(Link(report())) == []


def test_the_boot_is_judged_by_its_report(judged: Any) -> None:
    changed = [new("/usr/bin/dig"), folder("/usr/sbin", "/usr/sbin/nginx")]

    assert judged(Link(report(*changed))) == ["/usr/bin/dig", "/usr/sbin/nginx"]


def test_what_changed_since_the_boot_is_seen_too(judged: Any) -> None:
    now = PLACES + folder("/usr/bin", "/usr/bin/curl")

    assert judged(Link(report(), now)) == ["/usr/bin/curl"]


def test_a_report_with_other_words_in_it_is_forged(judged: Any) -> None:
    told = report(new("/usr/bin/dig")).replace(b"/usr/bin/dig", b"/usr/bin/mtr")

    assert judged(Link(told)) == [taking.FORGED]


def test_a_report_that_was_cut_off_is_forged(judged: Any) -> None:
    assert judged(Link(report()[:-80])) == [taking.FORGED]


def test_a_report_sealed_with_another_key_is_forged(judged: Any) -> None:
    assert judged(Link(report(key="0" * 64))) == [taking.FORGED]


def test_a_report_of_an_earlier_boot_is_told_from_this_ones(judged: Any) -> None:
    assert judged(Link(report(booted=DOWN - 0.001))) == [taking.REPLAYED]


def test_a_machine_that_rebooted_by_itself_since_owes_the_report_of_that_boot(judged: Any) -> None:
    first = report(booted=DOWN + 0.5)

    assert judged(Link(first)) == []
    assert judged(Link(first), down=DOWN + 0.9) == [taking.REPLAYED]


def test_a_report_that_is_missing_is_not_clean(judged: Any) -> None:
    assert judged(Link(None)) == [taking.UNMEASURED]


def test_an_engine_that_knows_no_reboot_leaves_it_ungraded(judged: Any) -> None:
    with pytest.raises(EngineError, match="does not say when desk went down"):
        judged(Link(report()), down=SINCE - 1)


def test_an_attempt_of_an_older_version_is_not_graded_rather_than_tampered() -> None:
    with pytest.raises(MachineError, match="started by an older version") as raised:
        taker(seal="").grade()

    assert "internbox reset first-day-1234" in raised.value.hint


@pytest.mark.parametrize("cut_off", [set(), {"c1"}], ids=["a fault of theirs", "a rack anew"])
def test_a_machine_whose_rack_was_restarted_is_not_the_learners_fault(
    cut_off: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*_: object, **__: object) -> None:
        raise Unreachable("no answer", host="desk")

    monkeypatch.setattr(ssh, "connect", silent)
    graded = taker()
    runtime: Any = graded.bringer.runtime
    runtime.machines = lambda _: [SimpleNamespace(id="c1", state="running")]
    runtime.cut_off = lambda _: cut_off
    runtime.console_log = lambda _: ""
    bringer: Any = graded.bringer
    bringer.has = partial(Bringer.has, bringer)
    bringer.probe = lambda _: True  # another machine on this engine answers

    if cut_off:
        with pytest.raises(EngineError, match="says nothing about the work"):
            graded._lost(["desk"], taking.FELL_SILENT)
    else:
        assert set(graded._lost(["desk"], taking.FELL_SILENT)) == {"desk"}


# --- a connection that breaks, an engine whose host is full ------------------------------------


class Asked:
    """A taker whose phases end as listed, one after the other."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, hidden: bool, phases: list[Any]) -> None:
        self.taker = taker()
        self.taker.record.hosts["desk"].hidden = hidden
        self.left = phases

        @contextlib.contextmanager
        def prepared(_: Any, phase: str, **__: Any) -> Any:
            yield (lambda _: self.left.pop(0)), list

        monkeypatch.setattr(taking.Taker, "_prepared", prepared)
        monkeypatch.setattr(ssh, "connect", lambda *_, **__: Link(None))

    def unbroken(self) -> tuple[PhaseResult, dict[str, str]]:
        return self.taker._unbroken(self.left.pop(0), "before", taking.FELL_SILENT, {})


def phase(*, unreachable: bool) -> PhaseResult:
    return PhaseResult(checks=[], guards=[], unreachable=["desk"] if unreachable else [])


@pytest.mark.parametrize("hidden", [False, True])
def test_a_connection_that_broke_once_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, hidden: bool
) -> None:
    phases = [phase(unreachable=True), phase(unreachable=False)]
    asked = Asked(monkeypatch, hidden=hidden, phases=list(phases))

    assert asked.unbroken() == (phases[1], {})


def test_nothing_is_asked_twice_when_no_connection_broke(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked(monkeypatch, hidden=False, phases=[phase(unreachable=False)])

    assert asked.unbroken() == (phase(unreachable=False), {})


def test_a_learners_machine_that_breaks_it_again_keeps_its_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    phases = [phase(unreachable=True), phase(unreachable=True)]
    asked = Asked(monkeypatch, hidden=False, phases=phases)

    assert asked.unbroken() == (phase(unreachable=True), {})


def test_a_connection_that_breaks_twice_out_of_reach_is_nobodys_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    phases = [phase(unreachable=True), phase(unreachable=True)]
    asked = Asked(monkeypatch, hidden=True, phases=phases)

    with pytest.raises(EngineError, match="the connection to desk broke twice"):
        asked.unbroken()


def rebooting(monkeypatch: pytest.MonkeyPatch, console: str, error: Exception) -> taking.Taker:
    """A taker whose machine does not answer, and which the engine fails to restart."""

    def refuse(*_: Any, **__: Any) -> None:
        raise error

    def silent(*_: Any, **__: Any) -> None:
        raise Unreachable("nothing", host="desk")

    monkeypatch.setattr(ssh, "connect", silent)
    rebooted = taker()
    rebooted.bringer.runtime.restart = refuse  # type: ignore[method-assign]
    rebooted.bringer.runtime.console_log = lambda _: console  # type: ignore[method-assign]
    return rebooted


def test_a_full_disk_of_the_engines_is_not_the_learners(monkeypatch: pytest.MonkeyPatch) -> None:
    full = HostFull("restarting desk: the engine's disk is full")
    host = rebooting(monkeypatch, "", full)

    with pytest.raises(HostFull):
        host._reboot_one(host.record.hosts["desk"])


def test_a_machine_that_gets_no_inotify_is_not_the_learners(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    console = f"systemd[1]: Reached target\ninternbox: {readiness.INOTIFY}: Too many open files\n"
    host = rebooting(monkeypatch, console, EngineError("no"))

    with pytest.raises(HostFull, match=r"desk cannot boot: .* no inotify instances"):
        host._lost(["desk"], taking.DID_NOT_COME_BACK)


def test_only_the_last_that_a_machine_said_counts() -> None:
    readiness.require_inotify("desk", f"internbox: {readiness.INOTIFY}\nDebian GNU/Linux 13 desk\n")


def test_the_machine_says_it_in_these_words() -> None:
    assert readiness.INOTIFY in Path("images/machine/src/init.c").read_text()
