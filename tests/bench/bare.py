"""The bare baseline: the same containers by docker SDK, each with a network and ports of its own,
until their sshd says SSH.

A start is over when the learner can log in, and so is the baseline: it waits for the image's own
sshd, which systemd starts, where a machine has one; otherwise for the grader's server.
"""

from __future__ import annotations

import dataclasses
import io
import secrets
import socket
import tarfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from figures import seconds

from sandbox.attempts import Labs
from sandbox.runtime import container, placement
from sandbox.runtime.base import MachineSpec, Place, Placement

PATIENCE = 60.0
PAUSE = 0.01

Pool = Callable[[Callable[[Any], Any], Sequence[Any]], list[Any]]


def twins(labs: Labs, attempt: str) -> list[MachineSpec]:
    """The specs of an attempt's machines; of the files laid in them only sshd's key, which it
    does not start without."""
    bringer, record = labs.machines(attempt)
    specs = [bringer.spec(name, record.images)[0] for name in record.hosts]
    return [dataclasses.replace(spec, archive=_host_keys(spec.archive)) for spec in specs]


def _host_keys(archive: bytes) -> bytes:
    kept = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(archive)) as source,
        tarfile.open(fileobj=kept, mode="w") as target,
    ):
        for member in source:
            if "etc/ssh/ssh_host" in member.name:
                target.addfile(member, source.extractfile(member))
    return kept.getvalue()


def launch(labs: Labs, attempts: Sequence[Sequence[MachineSpec]], pool: Pool) -> float:
    """Seconds from the first create to the last banner of these machines; they are removed."""
    runtime: Any = labs.runtime
    engine = runtime.engine
    requests, names = [], []
    used: set[int] = set()
    for specs in attempts:
        name = f"bare-{secrets.token_hex(4)}"
        own = [dataclasses.replace(spec, attempt=name) for spec in specs]
        doors = {spec.host: not spec.hidden for spec in own}
        places = placement.choose(doors, engine.endpoint, used)
        used |= set(placement.ports_of(places.values()))
        names.append(name)
        for spec in own:
            place = places[spec.host]
            alone = Placement({spec.host: place}, "")
            asked = container.request(engine, runtime.home, spec, alone, runtime._tools_volume())
            requests.append((asked, spec.archive, place))

    def one(request: tuple[dict[str, Any], bytes, Place]) -> None:
        asked, archive, place = request
        made = engine.api.create_container(**asked)["Id"]
        engine.api.put_archive(made, "/", archive)
        engine.api.start(made)
        wait_for_banner(place.connect, place.learner_port or place.grader_port)

    try:
        return seconds(lambda: pool(one, requests))
    finally:
        for name in names:
            runtime.remove(name)


def wait_for_banner(address: str, port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection((address, port), timeout=5) as link:
            if link.recv(4) == b"SSH-":
                return
        time.sleep(PAUSE)
    raise TimeoutError(f"{address}:{port} said nothing for {PATIENCE:.0f} s")
