"""The learner's way through an attempt: find, start, log in, ask, end."""

from __future__ import annotations

import shutil
import subprocess
from datetime import datetime
from typing import TYPE_CHECKING

import click

from sandbox.cli.app import (
    App,
    attempt_argument,
    command,
    complete_attempts,
    complete_hosts,
    complete_scenarios,
    yes_option,
)
from sandbox.cli.signals import left_to_the_child
from sandbox.errors import InternboxError, UsageError

if TYPE_CHECKING:
    from sandbox.attempts import Attempt, Listed

FIRST = "linux/first-day"
NOT_LET_IN = 255  # what ssh ends with when it was not let in, or when the connection broke


@command("list", content=True, examples=["internbox list", "internbox list linux --level 1"])
@click.argument("area", required=False)
@click.option("--level", type=click.IntRange(1, 4), help="Only this level: 1 easy … 4 hard.")
def list_scenarios(app: App, area: str | None, level: int | None) -> None:
    """List the scenarios there are.

    AREA narrows the list: an area, or any word of a title.
    """
    from sandbox.cli import views

    rows = [row for row in app.labs.catalogue() if level in (None, row.level)]
    if area:
        word = area.casefold()
        rows = [row for row in rows if word in f"{row.id} {row.area} {row.title}".casefold()]
    if app.out.is_json:
        app.out.dump(rows)
        return
    views.scenarios(app.out, rows)
    can_start = [row for row in rows if row.available]
    easiest = min(can_start, key=lambda row: (row.id != FIRST, row.level), default=None)
    app.out.next(f"internbox start {easiest.id}" if easiest else "internbox list")


@command("show", content=True, examples=["internbox show linux/first-day"])
@click.argument("scenario", shell_complete=complete_scenarios)
def show(app: App, scenario: str) -> None:
    """Say what a scenario is about, before you start it."""
    from sandbox.cli import views

    row = _described(app, scenario)
    if app.out.is_json:
        app.out.dump(row)
        return
    views.scenario(app.out, row)
    app.out.next(f"internbox start {row.id}" if row.available else "internbox list")


def _described(app: App, name: str) -> Listed:
    """The scenario as listed; a draft is described, too."""
    from sandbox import scenarios
    from sandbox.attempts import Listed

    files = app.labs.resolve(name)
    for row in app.labs.catalogue():
        if row.id == files.id:
            return row
    loaded = scenarios.load(files)
    settings = loaded.settings
    return Listed(
        id=loaded.id,
        title=settings.title,
        summary=settings.summary,
        area=settings.area,
        level=settings.level,
        minutes=settings.minutes,
        hosts=loaded.learner_hosts,
        skills=settings.skills,
        available=True,
        why_not="",
    )


@command(
    "start",
    content=True,
    examples=[
        "internbox start",
        "internbox start web-service-down",
        "internbox start --code 06JQX-C8XFF-6WZH0-46CQQ-6C9J6-CT3AD-HQ8GP-G",
    ],
)
@click.argument("scenario", required=False, shell_complete=complete_scenarios)
@click.option("--code", help="A start code from your course, instead of SCENARIO.")
@click.option("--seed", help="The same seed makes the same variant.")
@click.option("--fault", help="For authors: this fault, not a drawn one.")
@click.option("--anchor", type=click.DateTime(), help="For authors: when it starts.", hidden=True)
@click.option("--trust", is_flag=True, help="Do not ask about a folder of your own.")
@yes_option
def start(
    app: App,
    scenario: str | None,
    code: str | None,
    seed: str | None,
    fault: str | None,
    anchor: datetime | None,
    trust: bool,
    yes: bool,
) -> None:
    """Start a scenario: its machines, and the ticket that says what is wanted.

    Without SCENARIO you are offered your first day. SCENARIO may also be the path of a scenario
    of your own.
    """
    from sandbox.cli.trust import ensure_trusted

    if code:
        if scenario or seed or fault or anchor:
            raise UsageError("a start code says it all", hint="internbox start --code CODE alone")
        name = _scenario_of(app, code)
    else:
        name = scenario or _first_day(app, yes)
    ensure_trusted(app, app.labs.resolve(name).content, trust=trust)
    _offer_to_stop_idle(app, yes)
    app.out.progress(f"starting {name}")
    if code:
        attempt = app.labs.start_code(code)
    else:
        aware = anchor.astimezone() if anchor else None
        attempt = app.labs.start(name, seed=seed, fault=fault, anchor=aware)
    _introduce(app, attempt)


