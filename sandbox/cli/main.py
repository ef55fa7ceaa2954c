"""The entry point: a table of commands, and the one boundary that turns errors into exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

import click

from sandbox import __version__
from sandbox.cli.lazy import Entry, LazyGroup
from sandbox.cli.signals import end_like_an_interrupt
from sandbox.errors import InternboxError

WRONG_USE, COULD_NOT, OUR_BUG, INTERRUPTED, PIPE_CLOSED = 2, 3, 4, 130, 141
COMPLETE = "_INTERNBOX_COMPLETE"  # set by the shell's completion script

WORK, LOOK, TEACH, KEEP, WRITE = (
    "Work",
    "Look",
    "Teach and grade",
    "Keep in order",
    "Write scenarios",
)

COMMANDS = (
    Entry("list", "learner", "What there is to do.", WORK),
    Entry("show", "learner", "What a scenario is about.", WORK),
    Entry("start", "learner", "Start a scenario and read its ticket.", WORK),
    Entry("ticket", "learner", "Read the ticket again.", WORK),
    Entry("ssh", "learner", "Log in to a machine.", WORK),
    Entry("console", "console", "A machine's console, when SSH does not answer.", WORK),
    Entry("check", "grading", "See how far you are; nothing is recorded.", WORK),
    Entry("hint", "learner", "Get the next hint; it costs points.", WORK),
    Entry("note", "grading", "Write the note that closes the ticket.", WORK),
    Entry("grade", "grading", "Have it graded: before and after a reboot.", WORK),
    Entry("submit", "handin", "Pack an attempt into a file to hand in.", WORK),
    Entry("debrief", "learner", "Read what was broken and how to find it.", WORK),
    Entry("reset", "learner", "Start the same attempt over.", WORK),
    Entry("give-up", "learner", "End the attempt and open the debrief.", WORK),
    Entry("stop", "learner", "Remove the machines of an attempt.", WORK),
    Entry("status", "upkeep", "What runs now.", LOOK),
    Entry("history", "upkeep", "What you have done so far.", LOOK),
    Entry("code", "handin", "Make start codes: a variant for each learner.", TEACH),
    Entry("regrade", "handin", "Grade what was handed in, on your own machines.", TEACH),
    Entry("run", "run", "Start, apply a fix, grade, report: for CI.", TEACH),
    Entry("doctor", "upkeep", "Check this computer, and mend what can be mended.", KEEP),
    Entry("images", "images", "List, build and move the machines' images.", KEEP),
    Entry("gc", "upkeep", "Remove what no attempt owns any more.", KEEP),
    Entry("completion", "upkeep", "Complete names with the tab key.", KEEP),
    Entry("new", "author", "Make the folder of a new scenario.", WRITE),
    Entry("lint", "author", "Find mistakes in scenario folders.", WRITE),
    Entry("render", "author", "See what a seed makes of a scenario.", WRITE),
    Entry("demo", "demo", "See a scenario graded, mended and graded again.", WRITE),
    Entry("prove", "author", "Show that a grader is right.", WRITE),
    Entry("schemas", "author", "Print the JSON Schemas of the files and answers.", WRITE),
)


@click.group(
    cls=LazyGroup,
    table=COMMANDS,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
)
@click.version_option(__version__, "-V", "--version", message="internbox %(version)s")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """An IT internship on your own machine: real tasks, real machines, fair grades.

    Begin with `internbox start`. `internbox COMMAND --help` explains a command.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main() -> NoReturn:
    """The `internbox` command."""
    code = run(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    # All is done. To take the interpreter down takes 0.15 s; and after an interrupt a thread may
    # still wait for a machine that has just been removed.
    os._exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run one command line; the exit code. Every error ends here."""
    if platform() == "win32" and not {"--help", "-h", "--version", "-V"} & set(arguments):
        return _say(
            COULD_NOT,
            "internbox needs Linux or macOS, and this is Windows itself",
            "in a terminal: wsl --install; then, in Ubuntu: pipx install internbox",
        )
    try:
        with end_like_an_interrupt():
            done = _called(list(arguments))
            sys.stdout.flush()
    except BrokenPipeError:
        return _close_quietly()
    except (KeyboardInterrupt, click.Abort):
        return _say(INTERRUPTED, "interrupted")
    except InternboxError as error:
        return _say(error.exit_code, error.message, error.hint)
    except click.ClickException as error:
        return _say(WRONG_USE, _wording(error), _usage_hint(error))
    except Exception as error:  # noqa: BLE001 - the boundary: whatever is left is our bug
        from sandbox.cli import bugs

        return _say(*bugs.explain(error, arguments))
    return done


def _called(arguments: list[str]) -> int:
    """As click's own `main`, which would swallow a closed pipe and an interrupt."""
    if instruction := os.environ.get(COMPLETE):
        from click.shell_completion import shell_complete

        return shell_complete(cli, {}, "internbox", COMPLETE, instruction)
    try:
        with cli.make_context("internbox", arguments) as context:
            done = cli.invoke(context)
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    return done if isinstance(done, int) else 0


def platform() -> str:
    """`sys.platform`, for a test to change."""
    return sys.platform


def _say(code: int, message: str, hint: str = "") -> int:
    from sandbox.cli.output import error

    error(message, hint)
    return code


def _wording(error: click.ClickException) -> str:
    text = error.format_message().strip().rstrip(".")
    return text[:1].lower() + text[1:]


def _usage_hint(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    return f"{context.command_path} --help" if context else ""


def _close_quietly() -> int:
    """The reader has gone: nothing more is written, not even by the interpreter's last flush."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return PIPE_CLOSED


if __name__ == "__main__":
    main()
