"""The three streams of a command: data on stdout, talk and progress on stderr."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from typing import Any, TextIO

import click

from sandbox.cli.progress import Ticker
from sandbox.progress import Lasting

# Control characters, and those that turn the reading direction: neither may reach a terminal from
# a machine's answer. Tab and newline stay.
UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
WIDEST = 100

Cell = str
Style = Callable[[int, int], dict[str, Any]]


def safe(text: str) -> str:
    """The text without what could drive a terminal."""
    return UNSAFE.sub("�", text.replace("\r\n", "\n"))


def disarmed(text: str) -> str:
    """As `github.disarmed`, in a step of GitHub Actions; elsewhere the text as it is."""
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return text
    from sandbox.reports import github

    return github.disarmed(text)


def styled(stream: TextIO) -> bool:
    """Whether this stream may carry colours: a terminal, and nobody asked for none."""
    wanted = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return wanted and stream.isatty()


def error(message: str, hint: str = "") -> None:
    """`error: …` and `hint: …` on stderr, however much was to be left unsaid."""
    Ticker.stop_current()
    color = styled(sys.stderr)
    label = click.style("error:", fg="red", bold=True) if color else "error:"
    lines = [f"{label} {safe(message)}"]
    if hint:
        label = click.style("hint:", bold=True) if color else "hint:"
        lines.append(f"{label} {safe(hint)}")
    click.echo(disarmed("\n".join(lines)), err=True, color=color)


class Output:
    """What a command says, and how: as text or JSON, styled or plain, with talk or without."""

    def __init__(self, *, form: str = "text", quiet: bool = False, plain: bool = False) -> None:
        self.is_json = form == "json"
        self.quiet = quiet
        self.plain = plain
        self.columns: int | None = None  # of what is written into a pipe; None: lines as they come
        self._ticker = Ticker(sys.stderr, animated=not plain and sys.stderr.isatty())

    @property
    def width(self) -> int:
        """Columns to fit into; a pipe is not wrapped, unless `columns` is set."""
        if not sys.stdout.isatty() and "COLUMNS" not in os.environ:
            return self.columns or 10_000
        return min(shutil.get_terminal_size().columns, WIDEST)

    @property
    def rich(self) -> bool:
        """Whether stdout takes styling."""
        return not self.plain and styled(sys.stdout)

    @property
    def interactive(self) -> bool:
        """Whether somebody is there to be asked."""
        return sys.stdin.isatty() and sys.stderr.isatty()

    def style(self, text: str, **how: Any) -> str:
        return click.style(text, **how) if self.rich else text

    # --- stdout ---

    def data(self, text: str = "") -> None:
        self._ticker.stop()
        click.echo(disarmed(text), color=self.rich)

    def dump(self, value: Any) -> None:
        """A value that msgspec encodes, as indented JSON."""
        import msgspec

        encoded = msgspec.json.encode(value, enc_hook=str).replace(b"##[", b"#\\u0023[")
        self.data(msgspec.json.format(encoded, indent=2).decode())

    def markdown(self, text: str) -> None:
        """Rendered on a terminal, as it is in a pipe and for screen readers."""
        text = safe(text).rstrip()
        if not self.rich:
            self.data(text)
            return
        from sandbox.cli.markdown import rendered

        self.data(rendered(text, self.width))

    def table(self, headings: Sequence[str], rows: Sequence[Sequence[Cell]], *, wraps: int) -> None:
        """Rows under headings; the column `wraps` gives way when the terminal is narrow.

        Plain output has one line a row and a tab between cells.
        """
        cells = [[safe(cell) for cell in row] for row in rows]
        if self.plain:
            for row in [list(headings), *cells]:
                self.data("\t".join(cell.replace("\n", " ").replace("\t", " ") for cell in row))
            return
        from sandbox.cli.tables import laid_out

        heading, *lines = laid_out(headings, cells, wraps=wraps, width=self.width)
        self.data(self.style(heading, bold=True))
        for line in lines:
            self.data(line)

    # --- stderr ---

    def talk(self, text: str) -> None:
        """A remark to the person; -q leaves it out."""
        self._ticker.stop()
        if not self.quiet:
            click.echo(disarmed(safe(text)), err=True)

    def commands(self, lines: Sequence[str]) -> None:
        """What the CI system is to read, on stderr, where it breaks no data; -q leaves none out."""
        self._ticker.stop()
        for line in lines:
            click.echo(line, err=True)

    def warn(self, text: str) -> None:
        """A remark that even -q does not leave out."""
        self._ticker.stop()
        click.echo(disarmed(f"warning: {safe(text)}"), err=True)

    def next(self, command: str, why: str = "") -> None:
        """The command that comes next."""
        self._ticker.stop()
        if self.quiet:
            return
        text = f"next: {command}" + (f"   ({why})" if why else "")
        dim = not self.plain and styled(sys.stderr)
        click.echo(click.style(text, dim=True) if dim else text, err=True, color=dim)

    def progress(self, message: str) -> None:
        """What is being done now: a spinner after a second on a terminal, else a line."""
        if isinstance(message, Lasting):
            self.talk(message)
        elif not self.quiet:
            self._ticker.show(disarmed(safe(message)))

    def done(self) -> None:
        """Nothing is being done any more."""
        self._ticker.stop()

    def confirm(self, question: str, *, default: bool = False) -> bool:
        """Ask on stderr; without anybody to ask the answer is no."""
        self._ticker.stop()
        return self.interactive and click.confirm(question, default=default, err=True)
