"""Whether a grade survives the hand-in: the same attempt, submitted and regraded."""

from __future__ import annotations

from pathlib import Path

from sandbox import scratch
from sandbox.errors import InternboxError
from sandbox.grading.results import Grade
from sandbox.handin import batch, reading
from sandbox.handin.regrading import Regrading
from sandbox.handin.submitting import Submitting


class Both(Submitting, Regrading):
    """A learner who hands in, and the teacher who regrades."""


def survives(
    labs: Both, attempt: str, grade: Grade, *, fault: str, keep: bool = False
) -> tuple[bool, str]:
    """Whether it gets the same checks, guards, tampering and score, and what it got in words.

    The attempt's machines are gone afterwards, unless they are to be kept.
    """
    with scratch.folder() as folder:
        file = Path(folder) / "submission.ibz"
        try:
            labs.submit(attempt, out=file, then="start" if keep else "remove")
            again = labs.regrade(reading.read(file), fault=fault)
        except InternboxError as error:
            return False, f"not regraded: {error.message}"
    found = batch.differences(grade, again)
    told = f"{again.outcome}, score {again.score}"
    return not found, "; ".join([told, *found])
