"""For those who write scenarios: new, lint, render, prove, schemas."""

from __future__ import annotations

from pathlib import Path

import click

from sandbox.cli.app import App, command, complete_scenarios
from sandbox.errors import InternboxError, UsageError


@command("new", data=False, content=True, examples=["internbox new linux/printer-queue"])
@click.argument("scenario", metavar="AREA/NAME")
def new(app: App, scenario: str) -> None:
    """Make the folder of a new scenario, and its grader, ready to be filled.

    It goes to the first --content folder, otherwise to the folder you are in.
    """
    from sandbox.cli.scaffold import scaffold

    folder = app.content[0] if app.content else Path.cwd()
    for path in scaffold(folder, scenario):
        app.out.data(str(path))
    app.out.next(f"internbox lint {folder / 'scenarios' / scenario}")


@command(
    "lint",
    content=True,
    examples=["internbox lint", "internbox lint linux/first-day", "internbox lint ./scenarios/a/b"],
)
@click.argument("names", nargs=-1, metavar="[SCENARIO]…", shell_complete=complete_scenarios)
def lint(app: App, names: tuple[str, ...]) -> int:
    """Find mistakes in scenario folders: file, key, and what to do about it.

    Without names: all scenarios there are.
    """
    from sandbox import lint as linter
    from sandbox.cli import views

    findings = []
    for name in _named(app, names):
        app.out.progress(f"reading {name}")
        findings += linter.lint(app.labs.resolve(name))
    if app.out.is_json:
        app.out.dump(findings)
    else:
        views.lint(app.out, findings)
        if not findings:
            app.out.next(f"internbox prove {' '.join(names) or '--all'}")
    return 1 if findings else 0


@command(
    "render",
    content=True,
    examples=[
        "internbox render linux/first-day --seed abc",
        "internbox render ./scenarios/linux/mine --fault config-typo --out build/mine",
    ],
)
@click.argument("scenario", shell_complete=complete_scenarios)
@click.option("--seed", default="sample", show_default=True, help="What the variant is drawn from.")
@click.option("--fault", help="This fault, not a drawn one.")
@click.option("--host", help="Only this host.")
@click.option(
    "--out",
    "target",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Write the files there, to look at them.",
)
def render(
    app: App, scenario: str, seed: str, fault: str | None, host: str | None, target: Path | None
) -> None:
    """See what a seed makes of a scenario: values, ticket, and the files of each host.

    It needs no engine. Secrets are shown: this is for authors.
    """
    from sandbox.cli import rendered, views

    result = rendered.render(app.labs.resolve(scenario), seed=seed, fault=fault, only=host)
    if target:
        rendered.write(result, target)
        app.out.talk(f"written to {target}")
    if app.out.is_json:
        app.out.dump(result)
        return
    views.rendered(app.out, result)
    app.out.next(f"internbox start {scenario} --seed {seed}")


@command(
    "prove",
    content=True,
    examples=[
        "internbox prove linux/first-day",
        "internbox prove linux/first-day --only config-typo/reference --keep",
    ],
)
@click.argument("names", nargs=-1, metavar="[SCENARIO]…", shell_complete=complete_scenarios)
@click.option("--all", "everything", is_flag=True, help="All that `list` shows; no drafts.")
@click.option("--only", default="", metavar="FAULT/CASE", help="One cell, one fault or one case.")
@click.option("--seed", default="", help="This seed for every cell.")
@click.option("--keep", is_flag=True, help="Leave the machines running, to look at them.")
@click.option("--jobs", type=click.IntRange(0), default=0, help="Cells at a time.")
@click.option("--handed-in", is_flag=True, help="Submit and regrade every case, too.")
@click.option("--no-cache", is_flag=True, help="Run cells that were proven already, too.")
@click.option("--trust", is_flag=True, help="Do not ask about a folder of your own.")
def prove(
    app: App,
    names: tuple[str, ...],
    everything: bool,
    only: str,
    seed: str,
    keep: bool,
    jobs: int,
    handed_in: bool,
    no_cache: bool,
    trust: bool,
) -> int:
    """Show that a grader is right: untouched scores 0, honest work 100, cheats what they must.

    Each cell starts machines, works on them as the case says, and grades. Exit code 1: some
    cell was not as expected; 3: nothing of it could be run here.
    """
    from sandbox import proof
    from sandbox.cli import views
    from sandbox.cli.trust import ensure_trusted

    if bool(names) == everything:
        raise UsageError("prove what?", hint="internbox prove SCENARIO, or --all")
    chosen = list(names) or [row.id for row in app.labs.catalogue()]
    for name in chosen:
        ensure_trusted(app, app.labs.resolve(name).content, trust=trust)
    report = proof.prove(
        app.labs,
        chosen,
        only=only,
        seed=seed,
        keep=keep,
        jobs=jobs,
        cache=not no_cache,
        handed_in=handed_in,
        progress=app.out.progress,
    )
    if app.out.is_json:
        app.out.dump(report)
    else:
        views.proof(app.out, report)
        if report.kept:
            app.out.next(f"internbox stop {' '.join(report.kept)}", "once you have looked")
    if report.not_run and not report.cells:
        return InternboxError.exit_code
    return 0 if report.ok else 1


@command(
    "schemas", data=False, examples=["internbox schemas", "internbox schemas --out build/schemas"]
)
@click.option(
    "--out",
    "target",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Write one file each there, for an editor.",
)
def schemas(app: App, target: Path | None) -> None:
    """Print the JSON Schemas: of the files an author writes, and of what commands answer."""
    import msgspec

    from sandbox.cli.answers import all_schemas

    found = all_schemas()
    if target is None:
        app.out.dump(found)
        return
    target.mkdir(parents=True, exist_ok=True)
    for name, schema in found.items():
        path = target / f"{name}.schema.json"
        path.write_bytes(msgspec.json.format(msgspec.json.encode(schema), indent=2) + b"\n")
        app.out.data(str(path))


def _named(app: App, names: tuple[str, ...]) -> list[str]:
    """The scenarios named, or all there are, drafts and broken ones too."""
    from sandbox import scenarios

    if names:
        return list(names)
    return [row.id for row in scenarios.summaries(app.labs.content, app.home.index)]
