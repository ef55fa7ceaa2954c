"""What every command shares: its options, its output, its way to the attempts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sandbox.cli.lazy import Command
from sandbox.cli.output import Output
from sandbox.paths import Home

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from sandbox.attempts import Labs

Wrapped = Callable[..., Any]


class App:
    """What a command gets: `out` to speak, `labs` to act. Nothing is opened before it is used."""

    def __init__(self, out: Output, content: Sequence[Path] = ()) -> None:
        self.out = out
        self.content = tuple(content)

    @cached_property
    def home(self) -> Home:
        return Home.from_environment()

    @cached_property
    def labs(self) -> Labs:
        return open_labs(self.home, self.content, self.out.progress)

    def asked(self, question: str, yes: bool) -> None:
        """Go on only with a yes, by option or by answer; a no ends the command.

        Where nobody can be asked, in a script, the command itself is the yes.
        """
        if yes or not self.out.interactive:
            return
        if not self.out.confirm(question):
            self.out.talk("nothing was done")
            raise click.exceptions.Exit(0)


def open_labs(home: Home, content: Sequence[Path], progress: Callable[[str], None]) -> Labs:
    """The use cases; a test puts others here."""
    from sandbox.attempts import Labs

    return Labs(home, content=content, progress=progress)


def command(
    name: str,
    *,
    examples: Sequence[str],
    data: bool = True,
    content: bool = False,
    tail: bool = False,
    **settings: Any,
) -> Callable[[Wrapped], click.Command]:
    """A command with the common options; its function gets an App first.

    `data`: it prints data, so `--format`. `content`: it looks scenarios up, so `--content`.
    `tail`: it takes a foreign command line after `--`, left in `ctx.meta["tail"]`.
    """

    def decorate(function: Wrapped) -> click.Command:
        @wraps(function)
        def call(
            *args: Any, quiet: bool, plain: bool, form: str = "text", content: Any = (), **rest: Any
        ) -> Any:
            app = App(Output(form=form, quiet=quiet, plain=plain), content)
            try:
                return function(app, *args, **rest)
            finally:
                app.out.done()

        made = click.command(name, cls=Command, examples=examples, tail=tail, **settings)(call)
        made.params += _common(data=data, content=content)
        return made

    return decorate


def _common(*, data: bool, content: bool) -> list[click.Parameter]:
    """The options that commands share; they stand last in the help."""
    folders = click.Option(
        ["--content"],
        multiple=True,
        hidden=not content,
        envvar="INTERNBOX_CONTENT",
        metavar="FOLDER",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="A folder of your own with scenarios/ and graders/.",
    )
    form = click.Option(
        ["--format", "form"],
        type=click.Choice(["text", "json"]),
        default="text",
        metavar="text|json",
        help="How to print the data.",
    )
    quiet = click.Option(["-q", "--quiet"], is_flag=True, help="No remarks, only data and errors.")
    plain = click.Option(
        ["--plain"],
        is_flag=True,
        envvar="INTERNBOX_PLAIN",
        help="No colours, no layout: for screen readers.",
    )
    return [folders, *([form] if data else []), quiet, plain]


def complete_attempts(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Attempts that live first; the shell shows their scenario and state."""
    from click.shell_completion import CompletionItem

    from sandbox.errors import InternboxError
    from sandbox.store import LIVING, Store

    home = Home.from_environment()
    if not home.database.exists():
        return []
    try:
        with Store(home) as store:
            rows = [row for row in store.attempts() if row.purpose == "learn"]
    except InternboxError:
        return []
    rows.sort(key=lambda row: row.state not in LIVING)
    return [
        CompletionItem(row.id, help=f"{row.scenario}, {row.state}")
        for row in rows
        if row.id.startswith(incomplete)
    ]


def complete_scenarios(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Scenarios, by id or by the part after the slash."""
    from click.shell_completion import CompletionItem

    from sandbox import scenarios
    from sandbox.errors import InternboxError
    from sandbox.paths import builtin_content

    home = Home.from_environment()
    content = [*(ctx.params.get("content") or ()), builtin_content()]
    try:
        rows = scenarios.summaries(content, home.index)
    except InternboxError:
        return []
    found = [row for row in rows if row.id.startswith(incomplete)]
    return [CompletionItem(row.id, help=row.title) for row in found]


def complete_hosts(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The hosts of the attempt before it, or of the one in use; attempts too."""
    from click.shell_completion import CompletionItem

    from sandbox.errors import InternboxError

    before = ctx.params.get("names") or ctx.params.get("attempt")
    ref = before[0] if isinstance(before, tuple) else before
    try:
        attempt = open_labs(Home.from_environment(), (), lambda _: None).attempt(ref)
    except InternboxError:
        return []
    hosts = [host.name for host in attempt.hosts if not host.hidden]
    items = [CompletionItem(name) for name in hosts if name.startswith(incomplete)]
    return items if ref else [*items, *complete_attempts(ctx, param, incomplete)]


def attempt_argument(function: Wrapped) -> Wrapped:
    """The optional argument ATTEMPT: by default the one in use."""
    return click.argument(
        "attempt", required=False, metavar="[ATTEMPT]", shell_complete=complete_attempts
    )(function)


def yes_option(function: Wrapped) -> Wrapped:
    return click.option("-y", "--yes", is_flag=True, help="Do not ask.")(function)
