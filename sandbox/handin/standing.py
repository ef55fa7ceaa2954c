"""Brings up the machines of a submission: a clean lab, in which the learner's are then theirs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from pathlib import Path

from sandbox import readiness, ssh, topology
from sandbox.errors import EngineError, MachineError, Refused, Unreachable
from sandbox.lab import HostRecord, LabRecord
from sandbox.runtime.base import Placement
from sandbox.runtime.failures import BLAMELESS, insist
from sandbox.topology import BOOT, MACHINE, Bringer, in_parallel

ASK_SECONDS = 120.0
LISTING_BYTES = 64_000_000
SETUID = "find / -xdev -type f -perm /6000 -print0 2>/dev/null"


# Where the measured boot looks (images/machine/src/measure.c).
MEASURED = ("/bin", "/sbin", "/lib", "/lib64", "/usr", "/etc/ld.so", "/etc/systemd/system.conf")


@dataclasses.dataclass(frozen=True)
class HandedIn:
    """What is laid on one machine: the tar, its files that run with the rights of others, and
    whether it changes what the boot measures."""

    archive: Path
    setuid: frozenset[str] = frozenset()
    measured: bool = True


def is_measured(paths: Iterable[str]) -> bool:
    """Whether tampering may be among these changes. Too much is asked, never too little."""
    return any(path.startswith(MEASURED) and path != "/usr" for path in paths)


def stand(
    bringer: Bringer,
    images: dict[str, str],
    placing: Future[Placement],
    handed: Mapping[str, HandedIn],
) -> LabRecord:
    """The machines, booted with what was handed in; `since` and baseline are the clean ones'.

    A clean machine is not booted first where nothing can hang on it: it makes no use of its
    services to be prepared, and no program, library or setuid file was handed in. Refused when
    there is a setuid file that the clean machine has not. A machine that does not start or boot
    with what was handed in is left as it is: what that means is for the grade to say, which asks
    the control.
    """
    specs, scripts, record = bringer.plan(images, placing)
    placement = placing.result()
    before = bringer.runtime.info().clock
    plain = not any(scripts.values())
    off: set[str] = set()  # machines that the engine does not start any more

    def needs_clean(host: HostRecord) -> bool:
        own = handed.get(host.host)
        return own is None or not plain or own.measured or bool(own.setuid)

    def theirs(host: HostRecord) -> None:
        archive = handed[host.host].archive
        spec = dataclasses.replace(specs[host.host], archive=archive, replaces=True)
        host.container = bringer.runtime.create(spec, placement)
        if not _starts(bringer, host):
            off.add(host.host)

    def replace(host: HostRecord) -> None:
        """The clean machine makes room for one of the same image that holds what was handed in."""
        bringer.runtime.remove(bringer.attempt, host=host.host)
        theirs(host)

    def brought(host: HostRecord) -> None:
        if not needs_clean(host):
            host.since = before
            theirs(host)
            return
        bringer.launch(host, specs[host.host], placement)
        with bringer.prepare(host, scripts[host.host]) as link:
            if host.host in handed:
                _note_clean(bringer, host, link, handed[host.host])
            else:
                bringer.hand_over(host, link)

    in_parallel(brought, record.standing())
    learners = [host for host in record.standing() if host.host in handed]
    in_parallel(replace, [host for host in learners if needs_clean(host)])
    in_parallel(lambda host: _boot(bringer, host), [one for one in learners if one.host not in off])
    return record


def _note_clean(bringer: Bringer, host: HostRecord, link: ssh.Connection, handed: HandedIn) -> None:
    """What the preparation made of the image, as measured before anything of the learner's."""
    created = next(
        one.created for one in bringer.runtime.machines(bringer.attempt) if one.id == host.container
    )
    told = link.run(
        f"date +%s.%N; {MACHINE} measure {created:.3f}", timeout=ASK_SECONDS, limit=LISTING_BYTES
    )
    if told.rc:
        raise MachineError(f"{host.host} could not be measured", hint="internbox doctor --probe")
    clock, _, host.baseline = told.stdout.partition("\n")
    host.since = float(clock)
    if handed.setuid:
        clean = link.run(SETUID, timeout=ASK_SECONDS, limit=LISTING_BYTES).stdout.split("\0")
        if odd := sorted(handed.setuid - set(clean)):
            raise Refused(
                f"{odd[0]} on {host.host} runs with the rights of its owner or group (setuid), "
                "and is not so on a clean machine"
            )


def _boot(bringer: Bringer, host: HostRecord) -> None:
    endpoint = topology.grader_endpoint(host, bringer.files.grader_key)
    try:
        with ssh.connect(endpoint, deadline=readiness.BOOT_SECONDS) as link:
            failed = link.run(f"cat {BOOT}/failed 2>/dev/null")
            if failed.rc == 0:
                raise Refused(
                    f"what was deleted on {host.host} could not be deleted here: "
                    f"{failed.stdout[:500].strip()}"
                )
            readiness.settle(link)
    except (Unreachable, ssh.CommandTimeout):
        return


def _starts(bringer: Bringer, host: HostRecord) -> bool:
    """Whether the engine starts the machine: a learner can make that impossible."""
    try:
        insist(bringer.runtime.start, host.container)
    except BLAMELESS:
        raise
    except EngineError:
        return False
    return True
