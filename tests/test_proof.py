"""The proof matrix and its memory, on machines that are made up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from sandbox import lint, proof, proven, scenarios
from sandbox.cases import HANDED_IN, Case, Cell, cases
from sandbox.cli.scaffold import scaffold
from sandbox.errors import EngineError, UsageError
from sandbox.grading.results import CheckResult, Grade, GuardResult, Missing, NoteResult
from sandbox.models import Expectation
from sandbox.paths import Home, ScenarioFiles
from sandbox.runtime.base import ImageState

ID = "linux/printer-queue"
CHECK, GUARD = "switched-on", "other-settings"
ACCEPTED = NoteResult(accepted=True)


def grade(
    score: int = 100,
    *,
    fails: tuple[str, ...] = (),
    breaks: tuple[str, ...] = (),
    tampered: tuple[str, ...] = (),
    note: NoteResult | None = ACCEPTED,
) -> Grade:
    failed = fails or breaks or score < 100
    return Grade(
        attempt="printer-queue-1",
        scenario=ID,
        seed="s",
        version=1,
        content_hash="",
        kind="grade",
        outcome="tampered" if tampered else "failed" if failed else "passed",
        score=score,
        max=100,
        counts=score,
        checks=[
            CheckResult(id=name, title=name, points=50, earned=earned, before=True, after=True)
            for name, earned in [("other", 50), *((name, 0) for name in fails)]
        ],
        guards=[GuardResult(id=name, title=name, cap=40, held=False) for name in breaks],
        note=note,
        tampered=list(tampered),
    )


@pytest.fixture
def files(tmp_path: Path) -> ScenarioFiles:
    scaffold(tmp_path / "content", ID)
    return ScenarioFiles(tmp_path / "content", ID)


@pytest.fixture
def loaded(files: ScenarioFiles) -> scenarios.Loaded:
    return scenarios.load(files)


class Engine:
    """An engine that has every image."""

    version = "26.1.5"
    why_not = ""
    made = 0

    def info(self) -> Any:
        return SimpleNamespace(version=self.version)

    def image_states(self, content: Path, names: Any) -> list[ImageState]:
        return [
            ImageState(name, f"internbox/{name}:1", not self.why_not, why_not=self.why_not)
            for name in names
        ]

    def ensure_images(self, *_: Any) -> None:
        self.made += 1


def well_graded(case: str) -> Grade:
    """What a grader that is right says of the cases of a new scenario."""
    return {
        "untouched": grade(0, fails=(CHECK,), note=None),
        "wrong-word": grade(0, fails=(CHECK,)),
        "file-replaced": grade(40, breaks=(GUARD,)),
    }.get(case, grade())


class Worker:
    """Takes Both's place: one for each thread of a proof, that remember together."""

    said: ClassVar[Callable[[str], Grade]] = well_graded
    started: ClassVar[list[tuple[str, str]]] = []
    forgotten: ClassVar[list[str]] = []
    changing: ClassVar[Any] = threading.Lock()

    def __init__(self, *_: Any, **__: Any) -> None:
        self.done = "untouched"

    def start(self, root: str, *, seed: str, fault: str) -> Any:
        with self.changing:
            self.started.append((fault, seed))
            self.done = "untouched"
            return SimpleNamespace(id=f"printer-queue-{len(self.started)}")

    def apply(self, attempt: str, folder: Path, solution: Any) -> None:
        self.done = folder.name

    def grade(self, attempt: str) -> Grade:
        return type(self).said(self.done)

    def forget(self, attempt: str) -> None:
        self.forgotten.append(attempt)


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> type[Worker]:
    class Own(Worker):
        said = staticmethod(well_graded)
        started: ClassVar[list[tuple[str, str]]] = []
        forgotten: ClassVar[list[str]] = []

    monkeypatch.setattr(proof, "Both", Own)
    monkeypatch.setattr(proof, "survives", lambda *_, **__: (True, "passed, score 100"))
    return Own


@pytest.fixture
def labs(files: ScenarioFiles, tmp_path: Path, worker: type[Worker]) -> Any:
    return SimpleNamespace(
        home=Home(tmp_path / "home", tmp_path / "cache"),
        content=[files.content],
        runtime=Engine(),
        resolve=lambda name: files,
    )


