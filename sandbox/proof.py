"""The proof matrix: what every scenario's grader must say of right, wrong and dishonest work."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from sandbox import rendering, scenarios
from sandbox.attempts import Labs, silent
from sandbox.cases import HANDED_IN, Case, Cell, cases, honest_day
from sandbox.errors import InternboxError, UsageError, near
from sandbox.grading import child, note
from sandbox.grading.results import Grade
from sandbox.handin.proving import Both, survives
from sandbox.pacing import paced
from sandbox.proven import Kept
from sandbox.steps import Steps

VAGUE = "It did not work this morning. I looked at it for a while and fixed it. It works again now."


class ProofReport(Struct, frozen=True):
    """`ok` when every cell held; `not_run`: scenarios that cannot run here, and why; `kept`: the
    attempts whose machines were left running, and of which case."""

    ok: bool
    cells: list[Cell]
    not_run: dict[str, str] = {}
    kept: dict[str, str] = {}


# --- one cell ----------------------------------------------------------------------------------


def run(
    labs: Both, case: Case, *, seed: str = "", keep: bool = False, handed_in: bool = False
) -> tuple[list[Cell], str]:
    """Starts, does what the case does, grades, and says whether the grader was right; then, if
    that is asked for, whether the grade is the same when the attempt is handed in.

    Also the attempt, where its machines are kept.
    """
    begun = time.monotonic()
    attempt = ""
    cells: list[Cell] = []
    try:
        attempt = labs.start(
            str(case.loaded.files.root), seed=seed or case.seed, fault=case.fault
        ).id
        early = labs.check(attempt).score if case.way else 0
        grade = _worked_and_graded(labs, case, attempt)
        ok, got = _judged(case, grade)
        if early:
            ok, got = False, f"{early} points unmended, then {got}"
        failed = [check.id for check in grade.checks if not check.earned]
        failed += [guard.id for guard in grade.guards if not guard.held]
        cells.append(_cell(case, begun, ok, got, failed))
        if handed_in and case.handed_in:
            cells.append(_handed_in(labs, case, attempt, grade, keep=keep))
    except InternboxError as error:
        cells.append(_cell(case, begun, False, f"could not grade: {error.message}", []))
    finally:
        if attempt and not keep:
            labs.forget(attempt)
    return cells, attempt if keep else ""


def _cell(case: Case, begun: float, ok: bool, got: str, failed: list[str]) -> Cell:
    return Cell(
        scenario=case.loaded.id,
        fault=case.fault,
        case=case.name,
        kind=case.kind,
        expected=case.expected,
        got=got,
        ok=ok,
        seconds=round(time.monotonic() - begun, 2),
        failed=failed,
    )


def _handed_in(labs: Both, case: Case, attempt: str, grade: Grade, *, keep: bool) -> Cell:
    begun = time.monotonic()
    ok, got = survives(labs, attempt, grade, fault=case.fault, keep=keep)
    cell = _cell(case, begun, ok, got, [])
    expected = f"handed in and regraded the same: {grade.outcome}, score {grade.score}"
    return msgspec.structs.replace(cell, kind=HANDED_IN, expected=expected)


def _worked_and_graded(labs: Labs, case: Case, attempt: str) -> Grade:
    if case.solution and case.folder:
        if case.kind == "honest-day":
            _spend_a_day(labs, case, attempt)
        labs.apply(attempt, case.folder, case.solution)
    return labs.grade(attempt)


def _spend_a_day(labs: Labs, case: Case, attempt: str) -> None:
    bringer, record = labs.machines(attempt)
    script = honest_day(case.loaded)
    if script:
        steps = Steps(bringer, record, script.parent)
        for host in record.visible():
            steps.run(host.host, script.name, script.read_text())


def _judged(case: Case, grade: Grade) -> tuple[bool, str]:
    missed = sorted(check.id for check in grade.checks if not check.earned)
    broken = sorted(guard.id for guard in grade.guards if not guard.held)
    got = f"{grade.outcome}, score {grade.score}"
    if missed:
        got += f", fails {' '.join(missed)}"
    if broken:
        got += f", breaks {' '.join(broken)}"
    if grade.tampered:
        got += f", tampered {' '.join(grade.tampered[:3])}"
    if case.kind == "untouched":
        return grade.score == 0 and not broken and not grade.tampered, got
    if case.expect:
        as_said = (
            missed == sorted(case.expect.fails)
            and broken == sorted(case.expect.guards)
            and bool(grade.tampered) == case.expect.tampered
            and grade.score <= case.expect.max_points
        )
        return as_said, got
    accepted = grade.note is not None and grade.note.accepted
    if not accepted:
        missing = [str(fact) for fact in grade.note.missing] if grade.note else []
        got += ", note refused" + (f": {'; '.join(missing)}" if missing else "")
    return grade.outcome == "passed" and grade.score == grade.max and accepted, got


# --- cells that need no machine ------------------------------------------------------------------


def note_cells(loaded: scenarios.Loaded) -> list[Cell]:
    """A vague and a stuffed note are refused, for every fault."""
    from datetime import datetime

    from sandbox import variants
    from sandbox.variants.instants import zone

    anchor = datetime(2026, 3, 4, 9, 30, tzinfo=zone(loaded.settings.time_zone))
    cells = []
    for fault in loaded.settings.faults:
        variant = variants.draw(loaded, seed="note", anchor=anchor, fault=fault)

        def wording(text: str, variant: variants.Variant = variant) -> str:
            return rendering.text(text, loaded, variant).strip()

        stuffed = ". ".join(
            wording(accepted).replace("|", " ").replace("*", "")
            for fact in loaded.note.facts
            for accepted in fact.accept
        )
        for name, text in (("vague", VAGUE), ("stuffed", stuffed)):
            judged = note.judge_for(text, loaded.note, fault, wording)
            got = "accepted" if judged.accepted else "refused"
            cells.append(
                Cell(
                    scenario=loaded.id,
                    fault=fault,
                    case=f"{name}-note",
                    kind="note",
                    expected="refused",
                    got=got,
                    ok=not judged.accepted,
                )
            )
    return cells


def coverage_cells(loaded: scenarios.Loaded, cells: Sequence[Cell]) -> list[Cell]:
    """Every check and guard is failed by something other than *untouched*."""
    from sandbox import lint

    failed = {name for cell in cells if cell.kind == "rejected" for name in cell.failed}
    return [
        Cell(
            scenario=loaded.id,
            fault="*",
            case=name,
            kind="coverage",
            expected="failed by a rejected case",
            got="failed" if name in failed else "nothing but untouched fails it",
            ok=name in failed,
        )
        for name in lint.grader_ids(loaded.files)
    ]


# --- the matrix ----------------------------------------------------------------------------------


def prove(
    labs: Labs,
    names: Sequence[str],
    *,
    only: str = "",
    seed: str = "",
    keep: bool = False,
    jobs: int = 0,
    cache: bool = True,
    handed_in: bool = False,
    progress: Callable[[str], None] = silent,
) -> ProofReport:
    """Proves the scenarios named; `only` is `fault/case` or either alone; cells run in parallel.

    With `handed_in` every case that somebody worked on is submitted and regraded, too. UsageError
    when no case is called as `only` says.
    """
    proven = Kept(labs, enabled=cache and not (keep or seed))
    todo: list[Case] = []
    cells: list[Cell] = []
    not_run: dict[str, str] = {}
    kept: dict[str, str] = {}
    loaded_all = [scenarios.load(labs.resolve(name)) for name in names]
    if only:
        _require_some(only, [case for loaded in loaded_all for case in cases(loaded)])
    for loaded in loaded_all:
        images = sorted({host.image for host in loaded.settings.hosts.values()})
        states = labs.runtime.image_states(loaded.files.content, images)
        if why_not := "; ".join(state.why_not for state in states if state.why_not):
            not_run[loaded.id] = why_not
            continue
        labs.runtime.ensure_images(loaded.files.content, images, progress)
        wanted = [case for case in cases(loaded) if _selected(case, only)]
        known = {case.id: proven.find(case, handed_in=handed_in) for case in wanted}
        cells += [cell for found in known.values() for cell in found]
        todo += [case for case in wanted if not known[case.id]]
        if not only:
            cells += note_cells(loaded)
    settings = {"seed": seed, "keep": keep, "handed_in": handed_in}
    for case, found, attempt in _run_all(labs, todo, settings, jobs=jobs, progress=progress):
        cells += found
        for cell in found:
            proven.keep(case, cell)
        if attempt:
            kept[attempt] = f"{case.loaded.id} {case.id}"
    if not only:
        for loaded in loaded_all:
            if loaded.id not in not_run:
                mine = [cell for cell in cells if cell.scenario == loaded.id]
                cells += coverage_cells(loaded, mine)
    cells.sort(key=lambda cell: (cell.scenario, cell.fault, cell.kind, cell.case))
    return ProofReport(all(cell.ok for cell in cells) and bool(cells), cells, not_run, kept)


def _selected(case: Case, only: str) -> bool:
    return not only or only in (case.id, case.name, case.fault)


def _require_some(only: str, all_cases: Sequence[Case]) -> None:
    if any(_selected(case, only) for case in all_cases):
        return
    faults = list(dict.fromkeys(case.fault for case in all_cases))
    names = list(dict.fromkeys(case.name for case in all_cases))
    similar = near(only, [*faults, *names, *(case.id for case in all_cases)])
    raise UsageError(
        f"there is no fault or case {only}{similar}",
        hint=f"faults: {', '.join(faults)}; cases: {', '.join(names)}; or both, as fault/case",
    )


def _run_all(
    labs: Labs,
    todo: Sequence[Case],
    settings: dict[str, Any],
    *,
    jobs: int,
    progress: Callable[[str], None],
) -> Iterator[tuple[Case, list[Cell], str]]:
    """Each case with what `run` says of it, in threads with stores of their own; an interrupt lets
    those that run come to their end."""
    own = threading.local()
    purpose = "learn" if settings["keep"] else f"prove:{os.getpid()}"

    def one(case: Case) -> tuple[list[Cell], str]:
        if not hasattr(own, "labs"):
            own.labs = Both(
                labs.home,
                content=labs.content,
                runtime=labs.runtime,
                purpose=purpose,
                graders=shelf.prepared,
            )
        return run(own.labs, case, **settings)

    with child.Shelf() as shelf:
        for number, (case, done) in enumerate(paced(one, todo, jobs=jobs), start=1):
            for cell in done[0]:
                progress(f"{number:4}/{len(todo)} {_line(cell)}")
            yield case, *done


def _line(cell: Cell) -> str:
    if cell.ok:
        return f"ok   {cell.scenario} {cell.label}"
    return (
        f"FAIL {cell.scenario} {cell.label}\n      expected {cell.expected}\n      got {cell.got}"
    )
