"""How long a start takes, for one machine, for three, and for forty attempts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Any

import bare
from figures import Figure, figure, in_turn, not_run, seconds
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
        limit=1.3 * median(baseline) + PER_START,
        rule="1.3 times the median of bare + 0.4 s, whole process",
    )


def three_machines(stage: Stage, repeats: int) -> Iterator[Figure]:
    ours, baseline = _beside_bare(stage, "bench/three-hosts", repeats)
    yield figure(
        "start, three machines",
        ours,
        unit="s",
        baseline=baseline,
        limit=2 * median(baseline),
        rule="2 times the median of the same three bare at once, whole process",
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
        told = (row.memory_mib for row in stage.labs.status())
        memory.extend(mib for mib in told if mib is not None)
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
        limit=1.15 * median(bare_taken),
        rule="1.15 times the median of bare, four at once",
    )
    yield small_memory(memory, attempts)


def small_memory(told: list[float], attempts: int) -> Figure:
    """Of what the engine told; where it told nothing, nothing was measured."""
    name = "memory of a small machine"
    if not told:
        return not_run(name, unit="MiB", limit=SMALL_MIB, rule="`status` had no figure")
    rule = f"as `status` said {len(told)} times, {attempts} at a time"
    return figure(name, told, unit="MiB", limit=SMALL_MIB, rule=rule)