# --- is one grade as it must be?


def judged(loaded: scenarios.Loaded, kind: str, found: Grade, **expect: Any) -> tuple[bool, str]:
    said = Expectation(why="a near miss", **expect) if expect else None
    return proof._judged(Case(loaded, "switched-off", kind, kind, expect=said), found)


@pytest.mark.parametrize(
    ("found", "ok"),
    [
        (grade(0, fails=(CHECK,)), True),
        (grade(10, fails=(CHECK,)), False),
        (grade(0, fails=(CHECK,), breaks=(GUARD,)), False),
        (grade(0, fails=(CHECK,), tampered=("/bin/ls",)), False),
    ],
)
def test_untouched_gets_nothing_and_has_broken_nothing(
    loaded: scenarios.Loaded, found: Grade, ok: bool
) -> None:
    assert judged(loaded, "untouched", found)[0] is ok


@pytest.mark.parametrize("kind", ["reference", "solution", "honest-day"])
@pytest.mark.parametrize(
    ("found", "ok"),
    [
        (grade(), True),
        (grade(60, fails=(CHECK,)), False),
        (grade(99), False),
        (grade(100, tampered=("/bin/ls",)), False),
        (grade(note=None), False),
        (grade(note=NoteResult(accepted=False)), False),
    ],
)
def test_honest_work_gets_all_and_its_note_is_accepted(
    loaded: scenarios.Loaded, kind: str, found: Grade, ok: bool
) -> None:
    assert judged(loaded, kind, found)[0] is ok


@pytest.mark.parametrize(
    ("found", "ok"),
    [
        (grade(30, fails=(CHECK,), breaks=(GUARD,)), True),
        (grade(30, fails=(CHECK,), breaks=(GUARD,), note=None), True),
        (grade(31, fails=(CHECK,), breaks=(GUARD,)), False),
        (grade(0, fails=(CHECK, "more"), breaks=(GUARD,)), False),
        (grade(0, breaks=(GUARD,)), False),
        (grade(0, fails=(CHECK,)), False),
        (grade(0, fails=(CHECK,), breaks=(GUARD,), tampered=("/bin/ls",)), False),
    ],
)
def test_rejected_work_gets_what_its_expectation_says(
    loaded: scenarios.Loaded, found: Grade, ok: bool
) -> None:
    expect = {"fails": [CHECK], "guards": [GUARD], "max_points": 30}
    assert judged(loaded, "rejected", found, **expect)[0] is ok


def test_a_cheat_that_is_not_found_out_is_wrong(loaded: scenarios.Loaded) -> None:
    expect = {"tampered": True, "max_points": 100}

    assert judged(loaded, "rejected", grade(tampered=("/bin/ls",)), **expect)[0]
    assert not judged(loaded, "rejected", grade(), **expect)[0]


def test_what_it_got_is_told_in_words(loaded: scenarios.Loaded) -> None:
    found = grade(0, fails=("b", "a"), breaks=(GUARD,), tampered=("/1", "/2", "/3", "/4"))
    refused = NoteResult(accepted=False, missing=[Missing("cause", "what was wrong")])

    assert judged(loaded, "untouched", found)[1] == (
        f"tampered, score 0, fails a b, breaks {GUARD}, tampered /1 /2 /3"
    )
    assert judged(loaded, "reference", grade(note=refused))[1] == (
        "passed, score 100, note refused: what was wrong"
    )


# --- notes and coverage


def test_a_vague_and_a_stuffed_note_are_refused_for_each_fault(loaded: scenarios.Loaded) -> None:
    cells = proof.note_cells(loaded)

    assert {(cell.fault, cell.case) for cell in cells} == {
        (fault, name)
        for fault in ("switched-off", "commented-out")
        for name in ("vague-note", "stuffed-note")
    }
    assert all(cell.ok and cell.got == "refused" for cell in cells)


