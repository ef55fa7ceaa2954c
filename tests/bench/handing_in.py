"""How many submissions a minute are regraded."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
from figures import Figure, figure
from stage import Stage

from sandbox.handin.shapes import MANIFEST

SCENARIO = "linux/first-day"


def regrading(stage: Stage, submissions: int) -> Iterator[Figure]:
    """A class hands in: one attempt's work, each with a note of its own, so that none is known."""
    _, attempt = stage.start(SCENARIO)
    name = attempt["attempt"]
    file = stage.root / "one.ibz"
    graded = stage.timed("grade", name, "-q", may_fail=True)
    submitted = stage.timed("submit", name, "--stop", "--out", str(file), "-q")
    yield figure(
        "submit",
        [submitted],
        unit="s",
        baseline=[graded],
        limit=15.0,
        rule="whole process, one machine; the baseline is its grade",
    )
    folder = stage.root / "handed-in"
    folder.mkdir()
    for number in range(submissions):
        _copy(file, folder / f"{number}.ibz", f"note {number}")
    report = stage.root / "regraded.json"
    whole = stage.timed("regrade", str(folder), "-q", "--json", str(report), may_fail=True)
    told = msgspec.json.decode(report.read_bytes())["submissions"]
    lacking = [one["reason"] for one in told if one["status"] not in ("same", "differs")]
    assert len(told) == submissions, f"{len(told)} of {submissions} were found"
    assert not lacking, lacking[0]
    yield figure(
        "regrade, a submission",
        [whole / submissions],
        unit="s",
        baseline=[graded],
        limit=3.0,
        rule=f"{submissions} in one call, 20 a minute; the baseline is one grade",
    )


def _copy(source: Path, target: Path, note: str) -> None:
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for member in old.infolist():
            data = old.read(member)
            if member.filename == MANIFEST:
                data = msgspec.json.encode({**msgspec.json.decode(data), "note": note})
            new.writestr(member, data, zipfile.ZIP_DEFLATED)
