"""Regrades many submissions at a time; what was graded once is remembered."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct, structs

from sandbox import __version__, scenarios, scratch
from sandbox.attempts import silent
from sandbox.decoding import decode
from sandbox.errors import InternboxError, Refused
from sandbox.grading import child
from sandbox.grading.results import Grade
from sandbox.handin import lms, reading
from sandbox.handin.lms import Finds, Found, Ignored
from sandbox.handin.reading import Submission
from sandbox.handin.regrading import Regrading
from sandbox.handin.roster import HandedOut
from sandbox.pacing import paced
from sandbox.paths import replacing

Status = Literal["same", "differs", "new", "refused", "ungraded"]
SHOWN_DIFFERENCES = 10


class Regraded(Struct, frozen=True, kw_only=True):
    """What became of one submission.

    `student` is the name that the LMS gives, `learner` the id of the start code. `status`: the
    grade is the *same* as the one handed in, it *differs*, it is *new* because none was handed in;
    the submission was *refused*; or it is *ungraded*, for a reason that is not the learner's.
    """

    file: str
    student: str = ""
    learner: str = ""
    attempt: str = ""
    scenario: str = ""
    seed: str = ""
    status: Status
    handed_in: int | None = None
    regraded: int | None = None
    max: int | None = None
    counts: int | None = None
    difference: int | None = None
    outcome: str = ""
    note: str = ""
    hints_cost: int = 0
    tampered: list[str] = []
    same_as: list[str] = []
    reason: str = ""
    hint: str = ""
    remarks: list[str] = []
    graded_at: str = ""
    sha256: str = ""
    kept: bool = False  # known from an earlier run
    seconds: float = 0.0
    grade: Grade | None = None


class RegradeReport(Struct, frozen=True):
    """`ok` when every submission was graded and got what it says."""

    ok: bool
    submissions: list[Regraded]
    ignored: list[Ignored] = []


@dataclass(frozen=True)
class Options:
    """How a batch is run; `codes` is what was handed out, None when that is not to be asked."""

    jobs: int = 0
    again: bool = False
    codes: HandedOut | None = None


def regrade(
    labs: Regrading,
    paths: Sequence[Path],
    options: Options = Options(),
    progress: Callable[[str], None] = silent,
) -> RegradeReport:
    """Every submission in `paths`; one that is refused or cannot be graded stops no other."""
    finds = lms.find(paths)
    with scratch.folder() as folder:
        batch = _Batch(labs, options, Path(folder))
        results = list(batch.run(finds, progress))
    results += [
        Regraded(file=label, status="refused", reason=error.message, hint=error.hint)
        for label, error in finds.refused
    ]
    order = {found.label: place for place, found in enumerate(finds.submissions)}
    results.sort(key=lambda one: order.get(one.file, len(order)))
    results = batch.compared(results)
    ok = all(one.status in ("same", "new") for one in results) and bool(results)
    return RegradeReport(ok, results, finds.ignored)


class _Batch:
    """One run: its own use cases in every thread, since a store belongs to one."""

    def __init__(self, labs: Regrading, options: Options, folder: Path) -> None:
        self.labs = labs
        self.options = options
        self.folder = folder
        self.purpose = f"regrade:{os.getpid()}"
        self.fingerprints: dict[str, str] = {}  # by file
        self._own = threading.local()
        self._shelf = child.Shelf()

    def run(self, finds: Finds, progress: Callable[[str], None]) -> Iterator[Regraded]:
        todo = finds.submissions
        with self._shelf:
            results = paced(self._one, todo, jobs=self.options.jobs)
            for number, (_, result) in enumerate(results, start=1):
                progress(f"{number:4}/{len(todo)} {line(result)}")
                yield result

    @property
    def _mine(self) -> Regrading:
        if not hasattr(self._own, "labs"):
            self._own.labs = Regrading(
                self.labs.home,
                content=self.labs.content,
                runtime=self.labs.runtime,
                purpose=self.purpose,
                graders=self._shelf.prepared,
            )
        mine: Regrading = self._own.labs
        return mine

    def _one(self, found: Found) -> Regraded:
        begun = time.monotonic()
        result = Regraded(file=found.label, student=found.student, status="ungraded")
        try:
            with found.at_hand(self.folder) as path:
                submission = reading.read(path)
                self.fingerprints[found.label] = submission.fingerprint
                result = _identified(result, submission)
                result = self._graded(result, submission)
        except Refused as error:
            result = structs.replace(
                result, status="refused", reason=error.message, hint=error.hint
            )
        except InternboxError as error:
            result = structs.replace(result, reason=error.message, hint=error.hint)
        return structs.replace(result, seconds=round(time.monotonic() - begun, 2))

    def _graded(self, result: Regraded, submission: Submission) -> Regraded:
        manifest = submission.manifest
        loaded = self._mine.scenario(submission)
        if self.options.codes:
            self.options.codes.require(manifest.learner, manifest.scenario, manifest.seed)
        kept = Kept(self.labs.home.regrades, submission.sha256, loaded)
        grade = None if self.options.again else kept.find()
        known = grade is not None
        if grade is None:
            grade = self._mine.regrade(submission)
            kept.keep(grade)
        return structs.replace(_compared(result, manifest.grade, grade), kept=known)

    def compared(self, results: list[Regraded]) -> list[Regraded]:
        """With a word on those that hold the same work as another's."""
        groups: dict[str, list[Regraded]] = defaultdict(list)
        for one in results:
            if print_ := self.fingerprints.get(one.file):
                groups[print_].append(one)
        return [
            self._flagged(one, groups.get(self.fingerprints.get(one.file, ""), []))
            for one in results
        ]

    def _flagged(self, one: Regraded, group: list[Regraded]) -> Regraded:
        others = [
            other.file
            for other in group
            if other.file != one.file
            and (other.learner, other.student) != (one.learner, one.student)
        ]
        remarks = [f"the same work as {', '.join(others)}"] if others else []
        if self.options.codes and one.student:
            name = self.options.codes.names.get(one.learner, "")
            if name and _letters(name) != _letters(one.student):
                remarks.append(f"handed in by {one.student}, with the start code of {name}")
        return structs.replace(one, same_as=others, remarks=[*one.remarks, *remarks])


