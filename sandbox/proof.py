"""The proof matrix: what every scenario's grader must say of right, wrong and dishonest work."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import Struct

from sandbox import rendering, scenarios
from sandbox.attempts import Labs, silent
from sandbox.errors import InternboxError
from sandbox.grading import note
from sandbox.grading.results import Grade
from sandbox.models import Expectation, Solution
from sandbox.steps import Steps

OTHER_PARTS = ("__pycache__", "cli", "reports", "doctor", "builtin")  # decide no cell
VAGUE = "It did not work this morning. I looked at it for a while and fixed it. It works again now."


class Cell(Struct, frozen=True, kw_only=True):
    """One statement about a grader, and whether it held."""

    scenario: str
    fault: str
    case: str
    kind: str  # untouched, reference, solution, honest-day, rejected, note, coverage
    expected: str
    got: str
    ok: bool
    seconds: float = 0.0
    cached: bool = False
    failed: list[str] = []  # checks and guards that this case failed


class ProofReport(Struct, frozen=True):
    """`ok` when every cell held; `not_run`: scenarios that cannot run here, and why."""

    ok: bool
    cells: list[Cell]
    not_run: dict[str, str] = {}


@dataclass(frozen=True)
class Case:
    """A cell to run on machines."""

    loaded: scenarios.Loaded
    fault: str
    name: str
    kind: str
    solution: Solution | None = None
    folder: Path | None = None
    expect: Expectation | None = None

    @property
    def id(self) -> str:
        return f"{self.fault}/{self.name}"

    @property
    def seed(self) -> str:
        return hashlib.sha256(f"{self.loaded.id}/{self.id}".encode()).hexdigest()[:8]

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
        return "score 100, note accepted"


def cases(loaded: scenarios.Loaded) -> list[Case]:
    """Every cell of a scenario that needs machines."""
    found = []
    solutions, rejected = scenarios.solutions(loaded), scenarios.rejected(loaded)
    for fault in loaded.settings.faults:
        found.append(Case(loaded, fault, "untouched", "untouched"))
        for name, solution in solutions.items():
            if _covers(solution, fault):
                kind = "reference" if name == "reference" else "solution"
                found.append(Case(loaded, fault, name, kind, solution, loaded.files.solution(name)))
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


def _covers(solution: Solution, fault: str) -> bool:
    return "*" in solution.faults or fault in solution.faults


def honest_day(loaded: scenarios.Loaded) -> Path | None:
    """The script of an ordinary day's work, which must cost nothing."""
    script = loaded.files.company / "honest-day.sh"
    return script if script.is_file() else None


# --- one cell ----------------------------------------------------------------------------------


def run(labs: Labs, case: Case, *, seed: str = "", keep: bool = False) -> Cell:
    """Starts, does what the case does, grades, and says whether the grader was right."""
    begun = time.monotonic()
    attempt = ""
    try:
        attempt = labs.start(
            str(case.loaded.files.root), seed=seed or case.seed, fault=case.fault
        ).id
        grade = _worked_and_graded(labs, case, attempt)
        ok, got = _judged(case, grade)
        failed = [check.id for check in grade.checks if not check.earned]
        failed += [guard.id for guard in grade.guards if not guard.held]
    except InternboxError as error:
        ok, got, failed = False, f"could not grade: {error.message}", []
    finally:
        if attempt and not keep:
            labs.stop([attempt])
            labs.store.forget(attempt)
    if keep:
        got += f" (kept: {attempt})"
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
    progress: Callable[[str], None] = silent,
) -> ProofReport:
    """Proves the scenarios named; `only` is `fault/case` or either alone; cells run in parallel."""
    kept = Kept(labs, enabled=cache and not (keep or seed))
    todo: list[Case] = []
    cells: list[Cell] = []
    not_run: dict[str, str] = {}
    loaded_all = [scenarios.load(labs.resolve(name)) for name in names]
    for loaded in loaded_all:
        images = sorted({host.image for host in loaded.settings.hosts.values()})
        states = labs.runtime.image_states(loaded.files.content, images)
        if why_not := "; ".join(state.why_not for state in states if state.why_not):
            not_run[loaded.id] = why_not
            continue
        labs.runtime.ensure_images(loaded.files.content, images, progress)
        wanted = [case for case in cases(loaded) if _selected(case, only)]
        known = {case.id: kept.find(case) for case in wanted}
        cells += [cell for cell in known.values() if cell]
        todo += [case for case in wanted if known[case.id] is None]
        if not only:
            cells += note_cells(loaded)
    cells += _run_all(labs, todo, kept, seed=seed, keep=keep, jobs=jobs, progress=progress)
    if not only:
        for loaded in loaded_all:
            if loaded.id not in not_run:
                mine = [cell for cell in cells if cell.scenario == loaded.id]
                cells += coverage_cells(loaded, mine)
    cells.sort(key=lambda cell: (cell.scenario, cell.fault, cell.kind, cell.case))
    return ProofReport(all(cell.ok for cell in cells) and bool(cells), cells, not_run)


