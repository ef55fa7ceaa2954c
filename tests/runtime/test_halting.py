"""Nothing begins once the gate is shut, and what has begun is waited for."""

from __future__ import annotations

import threading

import pytest

from sandbox.errors import EngineError
from sandbox.runtime.halting import Gate


def test_what_has_begun_is_waited_for() -> None:
    gate, inside, done = Gate(), threading.Event(), []

    def work() -> None:
        with gate.passed():
            inside.set()
            threading.Event().wait(0.2)
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    inside.wait(5)

    assert gate.shut(within=5)
    assert done
    thread.join()


def test_nothing_begins_once_it_is_shut() -> None:
    gate = Gate()
    assert gate.shut(within=0)

    with pytest.raises(EngineError, match="being ended"), gate.passed():
        pass


def test_it_does_not_wait_for_ever() -> None:
    gate = Gate()

    with gate.passed():
        assert not gate.shut(within=0.05)
