"""A machine's console on this terminal."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from sandbox.cli.app import App, command, complete_hosts
from sandbox.cli.learner import attempt_and_host
from sandbox.errors import UsageError

if TYPE_CHECKING:
    from sandbox.runtime.base import ConsoleStream

LEAVE = b"\x1d"  # Ctrl-]


@command("console", data=False, examples=["internbox console", "internbox console web"])
@click.argument("names", nargs=-1, metavar="[ATTEMPT] [HOST]", shell_complete=complete_hosts)
def console(app: App, names: tuple[str, ...]) -> None:
    """Open a machine's console: it works when SSH does not. Leave with Ctrl-].

    You see what the machine prints while it boots, and a login after that.
    """
    if not sys.stdin.isatty():
        raise UsageError("a console needs a terminal", hint="internbox ssh HOST -- COMMAND")
    attempt, host = attempt_and_host(app, names)
    stream, password = app.labs.console(attempt, host)
    app.out.done()
    click.echo(f"log in as intern or root, password {password}; leave with Ctrl-]", err=True)
    try:
        stream.send(b"\r")  # the login prompt was printed before anybody looked
        with raw_terminal(sys.stdin.fileno()):
            relay(stream, sys.stdin.fileno(), sys.stdout.fileno())
    finally:
        stream.close()
    click.echo("\nleft the console", err=True)


@contextmanager
def raw_terminal(terminal: int) -> Iterator[None]:
    """Every key goes through, Ctrl-C too; the terminal is put back afterwards."""
    import termios  # neither is on Windows, where this package must still import
    import tty

    before = termios.tcgetattr(terminal)
    try:
        tty.setraw(terminal)
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def relay(stream: ConsoleStream, keys: int, screen: int) -> None:
    """Bytes both ways, until Ctrl-] or the end of either side."""
    while True:
        ready, _, _ = select.select([keys, stream.fileno()], [], [])
        if stream.fileno() in ready:
            shown = stream.recv(65536)
            if not shown:
                return
            _write(screen, shown)
        if keys in ready:
            typed = os.read(keys, 1024)
            before, leave, _ = typed.partition(LEAVE)
            if before:
                stream.send(before)
            if leave or not typed:
                return


def _write(screen: int, data: bytes) -> None:
    while data:
        data = data[os.write(screen, data) :]
