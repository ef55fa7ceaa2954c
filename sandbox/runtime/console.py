"""A machine's console: the engine's attach stream, whatever carries it."""

from __future__ import annotations

import io
import os
import socket
from typing import Any

from sandbox.runtime.base import ConsoleStream
from sandbox.runtime.engine import Engine

PARAMETERS = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1, "logs": 0}


def attach(engine: Engine, container: str) -> ConsoleStream:
    """Bytes both ways; no control keys are taken out."""
    with engine.doing("attaching to the console"):
        stream = engine.patient.attach_socket(container, params={**PARAMETERS, "detachKeys": ""})
    if hasattr(stream, "proc"):  # the engine is reached by the ssh command
        return _Pipes(stream)
    return _Socket(stream)


class _Socket:
    """A socket; `keeper` is what would close it when collected. With TLS the SDK's answer, which
    it keeps with it, has it open, too."""

    def __init__(self, keeper: Any) -> None:
        self._keeper = keeper
        self._socket: socket.socket = getattr(keeper, "_sock", keeper)
        self._socket.settimeout(None)

    def fileno(self) -> int:
        return self._socket.fileno()

    def recv(self, size: int) -> bytes:
        return self._socket.recv(size)

    def send(self, data: bytes) -> int:
        return self._socket.send(data)

    def close(self) -> None:
        if answer := getattr(self._keeper, "_response", None):
            answer.close()
        self._keeper.close()
        self._socket.close()


class _Pipes:
    """The pipes of an ssh process."""

    def __init__(self, stream: Any) -> None:
        self._process = stream.proc

    def fileno(self) -> int:
        return int(self._process.stdout.fileno())

    def recv(self, size: int) -> bytes:
        reader = self._process.stdout
        if isinstance(reader, io.BufferedReader):
            return reader.read1(size)
        return os.read(self.fileno(), size)

    def send(self, data: bytes) -> int:
        self._process.stdin.write(data)
        self._process.stdin.flush()
        return len(data)

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()
