"""How long a start takes, for one machine, for three, and for forty attempts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import bare
from figures import Figure, figure, in_turn, seconds
from stage import Stage, four_at_once

PER_START = 0.4  # seconds for Python to begin, and to say the ticket
SMALL_MIB = 15.0


def all_at_once(work: Any, items: Sequence[Any]) -> list[Any]:
    with ThreadPoolExecutor(len(items)) as pool:
        return list(pool.map(work, items))


def one_machine(stage: Stage, repeats: int) -> Iterator[Figure]:
    ours, baseline = _beside_bare(stage, "linux/first-day", repeats)
    yield figure(
        "start, one machine",
        ours,
        unit="s",
        baseline=baseline,
        limit=1.3 * _median(baseline) + PER_START,
        rule="1.3 times bare + 0.4 s, whole process",
    )


def three_machines(stage: Stage, repeats: int) -> Iterator[Figure]:
    ours, baseline = _beside_bare(stage, "bench/three-hosts", repeats)
    yield figure(
        "start, three machines",
        ours,
        unit="s",
        baseline=baseline,
        limit=2 * _median(baseline),
        rule="2 times the same three bare at once, whole process",
    )


def _beside_bare(stage: Stage, scenario: str, repeats: int) -> list[list[float]]:
    _, attempt = stage.start(scenario)  # warm: images looked at, tools volume known
    specs = bare.twins(stage.labs, attempt["attempt"])
    stage.stop([attempt["attempt"]])

    def ours() -> float:
        taken, attempt = stage.start(scenario)
        stage.stop([attempt["attempt"]])
        return taken

    return in_turn(repeats, ours, lambda: bare.launch(stage.labs, [specs], all_at_once))


def many(stage: Stage, repeats: int, attempts: int) -> Iterator[Figure]:
    """Attempts in one process, four at once; how much memory each takes meanwhile."""
    first = stage.labs.start("bench/small").id
    specs = bare.twins(stage.labs, first)
    stage.stop([first])
    memory: list[float] = []

    def ours() -> float:
        started: list[str] = []

        def start(_: int) -> None:
            started.append(stage.other_labs().start("bench/small").id)

        taken = seconds(lambda: four_at_once(start, range(attempts)))
        memory.extend(row.memory_mib or 0.0 for row in stage.labs.status())
        four_at_once(lambda attempt: stage.other_labs().stop([attempt]), started)
        stage.stop(started)
        return taken

    def baseline() -> float:
        return bare.launch(stage.labs, [specs] * attempts, four_at_once)

    taken, bare_taken = in_turn(repeats, ours, baseline)
    yield figure(
        f"{attempts} attempts, four at once",
        taken,
        unit="s",
        baseline=bare_taken,
        limit=1.15 * _median(bare_taken),
        rule="1.15 times bare, four at once",
    )
    yield figure(
        "memory of a small machine",
        memory,
        unit="MiB",
        limit=SMALL_MIB,
        rule=f"as `status` says, {attempts} at a time",
    )


def _median(samples: list[float]) -> float:
    return sorted(samples)[len(samples) // 2]