def test_a_rubric_that_takes_any_note_is_wrong(files: ScenarioFiles) -> None:
    files.note.write_text(
        """[[facts]]
id = "cause"
says = "what was wrong"
accept = ["it"]
"""
    )

    found = proof.note_cells(scenarios.load(files))
    assert {one.got for one in found if one.case == "vague-note"} == {"accepted"}
    assert not any(one.ok for one in found if one.case == "vague-note")


def cell(**changes: Any) -> Cell:
    values = {"scenario": ID, "fault": "f", "case": "c", "kind": "rejected", "expected": ""}
    return Cell(**(values | {"got": "", "ok": True} | changes))


def test_each_check_and_guard_is_failed_by_a_rejected_case(loaded: scenarios.Loaded) -> None:
    found = proof.coverage_cells(
        loaded, [cell(failed=[CHECK]), cell(kind="untouched", failed=[GUARD])]
    )

    assert {one.case: one.ok for one in found} == {CHECK: True, GUARD: False}
    assert found[1].got == "nothing but untouched fails it"
    assert [one.case for one in found] == lint.grader_ids(loaded.files)


# --- the matrix


def test_a_whole_proof_holds(labs: Any, worker: type[Worker]) -> None:
    report = proof.prove(labs, [ID])

    kinds = [one.kind for one in report.cells]
    assert report.ok, [one for one in report.cells if not one.ok]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "untouched": 2,
        "reference": 2,
        "solution": 6,
        "rejected": 4,
        "note": 4,
        "coverage": 2,
    }
    assert len(worker.forgotten) == len(worker.started) == 14
    assert report.kept == {}


@pytest.mark.parametrize(
    ("only", "count"), [("switched-off", 7), ("reference", 2), ("switched-off/reference", 1)]
)
def test_one_fault_one_case_or_one_cell_is_chosen(labs: Any, only: str, count: int) -> None:
    report = proof.prove(labs, [ID], only=only)

    assert report.ok
    assert len(report.cells) == count  # of machines alone: neither notes nor coverage


def test_a_choice_that_names_nothing_is_wrong_use(labs: Any, worker: type[Worker]) -> None:
    with pytest.raises(UsageError, match="no fault or case refernce; did you mean 'reference'") as (
        caught
    ):
        proof.prove(labs, [ID], only="refernce")

    assert "faults: switched-off, commented-out; cases: untouched, reference" in caught.value.hint
    assert worker.started == []
    assert labs.runtime.made == 0


def test_the_seed_of_a_cell_is_its_own_unless_one_is_given(labs: Any, worker: type[Worker]) -> None:
    proof.prove(labs, [ID], only="reference", cache=False)
    own = {seed for _, seed in worker.started}
    worker.started.clear()
    proof.prove(labs, [ID], only="reference", seed="mine")

    assert len(own) == 2
    assert worker.started == [("switched-off", "mine"), ("commented-out", "mine")]


def test_what_cannot_be_graded_is_wrong_and_cleaned_up(labs: Any, worker: type[Worker]) -> None:
    def broken(_: str) -> Grade:
        raise EngineError("no space left")

    worker.said = staticmethod(broken)
    report = proof.prove(labs, [ID], only="switched-off/reference")

    assert [one.got for one in report.cells] == ["could not grade: no space left"]
    assert not report.ok
    assert worker.forgotten == ["printer-queue-1"]


def test_kept_machines_are_named_whether_the_cell_held_or_not(
    labs: Any, worker: type[Worker]
) -> None:
    def half(case: str) -> Grade:
        if case == "wrong-word":
            raise EngineError("no space left")
        return well_graded(case)

    worker.said = staticmethod(half)
    report = proof.prove(labs, [ID], only="switched-off", keep=True, jobs=1)

    assert worker.forgotten == []
    assert report.kept["printer-queue-1"] == f"{ID} switched-off/untouched"
    assert sorted(report.kept) == sorted(f"printer-queue-{n}" for n in range(1, 8))
    assert f"{ID} switched-off/wrong-word" in report.kept.values()


def test_what_cannot_run_here_is_no_failure_and_no_proof(labs: Any) -> None:
    labs.runtime.why_not = "no powershell"
    report = proof.prove(labs, [ID])

    assert report.cells == []
    assert set(report.not_run) == {ID}
    assert not report.ok


