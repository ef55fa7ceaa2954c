"""Findings, the rules that make them, and the scenario that rules look at."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

from sandbox import scenarios
from sandbox.errors import ContentError
from sandbox.models import Expectation, Solution
from sandbox.paths import ScenarioFiles
from sandbox.rendering import ticket
from sandbox.scenarios.tomlfile import Keys, dotted
from sandbox.variants import Variant, draw

_FIRST = datetime(2026, 1, 5, 8, 20, tzinfo=UTC)  # a Monday; later seeds see all of a year


@dataclass(frozen=True, order=True)
class Finding:
    """One thing that is wrong. `line` is 0 for a whole file, `key` is empty outside TOML."""

    file: str
    line: int
    key: str
    message: str
    hint: str
    rule: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        key = f"{self.key}: " if self.key else ""
        return f"{where}: {key}{self.message} [{self.rule}]"


@dataclass(frozen=True)
class Rule:
    """A named rule; its description is the docstring of the function that checks it."""

    name: str
    description: str
    check: Callable[[Subject], Iterator[Finding]]


rules: dict[str, Rule] = {}


def rule(
    name: str,
) -> Callable[[Callable[[Subject], Iterator[Finding]]], Callable[[Subject], Iterator[Finding]]]:
    """Register a function as the rule `name`; what it yields gets the name."""

    def register(
        check: Callable[[Subject], Iterator[Finding]],
    ) -> Callable[[Subject], Iterator[Finding]]:
        rules[name] = Rule(name, (check.__doc__ or "").strip(), check)
        return check

    return register


@dataclass
class Subject:
    """The scenario under the rules' eyes; variants and cases are made once, when asked for."""

    loaded: scenarios.Loaded
    seeds: int
    broken: list[Finding] = field(default_factory=list)  # what could not be read or drawn

    @classmethod
    def findings(cls, files: ScenarioFiles, seeds: int) -> list[Finding]:
        """What all rules find; a rule is not asked once what it needs could not be made."""
        try:
            subject = cls(scenarios.load(files), seeds)
        except ContentError as error:
            return [of_error(error, "readable")]
        found: set[Finding] = set()
        subject.tickets  # noqa: B018 - what cannot be drawn or rendered is known before all rules
        for one in rules.values():
            try:
                found.update(one.check(subject))
            except ContentError as error:
                found.add(of_error(error, one.name))
        return sorted(found)

    @property
    def files(self) -> ScenarioFiles:
        return self.loaded.files

    @property
    def faults(self) -> list[str]:
        return list(self.loaded.settings.faults)

    @cached_property
    def variants(self) -> list[Variant]:
        """`seeds` variants, each fault in turn, at instants all over a year; every fault once at
        least. What cannot be drawn is left out here and found by the rule `draws`."""
        faults = self.faults
        made = []
        failed: set[str] = set()
        for index in range(max(self.seeds, len(faults))):
            fault = faults[index % len(faults)]
            if fault in failed:
                continue
            try:
                made.append(self.variant(index, fault))
            except ContentError as error:
                failed.add(fault)
                self.broken.append(of_error(error, "draws"))
        return made

    def variant(self, index: int, fault: str) -> Variant:
        """The variant of the seed number `index`."""
        anchor = _FIRST + timedelta(hours=index * 43)
        return draw(self.loaded, seed=f"lint{index:04d}", anchor=anchor, fault=fault)

    @cached_property
    def first(self) -> dict[str, Variant]:
        """One variant a fault, all of the same seed."""
        drawable = {variant.fault for variant in self.variants}
        return {fault: self.variant(0, fault) for fault in self.faults if fault in drawable}

    @cached_property
    def tickets(self) -> list[tuple[Variant, str]]:
        """The ticket of each variant, as long as it can be rendered."""
        rendered = []
        for variant in self.variants:
            try:
                rendered.append((variant, ticket(self.loaded, variant)))
            except ContentError as error:
                self.broken.append(of_error(error, "renders"))
                break
        return rendered

    @cached_property
    def solutions(self) -> dict[str, Solution]:
        return scenarios.solutions(self.loaded)

    @cached_property
    def rejected(self) -> dict[str, tuple[Solution, Expectation]]:
        return scenarios.rejected(self.loaded)

    def at(self, source: str, keys: Keys, message: str, *, hint: str, rule: str) -> Finding:
        """A finding in scenario.toml, hints.toml or note.toml."""
        file = self.loaded.sources[source]
        return Finding(file.shown, file.line(keys), dotted(keys), message, hint, rule)

    def in_file(
        self, path: Path, message: str, *, hint: str, rule: str, line: int = 0, key: str = ""
    ) -> Finding:
        """A finding in another file or folder."""
        return Finding(self.shown(path), line, key, message, hint, rule)

    def shown(self, path: Path) -> str:
        return scenarios.shown(self.files, path)


def of_error(error: ContentError, name: str) -> Finding:
    """An error as a finding; its message begins with file and line."""
    found = re.match(r"([^\s:]+):(?:(\d+):)? (.*)", error.message, re.DOTALL)
    if not found:
        return Finding("scenario.toml", 0, "", error.message, error.hint, name)
    key, separator, rest = found[3].partition(": ")
    is_key = separator and re.fullmatch(r"[\w.\[\]-]+", key)
    return Finding(
        found[1],
        int(found[2] or 0),
        key if is_key else "",
        rest if is_key else found[3],
        error.hint,
        name,
    )
