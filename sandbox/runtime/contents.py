"""What lies on a machine or in an image, as tar streams: read by the engine, nothing is entered."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, BinaryIO

from sandbox import labels
from sandbox.runtime.engine import Engine

CHUNK = 1 << 20


class Chunks(io.RawIOBase):
    """A file to read from what an iterator gives."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._left:
            self._left = next(self._chunks, b"")
        part, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)


@contextmanager
def of_machine(engine: Engine, container: str) -> Iterator[BinaryIO]:
    """All files of a machine but those on its volumes."""
    with engine.doing("reading a machine's files"):
        yield from _stream(engine, "/containers/{0}/export", container)


@contextmanager
def of_folder(engine: Engine, container: str, path: str) -> Iterator[BinaryIO]:
    """One folder of a machine, volumes included; names begin with the folder's own."""
    with engine.doing(f"reading {path} of a machine"):
        yield from _stream(engine, "/containers/{0}/archive", container, {"path": path})


@contextmanager
def of_image(engine: Engine, home: str, reference: str) -> Iterator[BinaryIO]:
    """All files of an image, as a machine finds them that was never started."""
    with engine.doing(f"reading the files of {reference}"):
        made = engine.api.create_container(
            reference,
            entrypoint=["/none"],
            labels={labels.HOME: home, labels.ROLE: "tools"},
            host_config={"NetworkMode": "none", "Init": False},
        )["Id"]
        try:
            yield from _stream(engine, "/containers/{0}/export", made)
        finally:
            engine.api.remove_container(made, force=True)


def _stream(
    engine: Engine, address: str, container: str, params: dict[str, str] | None = None
) -> Iterator[BinaryIO]:
    api = engine.api
    with closing(api._get(api._url(address, container), params=params, stream=True)) as answer:
        api._raise_for_status(answer)
        chunks = Chunks(answer.iter_content(CHUNK))
        yield io.BufferedReader(chunks, CHUNK)
