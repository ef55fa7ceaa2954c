"""The bare baseline: the same containers by docker SDK, until the grader's port says SSH."""

from __future__ import annotations

import dataclasses
import secrets
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from figures import seconds

from sandbox.attempts import Labs
from sandbox.runtime import container
from sandbox.runtime.base import MachineSpec, Place

PATIENCE = 60.0
PAUSE = 0.01

Pool = Callable[[Callable[[Any], Any], Sequence[Any]], list[Any]]


def twins(labs: Labs, attempt: str) -> list[MachineSpec]:
    """The specs of an attempt's machines, without the files laid in them."""
    bringer, record = labs.machines(attempt)
    return [
        dataclasses.replace(bringer.spec(name, record.images)[0], archive=b"")
        for name in record.hosts
    ]


def launch(labs: Labs, attempts: Sequence[Sequence[MachineSpec]], pool: Pool) -> float:
    """Seconds from the first create to the last banner of these machines; they are removed."""
    runtime: Any = labs.runtime
    engine = runtime.engine
    requests, names = [], []
    for specs in attempts:
        name = f"bare-{secrets.token_hex(4)}"
        own = [dataclasses.replace(spec, attempt=name) for spec in specs]
        placement = runtime.place(own)
        names.append(name)
        for spec in own:
            asked = container.request(
                engine, runtime.home, spec, placement, runtime._tools_volume()
            )
            requests.append((asked, placement.places[spec.host]))

    def one(request: tuple[dict[str, Any], Place]) -> None:
        made = engine.api.create_container(**request[0])["Id"]
        engine.api.start(made)
        wait_for_banner(request[1].connect, request[1].grader_port)

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
