"""The reference page of all commands, made from their own help: docs/commands.md."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click

from sandbox.cli.main import COMMANDS, cli

HEAD = """\
# Commands

<!-- Made by `python -m sandbox.cli.reference > docs/commands.md`; a test keeps it true. -->

Data goes to stdout, remarks and progress to stderr; `-q` leaves the remarks out. `--format json`
prints the data for programs, `internbox schemas` its shape. `--plain`, `INTERNBOX_PLAIN=1` and
`NO_COLOR=1` do without styling. ATTEMPT is always optional: the attempt in use is meant.

| exit code | meaning |
| --- | --- |
| 0 | done; after `check` and `grade`: everything passed; after `run`: all reach `--pass` |
| 1 | graded, and something failed |
| 2 | wrong use |
| 3 | it could not be done: engine, scenario, machine or grader |
| 4 | a bug of ours; the message names its log |
| 130 | interrupted |

| variable | meaning |
| --- | --- |
| `INTERNBOX_HOME` | the folder for state and cache |
| `INTERNBOX_CONTENT` | folders with scenarios of your own, as `--content` takes them |
| `INTERNBOX_SEED` | the seed of `run`, where none is given |
| `INTERNBOX_REGISTRY` | the registry of `images push` and `images pull` |
| `INTERNBOX_ARTIFACTS` | a folder with files that would otherwise be downloaded |
| `INTERNBOX_PLAIN` | as `--plain` |
| `DOCKER_HOST`, `DOCKER_CONTEXT` | which engine, as for `docker` itself |
"""


def reference() -> str:
    """The page, in Markdown."""
    top = click.Context(
        cli, info_name="internbox", terminal_width=80, help_option_names=["-h", "--help"]
    )
    parts = [HEAD]
    for section in dict.fromkeys(entry.section for entry in COMMANDS):
        parts.append(f"## {section}\n")
        for entry in COMMANDS:
            found = cli.get_command(top, entry.name)
            if entry.section == section and found is not None:
                parts += _described(found, top)
    return "\n".join(parts)


def _described(command: click.Command, parent: click.Context) -> Iterator[str]:
    context = click.Context(command, parent=parent, info_name=command.name)
    help_text = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    yield f"### {context.command_path}\n\n```text\n{help_text}\n```\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None:
                yield from _described(inner, context)


if __name__ == "__main__":
    sys.stdout.write(reference())
