"""JSON and plain data as our types, in any thread.

msgspec works out what a type is made of when it first meets it, and crashes the process when two
threads do so at once (0.22): here one goes first.
"""

from __future__ import annotations

import threading
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_met: set[Any] = set()
_meeting = threading.Lock()


def decode(text: str | bytes, shape: type[T]) -> T:
    """`text`, which is JSON, as `shape`. Raises msgspec.DecodeError or its ValidationError."""
    _meet(shape)
    return msgspec.json.decode(text, type=shape)


def convert(data: Any, shape: type[T]) -> T:
    """Dicts, lists and scalars as `shape`. Raises msgspec.ValidationError."""
    _meet(shape)
    return msgspec.convert(data, shape)


def _meet(shape: type[Any]) -> None:
    with _meeting:
        if shape not in _met:
            msgspec.json.Decoder(shape)
            _met.add(shape)