def _letters(name: str) -> list[str]:
    """A name's letters in order: the platforms turn names round and drop what is between."""
    return sorted(sign for sign in name.casefold() if sign.isalnum())


def _identified(result: Regraded, submission: Submission) -> Regraded:
    manifest = submission.manifest
    return structs.replace(
        result,
        learner=manifest.learner,
        attempt=manifest.attempt,
        scenario=manifest.scenario,
        seed=manifest.seed,
        sha256=submission.sha256,
        handed_in=manifest.grade.score if manifest.grade else None,
    )


def _compared(result: Regraded, handed: Grade | None, grade: Grade) -> Regraded:
    found = differences(handed, grade) if handed else []
    status: Status = "new" if handed is None else "differs" if found else "same"
    note = grade.note
    return structs.replace(
        result,
        status=status,
        regraded=grade.score,
        max=grade.max,
        counts=grade.counts,
        difference=grade.score - handed.score if handed else None,
        outcome=grade.outcome,
        note="none" if note is None else "accepted" if note.accepted else "refused",
        hints_cost=grade.hints_cost,
        tampered=grade.tampered,
        remarks=found[:SHOWN_DIFFERENCES],
        graded_at=grade.graded_at,
        grade=grade,
    )


def differences(handed: Grade, grade: Grade) -> list[str]:
    """In what the grade handed in is not the one that was taken now, in words."""
    before = {check.id: check.earned for check in handed.checks}
    held = {guard.id: guard.held for guard in handed.guards}
    found = [
        f"“{check.title}”: {before.get(check.id, 'not')} handed in, {check.earned} now"
        + (f" ({check.message})" if check.message and not check.earned else "")
        for check in grade.checks
        if before.get(check.id) != check.earned
    ]
    found += [
        f"“{guard.title}” {'holds' if guard.held else 'is broken'} now"
        for guard in grade.guards
        if held.get(guard.id) != guard.held
    ]
    if bool(handed.tampered) != bool(grade.tampered):
        found.append("tools were changed" if grade.tampered else "no tools were changed")
    if not found and handed.score != grade.score:
        found.append(f"the score was {handed.score}, with hints for {handed.hints_cost} points")
    return found


def line(result: Regraded) -> str:
    """One submission on one line."""
    who = result.student or result.learner or result.file
    if result.regraded is None:
        return f"{result.status:8} {who}: {result.reason}"
    handed = "none" if result.handed_in is None else result.handed_in
    return f"{result.status:8} {who} {result.scenario}: {handed} → {result.regraded}"


@dataclass(frozen=True)
class Kept:
    """A grade that was taken before, by all that it depends on: archive, content, our version."""

    folder: Path
    sha256: str
    loaded: scenarios.Loaded

    @property
    def path(self) -> Path:
        parts = (self.sha256, self.loaded.content_hash, __version__)
        return self.folder / f"{hashlib.sha256(repr(parts).encode()).hexdigest()[:32]}.json"

    def find(self) -> Grade | None:
        try:
            return decode(self.path.read_bytes(), Grade)
        except (OSError, msgspec.MsgspecError):
            return None

    def keep(self, grade: Grade) -> None:
        """Whole or not at all; one that cannot be kept is graded again next time."""
        with contextlib.suppress(OSError):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with replacing(self.path) as draft:
                draft.write_bytes(msgspec.json.encode(grade))
