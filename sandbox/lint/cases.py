"""Rules about solutions and rejected cases, the material of the proof."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sandbox.errors import ContentError, near
from sandbox.lint.finding import Finding, Subject, of_error, rule
from sandbox.lint.grader import grader_ids, statements
from sandbox.models import Solution
from sandbox.rendering import script
from sandbox.scenarios import is_hidden

OTHERS = 3  # honest ways beside the reference, a scenario


def _covers(solution: Solution, fault: str) -> bool:
    return "*" in solution.faults or fault in solution.faults


@rule("solutions")
def enough(subject: Subject) -> Iterator[Finding]:
    """Every fault has the reference and another honest way; the scenario has three others."""
    folder = subject.files.root / "solutions"
    others = {name: one for name, one in subject.solutions.items() if name != "reference"}
    reference = subject.solutions.get("reference")
    for fault in subject.faults:
        if reference is None or not _covers(reference, fault):
            yield subject.in_file(
                folder / "reference",
                f"the reference does not mend the fault {fault}",
                hint=f'faults = ["{fault}", …] in its solution.toml, or "*"',
                rule="solutions",
            )
        if not any(_covers(one, fault) for one in others.values()):
            yield subject.in_file(
                folder,
                f"no way but the reference mends the fault {fault}",
                hint="write another honest one: people do not all do the same",
                rule="solutions",
            )
    if len(others) < OTHERS:
        yield subject.in_file(
            folder,
            f"there are {len(others)} ways beside the reference, not {OTHERS}",
            hint="a grader that accepts one way alone is wrong sooner or later",
            rule="solutions",
        )


@rule("cases")
def cases(subject: Subject) -> Iterator[Finding]:
    """The steps of solutions and rejected cases name hosts, faults and files that there are."""
    for folder, solution in _folders(subject):
        toml = folder / "solution.toml"
        for fault in solution.faults:
            if fault != "*" and fault not in subject.faults:
                yield subject.in_file(
                    toml,
                    f"there is no fault '{fault}'{near(fault, subject.faults)}",
                    hint=f"known: {', '.join(subject.faults)}",
                    rule="cases",
                )
        yield from _steps(subject, folder, solution)
        note = folder / solution.note
        is_rejected = folder.parent.name == "rejected"
        if not is_rejected and not note.is_file():
            yield subject.in_file(
                note,
                "the note is missing",
                hint="write what was wrong, what was changed, how it was checked",
                rule="cases",
            )


def _folders(subject: Subject) -> Iterator[tuple[Path, Solution]]:
    for name, solution in subject.solutions.items():
        yield subject.files.solution(name), solution
    for name, (solution, _) in subject.rejected.items():
        yield subject.files.rejected(name), solution


def _steps(subject: Subject, folder: Path, solution: Solution) -> Iterator[Finding]:
    hosts = subject.loaded.settings.hosts
    seen = [name for name, host in hosts.items() if not is_hidden(host)]
    toml = folder / "solution.toml"
    for index, step in enumerate(solution.steps):
        key = f"steps[{index}]"
        if step.host not in seen:
            yield subject.in_file(
                toml,
                f"learners cannot log in to '{step.host}'{near(step.host, seen)}",
                hint=f"known: {', '.join(seen)}",
                key=f"{key}.host",
                rule="cases",
            )
        if not step.script and not step.reboot:
            yield subject.in_file(
                toml, "the step does nothing", hint="script or reboot", key=key, rule="cases"
            )
        if step.script and not (folder / step.script).is_file():
            files = [path.name for path in folder.iterdir()]
            yield subject.in_file(
                toml,
                f"there is no file '{step.script}'{near(step.script, files)}",
                hint=f"here are {', '.join(sorted(files))}",
                key=f"{key}.script",
                rule="cases",
            )


@rule("scripts")
def scripts(subject: Subject) -> Iterator[Finding]:
    """The scripts and notes of all cases render for their faults; scripts have a #! line."""
    for folder, solution in _folders(subject):
        for fault, variant in subject.first.items():
            if not _covers(solution, fault):
                continue
            names = [(step.script, True) for step in solution.steps if step.script]
            for name, is_script in [*names, (solution.note, False)]:
                path = folder / name
                if not path.is_file():
                    continue
                try:
                    said = script(path, subject.loaded, variant)
                except ContentError as error:
                    yield of_error(error, "scripts")
                    continue
                if is_script and not said.startswith("#!"):
                    yield subject.in_file(
                        path,
                        "the script does not say what runs it",
                        hint="begin it with #!/bin/bash",
                        line=1,
                        rule="scripts",
                    )


@rule("rejected")
def refused(subject: Subject) -> Iterator[Finding]:
    """Rejected cases expect what the grader has; each check and guard is failed by one."""
    kinds = {one.id: one.kind for one in statements(subject.files)}
    failed: set[str] = set()
    for name, (_, expected) in subject.rejected.items():
        toml = subject.files.rejected(name) / "expect.toml"
        failed.update(expected.fails, expected.guards)
        for key, ids, kind in (
            ("fails", expected.fails, "check"),
            ("guards", expected.guards, "guard"),
        ):
            known = [one for one in kinds if kinds[one] == kind]
            for one in ids:
                if one not in known:
                    yield subject.in_file(
                        toml,
                        f"the grader has no {kind} '{one}'{near(one, known)}",
                        hint=f"known: {', '.join(known)}",
                        key=key,
                        rule="rejected",
                    )
        if not (expected.fails or expected.guards or expected.tampered):
            yield subject.in_file(
                toml,
                "nothing is expected to go wrong",
                hint="name the checks in `fails`, the guards in `guards`",
                rule="rejected",
            )
    for one in grader_ids(subject.files):
        if one not in failed:
            yield subject.in_file(
                subject.files.root / "rejected",
                f"no case fails the {kinds[one]} '{one}'",
                hint="write a near-miss or a cheat that does",
                rule="rejected",
            )