def _selected(case: Case, only: str) -> bool:
    return not only or only in (case.id, case.name, case.fault)


def _run_all(
    labs: Labs,
    todo: Sequence[Case],
    kept: Kept,
    *,
    seed: str,
    keep: bool,
    jobs: int,
    progress: Callable[[str], None],
) -> Iterator[Cell]:
    """Every cell in its own thread with its own store; an interrupt lets the running ones end."""
    own = threading.local()
    purpose = "learn" if keep else f"prove:{os.getpid()}"

    def one(case: Case) -> Cell:
        if not hasattr(own, "labs"):
            own.labs = Labs(labs.home, content=labs.content, runtime=labs.runtime, purpose=purpose)
        return run(own.labs, case, seed=seed, keep=keep)

    with ThreadPoolExecutor(jobs or 2 * (os.cpu_count() or 2)) as pool:  # cells mostly wait
        futures = {pool.submit(one, case): case for case in todo}
        try:
            for number, future in enumerate(as_completed(futures), start=1):
                cell = future.result()
                kept.keep(futures[future], cell)
                mark = "ok  " if cell.ok else "FAIL"
                progress(
                    f"{number:4}/{len(todo)} {mark} {cell.scenario} {cell.fault}/{cell.case}"
                    + ("" if cell.ok else f"\n      expected {cell.expected}\n      got {cell.got}")
                )
                yield cell
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


class Kept:
    """Cells already proven, by all that they depend on: content, case, images, engine, our code."""

    def __init__(self, labs: Labs, *, enabled: bool) -> None:
        self.folder = labs.home.proof
        self.enabled = enabled
        self.labs = labs
        self.engine = f"{labs.runtime.info().version} {source_hash()}" if enabled else ""
        self.images: dict[str, str] = {}

    def _path(self, case: Case) -> Path:
        parts = [case.loaded.content_hash, case.id, case.kind, self.engine, self._images(case)]
        if case.folder and case.solution:
            parts.append(tree_hash(case.folder))
            scripts = [case.folder / step.script for step in case.solution.steps if step.script]
            parts += [script.read_text() for script in scripts]  # may lie with another case
        if case.kind == "honest-day":
            parts.append((honest_day(case.loaded) or Path(os.devnull)).read_text())
        digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
        return self.folder / f"{digest[:32]}.json"

    def _images(self, case: Case) -> str:
        if case.loaded.id not in self.images:
            names = sorted({host.image for host in case.loaded.settings.hosts.values()})
            states = self.labs.runtime.image_states(case.loaded.files.content, names)
            self.images[case.loaded.id] = " ".join(state.reference for state in states)
        return self.images[case.loaded.id]

    def find(self, case: Case) -> Cell | None:
        """The cell, if it was proven (and held) with just these inputs."""
        if not self.enabled:
            return None
        try:
            cell = msgspec.json.decode(self._path(case).read_bytes(), type=Cell)
        except (OSError, msgspec.DecodeError):
            return None
        return msgspec.structs.replace(cell, cached=True)

    def keep(self, case: Case, cell: Cell) -> None:
        """Remembers a cell that held; one that did not is run again next time."""
        if not (self.enabled and cell.ok):
            return
        path = self._path(case)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(f".{os.getpid()}")
        draft.write_bytes(msgspec.json.encode(cell))
        draft.rename(path)


def tree_hash(folder: Path, pattern: str = "**/*") -> str:
    """SHA-256 over names, modes and contents of a folder's files, wherever the folder lies."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob(pattern)):
        if path.is_file() and "__pycache__" not in path.parts:
            executable = bool(path.stat().st_mode & 0o100)
            digest.update(f"{path.relative_to(folder)}\0{executable}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def source_hash() -> str:
    """Of the code that decides a cell: all of the package but the command line and reports."""
    package = Path(__file__).parent
    parts = [entry for entry in package.iterdir() if entry.name not in OTHER_PARTS]
    hashed = [tree_hash(entry) if entry.is_dir() else entry.read_text() for entry in sorted(parts)]
    return hashlib.sha256("\0".join(hashed).encode()).hexdigest()
