"""Types that several threads meet at the same time."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import msgspec
import pytest
from msgspec import Struct

from sandbox.decoding import convert, decode


class Point(Struct):
    x: int


def test_json_becomes_a_type() -> None:
    assert decode(b'{"x": 1}', Point) == Point(1)


def test_plain_data_becomes_a_type() -> None:
    assert convert({"x": 1}, Point) == Point(1)


def test_what_does_not_fit_is_an_error() -> None:
    with pytest.raises(msgspec.ValidationError, match=r"Expected `int`.*\$\.x"):
        decode(b'{"x": "one"}', Point)


def test_threads_that_meet_a_type_together_do_not_crash() -> None:
    """By itself msgspec does: this program, with its own `decode`, is ended by a signal."""
    program = textwrap.dedent("""
        import sys, threading
        from typing import Optional
        from msgspec import Struct, defstruct
        from sandbox.decoding import decode

        sys.setswitchinterval(1e-6)
        for number in range(400):
            inner = defstruct("Inner", [("x", "int"), ("y", "str", "")], module="__main__")
            globals()["Inner"] = inner
            fields = [("a", "Inner"), ("b", "list[Inner]", []), ("c", "Optional[Inner]", None)]
            outer = defstruct("Outer", fields, module="__main__")
            together = threading.Barrier(4)

            def work():
                together.wait()
                assert decode(b'{"a": {"x": 1}}', outer).a.x == 1

            threads = [threading.Thread(target=work) for _ in range(4)]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]
    """)
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
