"""The cases that a scenario's proof runs, and the cells that they become."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

from msgspec import Struct

from sandbox import scenarios
from sandbox.models import Choice, Expectation, Solution
from sandbox.variants import rng

HANDED_IN = "handed-in"


class Cell(Struct, frozen=True, kw_only=True):
    """One statement about a grader, and whether it held."""

    scenario: str
    fault: str
    case: str
    kind: str  # untouched, reference, solution, honest-day, rejected, handed-in, note, coverage
    expected: str
    got: str
    ok: bool
    seconds: float = 0.0
    cached: bool = False
    failed: list[str] = []  # checks and guards that this case failed

    @property
    def label(self) -> str:
        """`fault/case`, and whether it was handed in."""
        return f"{self.fault}/{self.case}" + (" handed in" if self.kind == HANDED_IN else "")


@dataclass(frozen=True)
class Way:
    """One value of a choice that says in which way a fault is broken."""

    choice: str
    value: Any
    of: tuple[Any, ...]

    def is_drawn(self, scenario: str, seed: str) -> bool:
        """Whether this seed draws it, as variants.draw does."""
        return bool(rng(seed, scenario, self.choice).choice(self.of) == self.value)


@dataclass(frozen=True)
class Case:
    """A cell to run on machines. With a `way`, it is looked at before it is mended, too."""

    loaded: scenarios.Loaded
    fault: str
    name: str
    kind: str
    solution: Solution | None = None
    folder: Path | None = None
    expect: Expectation | None = None
    way: Way | None = None

    @property
    def id(self) -> str:
        return f"{self.fault}/{self.name}"

    @property
    def handed_in(self) -> bool:
        """Whether somebody worked on it, so that there is something to hand in."""
        return self.solution is not None

    @cached_property
    def seed(self) -> str:
        """The first of this case's own that draws its way."""
        for number in count():
            text = f"{self.loaded.id}/{self.id}" + (f"/{number}" if number else "")
            seed = hashlib.sha256(text.encode()).hexdigest()[:8]
            if self.way is None or self.way.is_drawn(self.loaded.id, seed):
                return seed
        raise AssertionError  # every value is drawn by some seed

    @property
    def expected(self) -> str:
        if self.kind == "untouched":
            return "score 0, no guard broken"
        if self.expect:
            tampered = ", tampered" if self.expect.tampered else ""
            guards = (
                f", breaks {' '.join(sorted(self.expect.guards))}" if self.expect.guards else ""
            )
            fails = " ".join(sorted(self.expect.fails)) or "nothing"
            return f"at most {self.expect.max_points}, fails {fails}{guards}{tampered}"
        looked = "0 points unmended, then " if self.way else ""
        return f"{looked}score 100, note accepted"


def cases(loaded: scenarios.Loaded) -> list[Case]:
    """Every cell of a scenario that needs machines."""
    found = []
    solutions, rejected = scenarios.solutions(loaded), scenarios.rejected(loaded)
    for fault in loaded.settings.faults:
        found.append(Case(loaded, fault, "untouched", "untouched"))
        for name, solution in solutions.items():
            if _covers(solution, fault):
                kind = "reference" if name == "reference" else "solution"
                case = Case(loaded, fault, name, kind, solution, loaded.files.solution(name))
                found += [case, *(_other_ways(case) if kind == "reference" else [])]
        for name, (solution, expect) in rejected.items():
            if _covers(solution, fault):
                folder = loaded.files.rejected(name)
                found.append(Case(loaded, fault, name, "rejected", solution, folder, expect))
    first = next(iter(loaded.settings.faults))
    if honest_day(loaded) and "reference" in solutions:
        folder = loaded.files.solution("reference")
        found.append(
            Case(loaded, first, "honest-day", "honest-day", solutions["reference"], folder)
        )
    return found


def _other_ways(case: Case) -> Iterator[Case]:
    """The case once more for every way to be broken that its own seed does not draw."""
    fault = case.loaded.settings.faults[case.fault]
    parameters = {**case.loaded.settings.parameters, **fault.parameters}
    for choice in fault.ways:
        parameter = parameters[choice]
        assert isinstance(parameter, Choice)  # the loader has seen to that
        for value in parameter.of:
            way = Way(choice, value, tuple(parameter.of))
            if not way.is_drawn(case.loaded.id, case.seed):
                yield replace(case, name=f"{case.name}-{value}", way=way)


def _covers(solution: Solution, fault: str) -> bool:
    return "*" in solution.faults or fault in solution.faults


def honest_day(loaded: scenarios.Loaded) -> Path | None:
    """The script of an ordinary day's work, which must cost nothing."""
    script = loaded.files.company / "honest-day.sh"
    return script if script.is_file() else None
