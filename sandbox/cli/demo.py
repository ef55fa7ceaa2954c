"""One task from start to grade, worked on by its reference solution."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sandbox.cli.app import App, command, complete_scenarios
from sandbox.errors import UsageError

if TYPE_CHECKING:
    from sandbox.grading.results import Grade

SHOWN = "linux/web-service-down"


@command("demo", data=False, examples=["internbox demo", "internbox demo linux/first-day"])
@click.argument("scenario", default=SHOWN, shell_complete=complete_scenarios)
@click.option("--seed", help="The same seed makes the same variant.")
def demo(app: App, scenario: str, seed: str | None) -> int:
    """Watch a task from start to grade: unsolved it fails, mended it passes.

    Starts SCENARIO, grades it as it is, works on it as its reference solution does, writes the
    note, grades it again, and removes the machines. It needs a checkout: what is installed for
    learners has no solutions.
    """
    folder = app.labs.resolve(scenario).solution("reference")
    if not folder.is_dir():
        raise UsageError(f"{scenario} has no solutions here", hint="run it from a checkout")
    _step(app, f"internbox start {scenario}")
    attempt = app.labs.start(scenario, seed=seed).id
    try:
        app.out.markdown(app.labs.ticket(attempt))
        _step(app, "internbox grade, with nothing done")
        unsolved = _graded(app, attempt)
        _step(app, "the reference solution, as a learner over SSH")
        work(app, attempt)
        _step(app, "internbox grade, with the work done")
        solved = _graded(app, attempt)
    finally:
        app.out.progress("removing the machines")
        app.labs.forget(attempt)
    return 0 if unsolved.score == 0 and solved.outcome == "passed" else 1


def work(app: App, attempt: str) -> None:
    """Do what the reference solution does, and write its note."""
    from sandbox import rendering, scenarios
    from sandbox.steps import Steps

    bringer, record = app.labs.machines(attempt)
    loaded = bringer.loaded
    solution = scenarios.solutions(loaded)["reference"]
    folder = loaded.files.solution("reference")
    app.out.progress("working")
    for step in solution.steps:
        if step.script:
            script = rendering.script(folder / step.script, loaded, bringer.variant)
            app.out.data(f"on {step.host}:\n{script.rstrip()}")
    Steps(bringer, record, folder).apply(solution)
    note = rendering.script(folder / solution.note, loaded, bringer.variant)
    app.out.data(f"\n{note.rstrip()}")
    app.labs.note(attempt, note)


def _graded(app: App, attempt: str) -> Grade:
    from sandbox.cli import views

    app.out.progress("grading: checks, reboot, checks")
    result = app.labs.grade(attempt)
    views.grade(app.out, result)
    return result


def _step(app: App, what: str) -> None:
    app.out.data()
    app.out.data(app.out.style(f"--- {what}", bold=True))
    app.out.data()


def _heading(app: App, text: str) -> None:
    app.out.data()
    app.out.data(app.out.style(f"== {text}", bold=True))
    app.out.data()
