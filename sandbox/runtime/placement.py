"""Places the machines of an attempt: chooses ports that nothing else of ours has.

What an attempt was given stands in the label `labels.PORTS` of its rack, or of its only machine, so
that the engine remembers it. Two that choose at the same time draw at random from thousands, and
the engine refuses to start the second with a port that is taken.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from sandbox import labels
from sandbox.errors import EngineError, PortTaken
from sandbox.runtime.base import Place, Placement, Runtime
from sandbox.runtime.endpoint import EngineEndpoint

PORTS = range(20000, 32768)  # below the ports that Linux and macOS give to outgoing connections
TRIES = 2000
TIMES = 5  # that all is placed anew

R = TypeVar("R")

random = secrets.SystemRandom()


def placed(
    runtime: Runtime,
    attempt: str,
    scenario: str,
    doors: Mapping[str, bool],
    work: Callable[[Future[Placement]], R],
) -> R:
    """What `work` makes of a placement, which is still in the making while it prepares.

    When another program took one of the ports, the attempt's machines are removed and all is done
    again with others. `doors` says of each host whether learners log in.
    """

    def once() -> R:
        with ThreadPoolExecutor(1) as behind:
            return work(behind.submit(runtime.place, attempt, scenario, doors))

    for _ in range(TIMES - 1):
        with suppress(PortTaken):
            return once()
        runtime.remove(attempt)
    return once()


def taken(containers: Iterable[dict[str, Any]]) -> set[int]:
    """The ports that these containers keep, whether they run or not."""
    reserved = (container["Labels"][labels.PORTS].split(",") for container in containers)
    return {int(port) for ports in reserved for port in ports}


def choose(
    doors: Mapping[str, bool], endpoint: EngineEndpoint, taken: Collection[int]
) -> dict[str, Place]:
    """A place for each host; learners get a port only where they log in."""
    used = set(taken)
    places = {}
    for host, learners in doors.items():
        grader = free_port(endpoint, used)
        learner = free_port(endpoint, used | {grader}) if learners else 0
        used |= {grader, learner}
        places[host] = Place(host, endpoint.connect, grader, learner)
    return places


def ports_of(places: Iterable[Place]) -> list[int]:
    return [port for p in places for port in (p.grader_port, p.learner_port) if port]


def free_port(endpoint: EngineEndpoint, taken: Collection[int]) -> int:
    """A port nobody listens on; on an engine elsewhere, one that no container of ours has."""
    for _ in range(TRIES):
        port = random.choice(PORTS)
        if port not in taken and (not endpoint.local or can_bind(endpoint.bind, port)):
            return port
    raise EngineError(
        f"no port from {PORTS.start} to {PORTS.stop - 1} is free",
        hint="internbox gc, and stop attempts not in use",
    )


def can_bind(address: str, port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True
