"""What was measured: each figure beside its baseline and its limit, as JSON and as a table."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from msgspec import Struct


class Figure(Struct, kw_only=True):
    """One line of bench.json. `limit` is in `unit`; where it was not run, `value` and `ok` are
    None. `ratio` is value by baseline; `rule` says in words where the limit comes from."""

    name: str
    value: float | None
    unit: str
    baseline: float | None
    ratio: float | None
    limit: float
    ok: bool | None
    rule: str
    samples: list[float] = []
    baseline_samples: list[float] = []


def figure(
    name: str,
    samples: list[float],
    *,
    unit: str,
    limit: float,
    rule: str,
    baseline: list[float] | None = None,
) -> Figure:
    """The figure of repeated measurements: their median, beside the baseline's."""
    value = statistics.median(samples)
    bare = statistics.median(baseline) if baseline else None
    return Figure(
        name=name,
        value=round(value, 3),
        unit=unit,
        baseline=None if bare is None else round(bare, 3),
        ratio=round(value / bare, 2) if bare else None,
        limit=round(limit, 3),
        ok=value <= limit,
        rule=rule,
        samples=[round(one, 3) for one in samples],
        baseline_samples=[round(one, 3) for one in baseline or []],
    )


def not_run(name: str, *, unit: str, limit: float, rule: str) -> Figure:
    return Figure(
        name=name,
        value=None,
        unit=unit,
        baseline=None,
        ratio=None,
        limit=limit,
        ok=None,
        rule=rule,
    )


def seconds(work: Callable[[], object]) -> float:
    """How long `work` takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def in_turn(repeats: int, *works: Callable[[], float]) -> list[list[float]]:
    """The samples of each, taken in turn, so that a noisy minute falls on all of them."""
    rows = [[work() for work in works] for _ in range(repeats)]
    return [list(column) for column in zip(*rows, strict=True)]


def write(figures: list[Figure], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(figures), indent=2) + b"\n")


def table(figures: list[Figure]) -> Iterator[str]:
    """The figures as lines of text, a heading first."""
    rows = [["", "figure", "value", "baseline", "ratio", "limit", "rule"]]
    for one in figures:
        numbers = [
            "not run" if one.value is None else f"{one.value:g} {one.unit}",
            "" if one.baseline is None else f"{one.baseline:g} {one.unit}",
            "" if one.ratio is None else f"{one.ratio:.2f}",
            f"{one.limit:g} {one.unit}",
        ]
        mark = {True: "ok", False: "MISSED", None: "-"}[one.ok]
        rows.append([mark, one.name, *numbers, one.rule])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