def _scenario_of(app: App, code: str) -> str:
    from sandbox import codes

    return str(codes.find(codes.read(code), app.labs.content, app.home.index).root)


def _first_day(app: App, yes: bool) -> str:
    if yes:
        return FIRST
    if not app.out.interactive:
        raise UsageError(
            "start what?", hint=f"internbox start {FIRST}, or internbox list for all there is"
        )
    if app.out.confirm("Begin with your first day (linux/first-day)?", default=True):
        return FIRST
    raise UsageError("nothing was started", hint="internbox list shows what there is")


def _offer_to_stop_idle(app: App, yes: bool) -> None:
    idle = app.labs.idle()
    if not idle or not app.out.interactive or yes:
        return
    names = ", ".join(attempt.id for attempt in idle)
    if app.out.confirm(f"Nobody has used {names} for days. Stop, which removes the machines?"):
        app.labs.stop([attempt.id for attempt in idle])


def _introduce(app: App, attempt: Attempt) -> None:
    """The ticket, and the way in."""
    from sandbox.cli import views

    if app.out.is_json:
        app.out.dump(attempt)
        return
    text = app.labs.ticket(attempt.id)
    app.out.markdown(text)
    app.out.talk("")
    app.out.talk(views.ready(attempt))
    app.out.talk(views.plain_ssh(attempt))
    app.out.next(f"internbox ssh {attempt.id}")


@command("ticket", examples=["internbox ticket", "internbox ticket > ticket.md"])
@attempt_argument
def ticket(app: App, attempt: str | None) -> None:
    """Read the ticket of an attempt again."""
    found = app.labs.attempt(attempt)
    text = app.labs.ticket(found.id)
    if app.out.is_json:
        app.out.dump({"attempt": found.id, "scenario": found.scenario, "ticket": text})
        return
    app.out.markdown(text)
    app.out.next(f"internbox ssh {found.id}")


@command(
    "ssh",
    data=False,
    tail=True,
    examples=["internbox ssh", "internbox ssh web", "internbox ssh web-service-down-k7f -- uptime"],
)
@click.argument(
    "names", nargs=-1, metavar="[ATTEMPT] [HOST] [-- COMMAND…]", shell_complete=complete_hosts
)
@click.pass_context
def ssh(ctx: click.Context, app: App, names: tuple[str, ...]) -> int:
    """Log in to a machine as intern, or run COMMAND there.

    Without names: the attempt in use, and the machine where its work begins.
    """
    attempt, host = attempt_and_host(app, names)
    arguments = app.labs.ssh_args(attempt, host)
    name = arguments[-1]
    if shutil.which(arguments[0]) is None:
        raise InternboxError(
            "there is no ssh client on this computer",
            hint="install openssh-client (Debian, Ubuntu: sudo apt install openssh-client)",
        )
    app.out.done()
    code = _run_in_the_terminal([*arguments, *ctx.meta.get("tail", ())])
    if code == NOT_LET_IN:
        console = " ".join(["internbox console", *([attempt] if attempt else []), name])
        app.out.next(console, "when SSH does not let you in")
    return code


def _run_in_the_terminal(arguments: list[str]) -> int:
    """The exit code, as a shell would have it."""
    with left_to_the_child(), subprocess.Popen(arguments) as process:
        try:
            code = process.wait()
        except KeyboardInterrupt:
            process.terminate()  # ssh puts the terminal back
            raise
    return code if code >= 0 else 128 - code


