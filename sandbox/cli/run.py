"""One command for pipelines: start, apply a fix as the learner would, grade, report, clean up."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sandbox.cli.app import App, command, complete_scenarios
from sandbox.cli.grading import report_options
from sandbox.errors import UsageError

if TYPE_CHECKING:
    from sandbox.grading.runs import RunReport
    from sandbox.scenarios import Loaded

COMMITS = (
    "GITHUB_SHA",
    "CI_COMMIT_SHA",
    "BUILD_SOURCEVERSION",
    "GIT_COMMIT",
    "BITBUCKET_COMMIT",
    "CIRCLE_SHA1",
)
COLUMNS = 80  # of the report in a log


@command(
    "run",
    content=True,
    examples=[
        "internbox run linux/first-day --fix desk=fix.sh",
        "internbox run network/wrong-subnet --fix router=r.sh --fix router=reboot",
        "internbox run linux/first-day linux/disk-full --fixes fixes --seed ci-7",
    ],
)
@click.argument(
    "names", nargs=-1, required=True, metavar="SCENARIO…", shell_complete=complete_scenarios
)
@click.option(
    "--fix",
    "fixes",
    multiple=True,
    metavar="HOST=FILE",
    help="Run FILE on HOST as the learner; in the order given. A script (by its #! line, or .sh, "
    ".py, .ps1), a folder to copy to ~, or the word reboot. With several scenarios: "
    "SCENARIO/HOST=FILE.",
)
@click.option(
    "--fixes",
    "folder",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="A folder of fixes: AREA/NAME/ or NAME/ with solution.toml, or with files named by host "
    "(web.sh, 20-web.reboot), and note.md.",
)
@click.option("--note", "notes", multiple=True, metavar="FILE", help="The note; SCENARIO=FILE.")
@click.option(
    "--seed", envvar="INTERNBOX_SEED", show_envvar=True, help="The same seed, the same variant."
)
@click.option(
    "--pass",
    "threshold",
    type=click.IntRange(0, 100),
    default=100,
    show_default=True,
    help="The score that each scenario needs for exit code 0.",
)
@click.option("--untouched", is_flag=True, help="Grade scenarios without a fix as they are.")
@click.option(
    "--ansible",
    is_flag=True,
    help="Allow playbooks (.yml): code of the fix that runs on this computer, and could forge.",
)
@click.option(
    "--timeout",
    "seconds",
    type=click.FloatRange(1),
    default=180.0,
    show_default=True,
    metavar="SECONDS",
    help="The longest that one step may take.",
)
@click.option("--jobs", type=click.IntRange(0), default=0, help="Scenarios at a time.")
@click.option("--commit", metavar="SHA", help="For the reports; CI systems say it by themselves.")
@report_options
@click.option(
    "--summary",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Append the Markdown there, below 1 MiB. On GitHub: the step's summary.",
)
@click.option("--trust", is_flag=True, help="Do not ask about a folder of your own.")
def run(
    app: App,
    names: tuple[str, ...],
    fixes: tuple[str, ...],
    folder: Path | None,
    notes: tuple[str, ...],
    seed: str | None,
    threshold: int,
    untouched: bool,
    ansible: bool,
    seconds: float,
    jobs: int,
    commit: str | None,
    summary: Path | None,
    trust: bool,
    **files: Path | None,
) -> int:
    """Start scenarios, apply fixes, grade, report and clean up, in one go: for CI.

    Everything about the fixes is checked before a machine starts. A step that fails ends its
    fix; the grade says what that is worth. Exit code 0: every score reaches --pass; 1: one does
    not; 2: a fix is none that a machine could run, which the reports say, while the others are
    graded; 3: one could not be graded.
    """
    from sandbox import running, variants

    _keep_out_of_the_checkout()
    for path in [*files.values(), summary]:
        _require_ours(path)
    wanted = running.Wanted(
        fixes=fixes,
        folder=folder,
        notes=notes,
        untouched=untouched,
        ansible=ansible,
        here=Path.cwd(),
    )
    loaded = _loaded(app, names, trust=trust)
    plans = running.plans(loaded, wanted, seed=seed or variants.new_seed())
    app.out.talk(f"seed {plans[0].seed}")
    report = running.Run(
        app.labs,
        plans,
        threshold=threshold,
        commit=_commit(commit),
        jobs=jobs,
        seconds=seconds,
        progress=app.out.progress,
    ).report()
    _write(app, report, files, summary)
    return report.exit_code


def _keep_out_of_the_checkout() -> None:
    """From here on no program that the student brought is found by its name."""
    from sandbox import programs

    os.environ["PATH"] = programs.safe_path(os.environ, Path.cwd())


def _loaded(app: App, names: tuple[str, ...], *, trust: bool) -> list[Loaded]:
    """The scenarios, each once. UsageError for a folder that nobody trusted."""
    from sandbox import scenarios
    from sandbox.cli.trust import ensure_trusted

    found = {}
    for name in names:
        files = app.labs.resolve(name)
        ensure_trusted(app, files.content, trust=trust)
        found[files.id] = scenarios.load(files)
    return list(found.values())


def _require_ours(path: Path | None) -> None:
    """UsageError for a report that a link of the checkout would lay somewhere else."""
    from sandbox import programs

    if path and programs.leads_out(path, os.environ, Path.cwd()):
        raise UsageError(
            f"{path}: a link of the checkout leads elsewhere", hint="write it outside the checkout"
        )


def _commit(given: str | None) -> str:
    """What is graded, for the reports. Git is never asked: a checkout's settings can run code."""
    commit = given or next((os.environ[name] for name in COMMITS if os.environ.get(name)), "")
    if commit and not re.fullmatch(r"[\w./+-]{1,100}", commit):
        raise UsageError(f"--commit {commit!r}: is no commit", hint="letters and digits")
    return commit


def _write(
    app: App, report: RunReport, files: dict[str, Path | None], summary: Path | None
) -> None:
    """Shows the report, and writes it wherever it is wanted."""
    from sandbox import reports
    from sandbox.cli import runs
    from sandbox.reports import github

    on_github = github.is_here(os.environ)
    if app.out.is_json:
        app.out.dump(report)
    else:
        app.out.columns = app.out.columns or COLUMNS
        runs.report(app.out, report)
    if on_github:
        app.out.commands(github.commands(report))
        summary = summary or (Path(where) if (where := os.environ.get(github.SUMMARY)) else None)
    for name, path in files.items():
        if path:
            reports.write_run(report, name.removesuffix("_file"), path)
    if summary:
        github.add_to_summary(report, summary)
    if not app.out.is_json:
        app.out.next(*runs.next_command(report))
