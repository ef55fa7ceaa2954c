"""Hand-in: start codes, submit and regrade."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sandbox.cli.app import App, attempt_argument, command, complete_scenarios
from sandbox.errors import InternboxError, UsageError

if TYPE_CHECKING:
    from sandbox.handin.batch import Regraded, RegradeReport
    from sandbox.handin.shapes import Submitted
    from sandbox.handin.submitting import Submitting

FILE = click.Path(dir_okay=False, path_type=Path)
READ = click.Path(exists=True, dir_okay=False, path_type=Path)
WIDEST_NAME = 24


@command(
    "code",
    content=True,
    examples=[
        "internbox code linux/first-day --learner s1234567",
        "internbox code first-day wrong-subnet --roster class.csv --csv codes.csv",
    ],
)
@click.argument(
    "names", nargs=-1, required=True, metavar="SCENARIO…", shell_complete=complete_scenarios
)
@click.option("--learner", "learners", multiple=True, metavar="ID", help="Whom the code is for.")
@click.option("--roster", type=READ, metavar="FILE", help="A CSV file of learners, with headings.")
@click.option("--seed", default="", help="The course seed: the same one makes the same codes.")
@click.option("--csv", "csv_file", type=FILE, metavar="FILE", help="Write the codes there, too.")
def code(
    app: App,
    names: tuple[str, ...],
    learners: tuple[str, ...],
    roster: Path | None,
    seed: str,
    csv_file: Path | None,
) -> None:
    """Make start codes: each learner gets a variant of their own.

    A code fixes the scenario, its content, the seed and the learner. `internbox start --code`
    takes it; `internbox regrade --codes` tells whose submission is whose. Keep the course seed
    to yourself: it draws everybody's.
    """
    from sandbox import codes, reports, scenarios
    from sandbox.handin import roster as rosters
    from sandbox.handin.roster import Learner

    people = rosters.read_roster(roster) if roster else []
    people += [Learner(codes.checked_learner(text)) for text in learners]
    course_seed = seed or rosters.new_course_seed()
    loaded = [scenarios.load(app.labs.resolve(name)) for name in names]
    rows = rosters.made(loaded, people or [Learner("")], course_seed)
    if csv_file:
        reports.write_text(rosters.write_codes(rows), csv_file)
    if app.out.is_json:
        app.out.dump(rows)
    else:
        cells = [[row.learner or "-", row.scenario.partition("/")[2], row.code] for row in rows]
        app.out.table(["LEARNER", "SCENARIO", "CODE"], cells, wraps=0)
    if not seed:
        app.out.talk(f"the course seed is {course_seed}: --seed {course_seed} makes them again")
    app.out.next(f"internbox start --code {rows[0].code}")


@command(
    "submit",
    examples=["internbox submit", "internbox submit first-day-1a2b --out first-day.ibz"],
)
@attempt_argument
@click.option("--out", type=FILE, metavar="FILE", help="Where to write it, instead of here.")
@click.option("--stop", is_flag=True, help="Remove the machines afterwards, as `stop` does.")
def submit(app: App, attempt: str | None, out: Path | None, stop: bool) -> None:
    """Pack an attempt into one file to hand in: what you changed, your note, your grade.

    The machines are shut down for it and started again, so that you can go on, and hand in
    again. Passwords and keys that you left on them travel along. Grade first: your last grade
    goes with it.
    """
    found = app.labs.attempt(attempt)
    made = _submitting(app).submit(found.id, out=out, then="remove" if stop else "start")
    if app.out.is_json:
        app.out.dump(made)
        return
    _show_submitted(app, made)
    app.out.next(
        "internbox list" if stop else f"internbox stop {found.id}",
        "" if stop else f"once {made.file} is handed in",
    )


def _submitting(app: App) -> Submitting:
    from sandbox.handin.submitting import Submitting

    return Submitting(app.home, content=app.content, progress=app.out.progress)


def _show_submitted(app: App, made: Submitted) -> None:
    app.out.data(made.file)
    size = made.bytes / 2**20
    for host in made.hosts:
        app.out.talk(f"{host.name}: {host.files} paths, {host.deleted} deleted")
    grade = (
        f"{made.grade.outcome}, {made.grade.score} of {made.grade.max}" if made.grade else "none"
    )
    note = "with a note" if made.note else "without a note"
    app.out.talk(f"{size:.1f} MiB; grade: {grade}; {note}; hints taken: {made.hints}")
    for path in made.left_out[:10]:
        app.out.talk(f"left out: {path}")
    for warning in made.warnings:
        app.out.warn(warning)


@command(
    "regrade",
    content=True,
    examples=[
        "internbox regrade first-day-1a2b.ibz",
        "internbox regrade download.zip --codes codes.csv --csv grades.csv",
    ],
)
@click.argument(
    "files", nargs=-1, required=True, metavar="FILES…", type=click.Path(exists=True, path_type=Path)
)
@click.option("--codes", type=READ, metavar="FILE", help="What `internbox code --csv` wrote.")
@click.option("--jobs", type=click.IntRange(0), default=0, help="Submissions at a time.")
@click.option("--again", is_flag=True, help="Grade those anew that were regraded before.")
@click.option("--json", "json_file", type=FILE, metavar="FILE", help="Write a report.")
@click.option("--csv", "csv_file", type=FILE, metavar="FILE", help="Write a table for a gradebook.")
@click.option("--junit", "junit_file", type=FILE, metavar="FILE", help="Write a report for CI.")
@click.option("--trust", is_flag=True, help="Do not ask about a folder of your own.")
def regrade(
    app: App,
    files: tuple[Path, ...],
    codes: Path | None,
    jobs: int,
    again: bool,
    trust: bool,
    **reports: Path | None,
) -> int:
    """Grade submissions anew, on your machines, and compare with the grade handed in.

    FILES are submissions, folders of them, or the bulk download of Moodle or Canvas as it is.
    Interrupted, it goes on where it was. Exit code 0: all were graded and got what they say;
    1: some differ or were refused; 3: some could not be graded here.
    """
    from sandbox.cli.trust import ensure_trusted
    from sandbox.handin import batch
    from sandbox.handin.regrading import Regrading
    from sandbox.handin.roster import read_codes

    for folder in app.content:
        ensure_trusted(app, folder, trust=trust)
    labs = Regrading(app.home, content=app.content, purpose=f"regrade:{os.getpid()}")
    options = batch.Options(jobs, again, read_codes(codes) if codes else None)
    report = batch.regrade(labs, files, options, app.out.progress)
    if not report.submissions:
        raise UsageError("there is no submission in it", hint="they end in .ibz")
    _write_reports(report, reports)
    if app.out.is_json:
        app.out.dump(report)
    else:
        _show_regraded(app, report)
    statuses = {one.status for one in report.submissions}
    same = f"internbox regrade {' '.join(map(str, files))}"
    if "ungraded" in statuses:
        app.out.next(same, "those that are missing")
        return InternboxError.exit_code
    if not reports["csv_file"]:
        app.out.next(f"{same} --csv grades.csv", "nothing is graded twice")
    return 1 if statuses & {"differs", "refused"} else 0


def _write_reports(report: RegradeReport, files: dict[str, Path | None]) -> None:
    from sandbox import reports
    from sandbox.handin import tables

    for name, path in files.items():
        if path:
            reports.write_text(tables.render(report, name.removesuffix("_file")), path)


def _show_regraded(app: App, report: RegradeReport) -> None:
    rows = [
        [
            _short(one.student or one.learner or Path(one.file).name),
            _short(one.scenario.partition("/")[2]) or "-",
            "-" if one.handed_in is None else str(one.handed_in),
            "-" if one.regraded is None else str(one.regraded),
            _verdict(one),
        ]
        for one in report.submissions
    ]
    app.out.table(["LEARNER", "SCENARIO", "HANDED IN", "REGRADED", ""], rows, wraps=0)
    for one in report.submissions:
        hint = f"hint: {one.hint}" if one.hint else ""
        for text in filter(None, [one.reason, hint, *one.remarks]):
            app.out.data(f"{_short(one.student or one.learner or one.file)}: {_safe(text)}")
    for ignored in report.ignored:
        app.out.talk(f"passed over: {ignored.file} ({ignored.why})")
    good = sum(one.status in ("same", "new") for one in report.submissions)
    app.out.data(f"{good} of {len(report.submissions)} as handed in")


def _verdict(one: Regraded) -> str:
    if one.status != "differs" or not one.difference:
        return one.outcome if one.status == "same" and one.outcome == "tampered" else one.status
    return f"{one.difference:+d}"


def _short(name: str) -> str:
    name = _safe(name)
    return name if len(name) <= WIDEST_NAME else f"…{name[1 - WIDEST_NAME :]}"


def _safe(text: str) -> str:
    from sandbox.grading import safe

    return safe.line(text)
