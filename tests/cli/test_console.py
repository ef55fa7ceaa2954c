"""The console: bytes both ways, and a way out."""

from __future__ import annotations

import os
import pty
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sandbox.cli.console import LEAVE, raw_terminal, relay


class Stream:
    """A console whose far end is `machine`."""

    def __init__(self) -> None:
        self.near, self.machine = socket.socketpair()

    def fileno(self) -> int:
        return self.near.fileno()

    def recv(self, size: int) -> bytes:
        return self.near.recv(size)

    def send(self, data: bytes) -> int:
        return self.near.send(data)

    def close(self) -> None:
        self.near.close()


class Desk:
    """The console under test, run in a thread, with our hands on its keyboard and screen."""

    def __init__(self) -> None:
        self.stream = Stream()
        keys, self.keyboard = os.pipe()
        self.screen, shown = os.pipe()
        self.thread = threading.Thread(target=relay, args=(self.stream, keys, shown), daemon=True)
        self.open = [keys, self.keyboard, self.screen, shown]
        self.thread.start()

    def ended(self) -> bool:
        self.thread.join(5)
        return not self.thread.is_alive()

    def close(self) -> None:
        self.stream.machine.close()
        self.ended()
        self.stream.close()
        for descriptor in self.open:
            os.close(descriptor)


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.close()


def test_what_the_machine_prints_is_shown(desk: Desk) -> None:
    desk.stream.machine.send(b"web login: ")

    assert os.read(desk.screen, 100) == b"web login: "


def test_keys_reach_the_machine_interrupts_too(desk: Desk) -> None:
    os.write(desk.keyboard, b"ls\x03\r")

    assert desk.stream.machine.recv(100) == b"ls\x03\r"


def test_the_way_out_is_not_sent(desk: Desk) -> None:
    os.write(desk.keyboard, b"q" + LEAVE + b"never")

    assert desk.ended()
    assert desk.stream.machine.recv(100) == b"q"


def test_it_ends_when_the_machine_does(desk: Desk) -> None:
    desk.stream.machine.close()

    assert desk.ended()


def test_the_terminal_is_put_back_after_an_error() -> None:
    import termios

    controller, terminal = pty.openpty()
    before = termios.tcgetattr(terminal)
    inside = []

    def fail() -> None:
        with raw_terminal(terminal):
            inside.append(termios.tcgetattr(terminal))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    assert inside[0] != before
    assert termios.tcgetattr(terminal) == before
    os.close(controller)
    os.close(terminal)


def test_without_a_terminal_it_says_so(call: Callable[..., Any]) -> None:
    answer = call("console")

    assert answer.code == 2
    assert "a console needs a terminal" in answer.err
