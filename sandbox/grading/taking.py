"""Takes a grade of running machines: the checks, the reboot of all at once, the checks again."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox import readiness, ssh, topology, variants
from sandbox.errors import EngineError, InternboxError, MachineError, Unreachable
from sandbox.grading import child, safe, sealed, tamper
from sandbox.grading.results import HostAccess, Phase, PhaseResult, Request
from sandbox.lab import HostRecord, LabRecord
from sandbox.runtime.failures import BLAMELESS, insist
from sandbox.topology import Bringer

PHASE_SECONDS = 900.0
CONTROL_SECONDS = 10.0
REACH_SECONDS = 5.0
MEASURE_SECONDS = 120.0
LISTING_BYTES = 64_000_000
REPORT = f"{topology.BOOT}/report"
CHECK_PATIENCE_SECONDS = 5.0  # a quick look waits only for what is just starting

FELL_SILENT = "{host} does not answer, while another machine on the same engine does"
DID_NOT_COME_BACK = (
    "{host} did not come back after the reboot, while another machine on the same engine "
    "answers. Look at its console: internbox console {attempt} {host}"
)
DID_NOT_STAY_UP = (
    "{host} went down again by itself after the reboot. Look at its console: "
    "internbox console {attempt} {host}"
)
UNMEASURED = "its programs could not be measured"
FORGED = "what it says of its programs at boot is not what was measured"
REPLAYED = "what it says of its programs at boot is of an earlier boot"


@dataclass(frozen=True)
class Taken:
    """What was seen: `after` is None for a quick check."""

    before: PhaseResult
    after: PhaseResult | None
    tampered: list[str]
    lost: dict[str, str]  # host → why it counts as failed


@dataclass(frozen=True)
class Taker:
    """One grading of one attempt. `salt` draws hidden inputs; "" means the public samples.

    `grader` imports while the engine is asked; it stays its maker's to close.
    """

    bringer: Bringer
    record: LabRecord
    salt: str
    grader: child.Child

    @property
    def attempt(self) -> str:
        return self.bringer.attempt

    @property
    def key(self) -> Path:
        return self.bringer.files.grader_key

    def check(self) -> Taken:
        """The checks once, on the machines as they are."""
        with self._prepared("before", patience=CHECK_PATIENCE_SECONDS) as (start_child, fresh):
            result = start_child(fresh())
        settings = {"patience": CHECK_PATIENCE_SECONDS}
        result, lost = self._unbroken(result, "before", FELL_SILENT, settings)
        return Taken(result, None, [], lost)

    def grade(self) -> Taken:
        """Before and after a reboot, and what was done to the machines' tools.

        Raises EngineError, MachineError or GraderError when nothing can be said about the
        learner's work.
        """
        self._require_gradable()
        started = self._starts()
        with self._prepared("before") as (start_child, fresh):
            topology.in_parallel(self._settle, self.record.visible())
            before = start_child(fresh())
        before, lost = self._unbroken(before, "before", FELL_SILENT, {})
        self._require_same(started)
        failed = [check.id for check in before.checks if not check.passed]
        failed += [guard.id for guard in before.guards if not guard.held]
        with self._prepared("after", failed_before=failed) as (start_child, fresh):
            lost |= self._reboot()
            started = self._restarted(started, lost)
            if not lost:
                after = start_child(fresh())
        if not lost:
            settings = {"failed_before": failed}
            after, lost = self._unbroken(after, "after", DID_NOT_COME_BACK, settings)
        tampered, silent = self._measure(lost)
        lost |= silent
        # what is said of one that never came back is more
        lost = self._fallen(self._require_same(started)) | lost
        if lost:
            after = PhaseResult.unanswered(before, lost)
        return Taken(before, after, tampered, lost)

    # --- phases -------------------------------------------------------------------------------

    @contextmanager
    def _prepared(
        self, phase: Phase, **settings: Any
    ) -> Iterator[tuple[Callable[[list[HostRecord]], PhaseResult], Callable[[], list[HostRecord]]]]:
        """Fresh machines that boot while the caller does other work, and the way to its results."""
        names = [host.host for host in self.record.hosts.values() if host.fresh]
        with ThreadPoolExecutor(max(1, len(names))) as pool:
            booting: list[Future[HostRecord]] = [
                pool.submit(self.bringer.fresh, self.record, name) for name in names
            ]
            try:
                yield (
                    lambda fresh: self.grader.go(
                        self._request(phase, fresh, **settings), timeout=PHASE_SECONDS
                    ),
                    lambda: [future.result() for future in booting],
                )
            finally:
                wait(booting)  # or the engine would still be making what is removed here
                for name in names:
                    self.bringer.runtime.remove(self.attempt, host=name)

    def _unbroken(
        self, result: PhaseResult, phase: Phase, why: str, settings: dict[str, Any]
    ) -> tuple[PhaseResult, dict[str, str]]:
        """The result, and the machines that are lost.

        Where a connection broke and its machine answers now, all is asked once more: it may have
        been the network's doing. Where one breaks again that no learner can reach, it was.
        """
        lost = self._lost(result.unreachable, why)
        if set(result.unreachable) <= lost.keys():
            return result, lost
        with self._prepared(phase, **settings) as (start_child, fresh):
            result = start_child(fresh())
        lost = self._lost(result.unreachable, why)
        broken = [self.record.hosts[name] for name in result.unreachable if name not in lost]
        if out_of_reach := [host.host for host in broken if host.hidden]:
            raise EngineError(
                f"the connection to {', '.join(out_of_reach)} broke twice: this says nothing about "
                "the work, so nothing was graded",
                hint="internbox doctor, then grade again",
            )
        return result, lost

    def _request(
        self,
        phase: Phase,
        fresh: list[HostRecord],
        *,
        patience: float = PHASE_SECONDS,
        failed_before: Sequence[str] = (),
    ) -> Request:
        loaded, variant = self.bringer.loaded, self.bringer.variant
        return Request(
            scenario=loaded.id,
            grader=str(loaded.files.grader),
            phase=phase,
            hidden=bool(self.salt),
            salt=self.salt or "sample",
            variant=variants.dump(variant),
            company=loaded.company,
            patience_seconds=patience,
            failed_before=list(failed_before),
            hosts=[self._access(host) for host in [*self.record.standing(), *fresh]],
        )

    def _access(self, host: HostRecord) -> HostAccess:
        return HostAccess(
            name=host.host,
            connect=host.place.connect,
            port=host.place.grader_port,
            key=str(self.key),
            host_key=host.grader_host_key,
            hidden=host.hidden,
            fresh=host.fresh,
        )

    def _settle(self, host: HostRecord) -> None:
        """A machine that has only just booted may still be starting what the checks ask for."""
        readiness.settle_at(topology.grader_endpoint(host, self.key), seconds=REACH_SECONDS)

    # --- reboot and control -------------------------------------------------------------------

    def _reboot(self) -> dict[str, str]:
        """Reboots every machine that learners work on; those that did not come back, and why."""
        back = topology.in_parallel(self._reboot_one, self.record.visible())
        missing = [name for name, answers in back if not answers]
        return self._lost(missing, DID_NOT_COME_BACK)

    def _starts(self) -> dict[str, str]:
        """When the engine started each machine; EngineError when it has left one off."""
        now = self.bringer.runtime.starts(self.attempt)
        if off := [host.host for host in self.record.standing() if host.container not in now]:
            raise self._restarted_meanwhile(off)
        return now

    def _restarted_meanwhile(self, hosts: list[str]) -> EngineError:
        return EngineError(
            f"the engine was restarted while {', '.join(hosts)} was graded: "
            "this says nothing about the work, so nothing was graded",
            hint=f"internbox grade {self.attempt}",
        )

    def _restarted(self, started: dict[str, str], lost: Collection[str]) -> dict[str, str]:
        """When the engine started the machines, now that it has restarted all that are not lost."""
        now = self._starts()
        for host in self.record.visible():
            same = now.get(host.container) == started.get(host.container)
            if same and host.host not in lost:
                raise EngineError(
                    f"the engine did not restart {host.host}, so nothing was graded",
                    hint="internbox doctor, then grade again",
                )
        return now

    def _fallen(self, now: dict[str, str]) -> dict[str, str]:
        """Machines that went down by themselves since this grade rebooted them: an answer in
        between is luck."""
        hosts = [host.host for host in self.record.visible() if now.get(host.container) == ""]
        return {host: DID_NOT_STAY_UP.format(host=host, attempt=self.attempt) for host in hosts}

    def _require_same(self, started: dict[str, str]) -> dict[str, str]:
        """When the engine started the machines, as it says now. A machine that rebooted by itself
        is the learner's doing; one that the engine started meanwhile was away for reasons that are
        not."""
        now = self._starts()
        for host in self.record.standing():
            if now.get(host.container) not in ("", started.get(host.container)):
                raise self._restarted_meanwhile([host.host])
        return now

    def _reboot_one(self, host: HostRecord) -> tuple[str, bool]:
        endpoint = topology.grader_endpoint(host, self.key)
        try:
            with ssh.connect(endpoint, deadline=REACH_SECONDS) as link:
                previous = topology.boot_id(link)
        except (Unreachable, ssh.CommandTimeout):
            previous = ""  # it may answer again once it has rebooted
        try:
            insist(self.bringer.runtime.restart, host.container)
            with ssh.wait_boot(
                endpoint, previous=previous, deadline=readiness.BOOT_SECONDS
            ) as link:
                readiness.settle(link)
        except BLAMELESS:
            raise
        except (EngineError, Unreachable, ssh.CommandTimeout):
            return host.host, False  # a learner can also make it impossible to start
        return host.host, True

    def _lost(self, names: list[str], why: str) -> dict[str, str]:
        """Machines that do not answer count as failed only when they are there and the control
        answers."""
        silent = [self.record.hosts[name] for name in names]
        silent = [host for host in silent if not self._answers(host)]
        for host in (one for one in silent if not one.fresh):
            readiness.require_inotify(host.host, self.bringer.runtime.console_log(host.container))
        if silent and not (self._are_theirs(silent) and self._control_answers()):
            raise EngineError(
                f"{', '.join(host.host for host in silent)} cannot be reached, nor can the "
                "control: this says nothing about the work, so nothing was graded",
                hint="internbox doctor, then grade again",
            )
        return {host.host: why.format(host=host.host, attempt=self.attempt) for host in silent}

    def _are_theirs(self, silent: list[HostRecord]) -> bool:
        """Machines that learners work on, and that the engine has not lost."""
        return not any(host.hidden for host in silent) and self.bringer.has(silent)

    def _answers(self, host: HostRecord) -> bool:
        try:
            endpoint = topology.grader_endpoint(host, self.key)
            with ssh.connect(endpoint, deadline=CONTROL_SECONDS) as link:
                return link.run("echo yes", timeout=CONTROL_SECONDS).stdout == "yes\n"
        except (Unreachable, ssh.CommandTimeout):
            return False

    def _control_answers(self) -> bool:
        """A hidden host of the attempt, or else a machine started just for this question."""
        controls = [host for host in self.record.standing() if host.hidden]
        if controls:
            return any(self._answers(host) for host in controls)
        try:
            return self.bringer.probe(self.record)
        except InternboxError:
            return False

    # --- tampering ----------------------------------------------------------------------------

    def _require_gradable(self) -> None:
        if any(not host.seal for host in self.record.visible()):
            raise MachineError(
                f"{self.attempt} was started by an older version of internbox, and this one cannot "
                "grade it",
                hint=f"internbox reset {self.attempt} starts it again from the beginning",
            )

    def _measure(self, lost: Collection[str]) -> tuple[list[str], dict[str, str]]:
        """What was tampered with, and machines that have fallen silent since the checks.

        One that answers, but not to this, is not clean.
        """
        visible = self.record.visible()
        hosts = [host for host in visible if host.host not in lost]
        measured = topology.in_parallel(self._tampered, hosts)
        found = {host.host: paths for host, paths in zip(hosts, measured, strict=True)}
        untold = [name for name, paths in found.items() if paths is None]
        silent = self._lost(untold, FELL_SILENT)
        found |= {name: [UNMEASURED] for name in untold}
        shown = [
            safe.line(f"{name}:{path}" if len(visible) > 1 else path)
            for name, paths in found.items()
            if name not in silent
            for path in paths or []
        ]
        return sorted(shown), silent

    def _tampered(self, host: HostRecord) -> list[str] | None:
        """The paths; None when the machine did not tell all.

        The boot is believed by its seal; what changed since, by a process inside the machine.
        """
        # asked after the checks, so that no boot they saw is later than the one told of
        ended = self._ended(host)
        endpoint = topology.grader_endpoint(host, self.key)
        try:
            with ssh.connect(endpoint, deadline=CONTROL_SECONDS) as link:
                boot = sealed.opened(link.read(REPORT, LISTING_BYTES), host.seal)
                now = _told(link, f"{topology.MACHINE} measure {host.since}")
        except sealed.NotGenuine:
            return [FORGED]
        except MachineError:
            return None
        if boot.booted < ended:
            return [REPLAYED]
        listings = [boot.listing, now]
        if not any(tamper.touched(one, host.baseline, host.since) for one in listings):
            return []
        return tamper.tampered(
            listings=listings,
            manifest=self.bringer.manifest(self.record.images[self._image(host)]),
            baseline=host.baseline,
            since=host.since,
        )

    def _ended(self, host: HostRecord) -> float:
        """When the machine last went down: for the reboot of this grade, or later by itself."""
        ended = self.bringer.runtime.ended(host.container)
        if ended < host.since:
            raise EngineError(
                f"the engine does not say when {host.host} went down, so nothing was graded",
                hint="internbox doctor, then grade again",
            )
        return ended

    def _image(self, host: HostRecord) -> str:
        return self.bringer.loaded.settings.hosts[host.host].image


def _told(link: ssh.Connection, command: str) -> str:
    """All that a command prints; MachineError when it does not end well."""
    told = link.run(command, timeout=MEASURE_SECONDS, limit=LISTING_BYTES)
    if told.rc:
        raise MachineError(f"{command} ended with {told.rc}")
    return told.stdout


def new_salt() -> str:
    """What hidden inputs are drawn from: recorded with the grade."""
    return f"{time.time_ns():x}"
