"""Rules about parameters: that they can be drawn, and are drawn for something."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from sandbox.lint.finding import Finding, Subject, rule
from sandbox.lint.grader import tree
from sandbox.rendering.templates import undeclared
from sandbox.scenarios.tomlfile import Keys
from sandbox.variants.drawing import formats_of
from sandbox.variants.formats import names


@rule("draws")
def draws(subject: Subject) -> Iterator[Finding]:
    """Every fault can be drawn, from every seed that was tried."""
    yield from (found for found in subject.broken if found.rule == "draws")


@rule("weights")
def weights(subject: Subject) -> Iterator[Finding]:
    """There are two faults at least, or the inputs are drawn anew for each grade."""
    drawn = [name for name, fault in subject.loaded.settings.faults.items() if fault.weight]
    if len(drawn) > 1 or {"rng", "salt", "generate"} & _words_of_grader(subject):
        return
    yield subject.at(
        "scenario.toml",
        ("faults",),
        "there is one fault only, and the grader draws no inputs",
        hint="add a second fault, or let the grader draw with the fixture rng",
        rule="weights",
    )


@rule("unused-parameter")
def unused(subject: Subject) -> Iterator[Finding]:
    """A parameter is used: by a template, a format, another parameter or the grader."""
    settings = subject.loaded.settings
    used = _used(subject)
    written: list[tuple[Keys, str]] = [(("parameters", name), name) for name in settings.parameters]
    for fault, described in settings.faults.items():
        written += [(("faults", fault, "parameters", name), name) for name in described.parameters]
    for keys, name in written:
        if name not in used:
            yield subject.at(
                "scenario.toml",
                keys,
                "nothing uses it",
                hint="take it out, or use it",
                rule="unused-parameter",
            )


def _used(subject: Subject) -> set[str]:
    settings = subject.loaded.settings
    used = {settings.requester} | _words_of_grader(subject)
    for text in subject.loaded.sources["scenario.toml"].text.splitlines():
        used.update(re.findall(r"\{(\w+)", text))
    parameters = list(settings.parameters.values())
    for fault in settings.faults.values():
        parameters += fault.parameters.values()
    for parameter in parameters:
        used.update(getattr(parameter, "distinct_from", ()))
        used.add(getattr(parameter, "issuer", ""))
        used.update(name for text in formats_of(parameter) for name in names(text))
    for path in _files(subject):
        used.update(re.findall(r"\{(\w+)", str(path)))
        if path.suffix == ".j2" or path.name in ("hints.toml", "note.toml"):
            used |= undeclared(path.read_text(encoding="utf-8"))
        elif path.name == "files.toml":
            used.update(re.findall(r"\{(\w+)", path.read_text(encoding="utf-8")))
    return used


def _files(subject: Subject) -> list[Path]:
    return [path for path in subject.files.root.rglob("*") if path.is_file()]


def _words_of_grader(subject: Subject) -> set[str]:
    """Every name and every text of one word in the grader, for `params.site`, `params["site"]`."""
    parsed = tree(subject.files)
    if parsed is None:
        return set()
    found = set()
    for node in ast.walk(parsed):
        if isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
    return found


@rule("clock")
def clock(subject: Subject) -> Iterator[Finding]:
    """Templates take the time from `anchor`: with `now`, a reset would make another machine."""
    for path in _files(subject):
        if path.suffix == ".j2" and {"now", "today", "datetime"} & undeclared(
            path.read_text(encoding="utf-8")
        ):
            yield subject.in_file(
                path,
                "it asks for the time of day",
                hint="use anchor, ago('3d') or a parameter of type date",
                rule="clock",
            )