def attempt_and_host(app: App, names: tuple[str, ...]) -> tuple[str | None, str | None]:
    """Which of one name or two is the attempt, and which the host."""
    if len(names) > 2:
        raise UsageError(f"too many names: {' '.join(names)}", hint="a command comes after --")
    if len(names) == 2:
        return names[0], names[1]
    if not names:
        return None, None
    try:
        in_use = app.labs.attempt(None)
    except UsageError:
        return names[0], None
    is_host = names[0] in {host.name for host in in_use.hosts}
    return (in_use.id, names[0]) if is_host else (names[0], None)


@command("hint", examples=["internbox hint", "internbox hint --list"])
@attempt_argument
@click.option("--list", "only_list", is_flag=True, help="Show the hints you have, at no cost.")
@yes_option
def hint(app: App, attempt: str | None, only_list: bool, yes: bool) -> None:
    """Get the next hint. Its cost is taken off the score, and is told before."""
    from sandbox.cli import views

    ref = app.labs.attempt(attempt).id
    have = app.labs.hints(ref)
    if only_list:
        views.hints(app.out, have)
        return
    if have.next_cost and not app.out.is_json and app.out.interactive:
        left = f"{have.left} left" if have.left > 1 else "the last one"
        app.asked(f"The next hint costs {have.next_cost} points ({left}). Show it?", yes)
    given = app.labs.hint(ref)
    if app.out.is_json:
        app.out.dump(given)
        return
    app.out.markdown(given.text)
    app.out.talk(f"hint {given.step}: {given.cost} points, {given.left} left")
    app.out.next(f"internbox check {ref}")


@command("debrief", examples=["internbox debrief"])
@attempt_argument
def debrief(app: App, attempt: str | None) -> None:
    """Read what was broken, how to have found it, and what else would have mended it.

    It opens after a grade, or after you gave up.
    """
    found = app.labs.attempt(attempt)
    text = app.labs.debrief(found.id)
    if app.out.is_json:
        app.out.dump({"attempt": found.id, "scenario": found.scenario, "debrief": text})
        return
    app.out.markdown(text)
    app.out.next("internbox list")


@command("reset", examples=["internbox reset", "internbox reset web-service-down-k7f --yes"])
@attempt_argument
@yes_option
def reset(app: App, attempt: str | None, yes: bool) -> None:
    """Start the same variant over: what you did on its machines is gone.

    Hints and grades stay on record.
    """
    found = app.labs.attempt(attempt)
    app.asked(f"Start {found.id} over? What you did on its machines will be gone.", yes)
    app.out.progress(f"starting {found.id} over")
    _introduce(app, app.labs.reset(found.id))


@command("give-up", data=False, examples=["internbox give-up"])
@attempt_argument
@yes_option
def give_up(app: App, attempt: str | None, yes: bool) -> None:
    """End an attempt without a grade. Its machines go, its debrief opens."""
    found = app.labs.attempt(attempt)
    app.asked(f"Give up {found.id}? Its machines will be removed.", yes)
    app.out.progress(f"removing the machines of {found.id}")
    app.labs.give_up(found.id)
    app.out.talk(f"{found.id} has ended")
    app.out.next(f"internbox debrief {found.id}")


@command("stop", examples=["internbox stop", "internbox stop --all --yes"])
@click.argument("attempts", nargs=-1, metavar="[ATTEMPT]…", shell_complete=complete_attempts)
@click.option("--all", "everything", is_flag=True, help="All attempts of yours.")
@yes_option
def stop(app: App, attempts: tuple[str, ...], everything: bool, yes: bool) -> None:
    """Remove the machines of attempts, and what you did on them. Grades stay on record."""
    if everything and attempts:
        raise UsageError("either names or --all", hint="internbox stop --all")
    chosen = [] if everything else [app.labs.attempt(name or None).id for name in attempts or ("",)]
    what = " ".join(chosen) or "all attempts"
    app.asked(f"Stop {what}? The machines and what you did on them will be removed.", yes)
    app.out.progress(f"removing the machines of {what}")
    stopped = app.labs.stop(chosen or None, everything=everything)
    if app.out.is_json:
        app.out.dump({"stopped": stopped})
        return
    for name in stopped:
        app.out.talk(f"{name} is stopped")
    if not stopped:
        app.out.talk("nothing was running")
    app.out.next("internbox list")
