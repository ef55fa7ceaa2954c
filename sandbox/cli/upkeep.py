"""Looking after things: status, history, gc, doctor, completion."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sandbox.cli.app import App, command, yes_option
from sandbox.errors import UsageError

if TYPE_CHECKING:
    from sandbox.doctor import Finding


@command("status", examples=["internbox status", "internbox status --format json"])
def status(app: App) -> None:
    """Show which attempts run, how old they are, and the memory they use."""
    from sandbox.cli import views

    app.out.progress("asking the engine")
    rows = app.labs.status()
    if app.out.is_json:
        app.out.dump(rows)
        return
    views.status(app.out, rows)
    lost = next((row.attempt for row in rows if row.state == "interrupted"), None)
    if lost:
        app.out.next(f"internbox reset {lost}", "the engine lost its machines")
    else:
        app.out.next(f"internbox ssh {rows[0].attempt}" if rows else "internbox list")


@command("history", examples=["internbox history", "internbox history --format json"])
def history(app: App) -> None:
    """Show every attempt there ever was, the last used first, with its last grade."""
    from sandbox.cli import views

    rows = app.labs.history()
    if app.out.is_json:
        app.out.dump(rows)
        return
    views.history(app.out, rows)
    app.out.next("internbox list")


@command("gc", examples=["internbox gc"])
def gc(app: App) -> None:
    """Remove containers and volumes that no attempt owns, such as a kill may leave behind."""
    from sandbox.cli import views

    app.out.progress("looking for what is left over")
    removed = app.labs.gc()
    if app.out.is_json:
        app.out.dump({"removed": [{"kind": item.kind, "id": item.id} for item in removed]})
        return
    views.leftovers(app.out, removed)
    app.out.next("internbox status")


@command(
    "doctor",
    examples=["internbox doctor", "sudo internbox doctor --fix", "internbox doctor --probe"],
)
@click.option("--fix", is_flag=True, help="Mend what can be mended, saying what is done.")
@click.option("--probe", is_flag=True, help="Boot a machine and try all that is needed.")
@yes_option
def doctor(app: App, fix: bool, probe: bool, yes: bool) -> int:
    """Check what this computer needs to run the machines, and say how to get it.

    --fix starts the engine, installs it and the ssh client on Debian and Ubuntu (as root, after
    asking), raises the inotify limit and builds the images. --probe prints a report to paste into
    an issue.
    """
    from sandbox import doctor as checks
    from sandbox.cli import views

    bench = checks.Bench(
        lambda: app.labs.runtime, app.home, app.labs.content, progress=app.out.progress
    )
    app.out.progress("looking at this computer")
    findings = checks.examine(bench)
    if fix:
        findings = checks.mend_all(
            bench, findings, may=lambda finding: _may(app, finding, yes), told=app.out.talk
        )
    trials = checks.probe(bench) if probe else []
    if app.out.is_json:
        app.out.dump(checks.Examined(findings, trials))
    else:
        views.findings(app.out, findings)
        if probe:
            app.out.data()
            app.out.data(checks.report(bench, findings, trials))
        _advise(app, findings)
    bad = any(row.state in ("bad", "fixable") for row in findings)
    return 3 if bad or any(trial.state == "bad" for trial in trials) else 0


def _may(app: App, finding: Finding, yes: bool) -> bool:
    """Mending is what --fix asks for; only what installs software is asked about again."""
    if not finding.asks or yes:
        return True
    if not app.out.interactive:
        app.out.warn(f"left alone, since nobody can be asked: {finding.asks}; add --yes")
        return False
    return app.out.confirm(f"{finding.asks}?", default=True)


def _advise(app: App, findings: list[Finding]) -> None:
    states = {row.state for row in findings}
    if "fixable" in states:
        app.out.next("internbox doctor --fix")
    elif "bad" not in states:
        app.out.next("internbox start")


@command(
    "completion",
    data=False,
    examples=["internbox completion bash --install", "internbox completion zsh > _internbox"],
)
@click.argument("shell", required=False, type=click.Choice(["bash", "zsh", "fish"]))
@click.option("--install", is_flag=True, help="Put it where the shell looks for it.")
def completion(app: App, shell: str | None, install: bool) -> None:
    """Print what makes the tab key complete commands, scenarios, attempts and hosts."""
    from click.shell_completion import get_completion_class

    from sandbox.cli.main import COMPLETE, cli

    name = shell or Path(os.environ.get("SHELL", "")).name
    maker = get_completion_class(name)
    if maker is None:
        raise UsageError(f"which shell? {name or 'yours'} is not known", hint="bash, zsh or fish")
    source = maker(cli, {}, "internbox", COMPLETE).source()
    if not install:
        app.out.data(source)
        return
    path = completion_file(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source + "\n", encoding="utf-8")
    app.out.talk(f"written to {path}")
    if name == "zsh":
        app.out.talk("in ~/.zshrc, before compinit: fpath+=~/.zfunc")
    app.out.talk("it works in new shells")


def completion_file(shell: str) -> Path:
    """Where the shell looks for a user's completions."""
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return {
        "bash": data / "bash-completion" / "completions" / "internbox",
        "zsh": Path.home() / ".zfunc" / "_internbox",
        "fish": config / "fish" / "completions" / "internbox.fish",
    }[shell]