def test_only_worked_on_cases_are_handed_in(labs: Any) -> None:
    report = proof.prove(labs, [ID], only="switched-off", handed_in=True)

    handed = {one.case for one in report.cells if one.kind == HANDED_IN}
    assert "untouched" not in handed
    assert len(handed) == 6


# --- what is remembered


def started_again(labs: Any, worker: type[Worker], **options: Any) -> int:
    """How many cells the next proof of the two references runs."""
    worker.started.clear()
    proof.prove(labs, [ID], only="reference", **options)
    return len(worker.started)


@pytest.fixture
def proven_once(labs: Any, worker: type[Worker]) -> None:
    assert started_again(labs, worker) == 2


@pytest.mark.usefixtures("proven_once")
def test_a_cell_that_held_is_not_run_again(labs: Any, worker: type[Worker]) -> None:
    assert started_again(labs, worker) == 0
    assert all(one.cached for one in proof.prove(labs, [ID], only="reference").cells)


@pytest.mark.usefixtures("proven_once")
@pytest.mark.parametrize("options", [{"cache": False}, {"keep": True}, {"seed": "s"}])
def test_who_wants_to_see_it_run_sees_it_run(
    labs: Any, worker: type[Worker], options: dict[str, Any]
) -> None:
    assert started_again(labs, worker, **options) == 2


@pytest.mark.usefixtures("proven_once")
def test_the_hand_in_of_a_proven_cell_is_proven_too(labs: Any, worker: type[Worker]) -> None:
    assert started_again(labs, worker, handed_in=True) == 2
    assert started_again(labs, worker, handed_in=True) == 0


@pytest.mark.usefixtures("proven_once")
@pytest.mark.parametrize("what", ["ticket.md.j2", "solutions/reference/mend.sh.j2"])
def test_other_content_is_proven_anew(
    labs: Any, files: ScenarioFiles, worker: type[Worker], what: str
) -> None:
    path = files.root / what
    path.write_text(path.read_text() + "# more\n")

    assert started_again(labs, worker) == 2


@pytest.mark.usefixtures("proven_once")
def test_another_grader_engine_image_or_code_is_proven_anew(
    labs: Any, files: ScenarioFiles, worker: type[Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    files.grader.write_text(files.grader.read_text() + "# more\n")
    assert started_again(labs, worker) == 2

    labs.runtime.version = "27.0"
    assert started_again(labs, worker) == 2

    states = [ImageState("base", "internbox/base:2", True)]
    monkeypatch.setattr(Engine, "image_states", lambda *_: states)
    assert started_again(labs, worker) == 2

    monkeypatch.setattr(proven, "source_hash", lambda *, hand_in: "other")
    assert started_again(labs, worker) == 2
    assert started_again(labs, worker) == 0


@pytest.mark.usefixtures("proven_once")
def test_another_solution_leaves_the_rest_proven(
    labs: Any, files: ScenarioFiles, worker: type[Worker]
) -> None:
    path = files.root / "solutions" / "rewritten" / "mend.sh.j2"
    path.write_text(path.read_text() + "# more\n")

    assert started_again(labs, worker) == 0


def test_a_cell_that_failed_is_run_again(labs: Any, worker: type[Worker]) -> None:
    worker.said = staticmethod(lambda _: grade(60, fails=(CHECK,)))
    assert started_again(labs, worker) == 2
    assert started_again(labs, worker) == 2


@pytest.mark.usefixtures("proven_once")
def test_a_damaged_memory_is_no_memory(labs: Any, worker: type[Worker]) -> None:
    for path in labs.home.proof.iterdir():
        path.write_text("{")

    assert started_again(labs, worker) == 2


def test_every_case_has_a_key_of_its_own(labs: Any, loaded: scenarios.Loaded) -> None:
    kept = proven.Kept(labs, enabled=True)
    keys = {kept._path(case, case.kind) for case in cases(loaded)}

    assert len(keys) == len(cases(loaded))


def test_the_code_that_decides_a_cell_is_part_of_its_key() -> None:
    proven.source_hash.cache_clear()

    assert proven.source_hash(hand_in=True) != proven.source_hash(hand_in=False)
