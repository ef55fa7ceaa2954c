"""Connections to machines: commands with a time limit and an output limit."""

from __future__ import annotations

import logging
import shlex
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.errors import MachineError, Unreachable
from sandbox.sshkeys import (
    Endpoint,
    KeyPair,
    crypt,
    dropbear_host_key,
    key_pair,
    public_keys,
    write_config,
    write_keys,
)

if TYPE_CHECKING:
    import paramiko

__all__ = [
    "CommandTimeout",
    "Connection",
    "Endpoint",
    "KeyPair",
    "Result",
    "Stranger",
    "connect",
    "crypt",
    "dropbear_host_key",
    "key_pair",
    "public_keys",
    "wait_boot",
    "write_config",
    "write_keys",
]

HANDSHAKE_SECONDS = 10.0  # for each step of a connection; a loaded engine is slow to answer
RETRY_SECONDS = (*(0.02 for _ in range(50)), 0.05, 0.1, 0.2)  # between tries; then the last
GOING_DOWN_SECONDS = 0.1  # between greetings of a machine that has not gone down yet
LAST_WORDS_SECONDS = 0.5  # a process left behind may hold the output open after the command's end
CHUNK = 1 << 16
BOOT_ID = "/proc/sys/kernel/random/boot_id"
CLOSED = "the connection was closed while a command ran"


@cache
def library() -> Any:
    """paramiko, imported at the first use: its tenth of a second passes while a machine boots."""
    hidden = "invoke" not in sys.modules
    if hidden:
        sys.modules["invoke"] = None  # type: ignore[assignment]  # it can do without: 60 ms
    try:
        import paramiko
    finally:
        if hidden:
            sys.modules.pop("invoke", None)
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # it prints what is raised as well
    return paramiko


def link_errors() -> tuple[type[Exception], ...]:
    """What paramiko raises when a machine does not answer, or no longer."""
    return (library().SSHException, OSError, EOFError)


@dataclass(frozen=True)
class Result:
    """What a command did. `rc` is -1 when it was ended: by a signal, or for its flood of output."""

    rc: int
    stdout: str
    stderr: str
    truncated: bool = False  # there was more than the limit; reading stopped there


class CommandTimeout(MachineError):
    """A command did not end in time; the output so far is kept."""

    def __init__(self, message: str, *, stdout: str = "", stderr: str = "") -> None:
        super().__init__(message, hint="internbox check again; is the machine overloaded?")
        self.stdout = stdout
        self.stderr = stderr


class Stranger(Unreachable):
    """Another server answers than the one whose host key was pinned; `host_key` is its own."""

    def __init__(self, endpoint: Endpoint, host_key: str = "") -> None:
        super().__init__(
            f"another SSH server than {endpoint.host}'s answers at "
            f"{endpoint.connect}:{endpoint.port}: its host key is not ours",
            host=endpoint.host,
            hint=f"internbox console {endpoint.host}",
        )
        self.host_key = host_key


class _Wake(threading.Event):
    """Set when either stream has something. paramiko would clear it as soon as one is empty."""

    def clear(self) -> None:
        """Left to the reader: see `reset`."""

    def reset(self) -> None:
        super().clear()


class Connection:
    """One machine; connected at the first use, and once more when the link was closed since.

    Every method raises Unreachable when the machine does not answer. May be used by several
    threads at once.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._transport: paramiko.Transport | None = None
        self._opening = threading.Lock()

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._transport:
            self._transport.close()

    def run(
        self, command: str, *, stdin: bytes = b"", timeout: float = 30.0, limit: int = 1_000_000
    ) -> Result:
        """Runs `command` in the login's shell. `limit` is in bytes for each of the two streams.

        Raises CommandTimeout after `timeout` seconds; the channel is closed then, which ends what
        runs on a terminal or writes, but not a process that ignores it.
        """
        rc, out, err, truncated = self._exchange(command, stdin, timeout, limit)
        return Result(rc, _text(out), _text(err), truncated)

    def put(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """Writes a file. MachineError when the machine refuses."""
        word = shlex.quote(path)
        result = self.run(
            f"umask 077; cat > {word} && chmod {mode:o} {word}", stdin=data, timeout=60.0
        )
        if result.rc:
            raise MachineError(f"{self.endpoint.host}: {path}: {result.stderr.strip()}")

    def read(self, path: str, limit: int = 1_000_000) -> bytes:
        """A file's bytes, at most `limit` of them. MachineError when it cannot be read."""
        command = f"cat -- {shlex.quote(path)}"
        rc, out, err, truncated = self._exchange(command, b"", 60.0, limit)
        if rc and not truncated:
            raise MachineError(f"{self.endpoint.host}: {path}: {_text(err).strip()}")
        return out

    def open(self, timeout: float = HANDSHAKE_SECONDS) -> None:
        """Connects now, in one try."""
        self._live_transport(timeout)

    def _live_transport(self, timeout: float) -> paramiko.Transport:
        with self._opening:
            if self._transport is None or not self._transport.is_active():
                self.close()
                self._transport = _handshake(self.endpoint, min(timeout, HANDSHAKE_SECONDS))
            return self._transport

    def _channel(self, deadline: float) -> paramiko.Channel:
        for last in (False, True):
            transport = self._live_transport(_left(deadline))
            try:
                return transport.open_session(timeout=_left(deadline))
            except link_errors() as error:
                transport.close()
                if last or time.monotonic() >= deadline:
                    raise _unreachable(self.endpoint, error) from error
        raise AssertionError

    def _exchange(
        self, command: str, stdin: bytes, timeout: float, limit: int
    ) -> tuple[int, bytes, bytes, bool]:
        deadline = time.monotonic() + timeout
        channel = self._channel(deadline)
        try:
            wake = _Wake()
            channel.in_buffer.set_event(wake)
            channel.in_stderr_buffer.set_event(wake)
            _request(channel, command)
            _feed(channel, stdin, timeout)
            out, err = bytearray(), bytearray()
            ended = _drain(channel, wake, out, err, deadline, limit)
            rc = self._status(channel, ended, deadline)
            if rc is None:
                told = f"{self.endpoint.host}: no end after {timeout:g} s: {command[:200]}"
                raise CommandTimeout(told, stdout=_text(out), stderr=_text(err))
            over = max(len(out), len(err)) > limit
            return (-1 if over else rc), bytes(out[:limit]), bytes(err[:limit]), over
        except link_errors() as error:
            raise _unreachable(self.endpoint, error if str(error) else EOFError(CLOSED)) from error
        finally:
            channel.close()

    def _status(self, channel: paramiko.Channel, ended: bool, deadline: float) -> int | None:
        """The exit status; None when the time is over before there is one."""
        if not ended or not channel.status_event.wait(_left(deadline)):
            return None
        transport = channel.get_transport()
        if channel.exit_status == -1 and not transport.is_active():
            raise EOFError(CLOSED)
        return int(channel.exit_status)


def _request(channel: paramiko.Channel, command: str) -> None:
    """Channel.exec_command without waiting for the answer: that wait knows no end, and a refusal
    shows as a channel that closes without a status."""
    message = library().Message()
    message.add_byte(library().common.cMSG_CHANNEL_REQUEST)
    message.add_int(channel.remote_chanid)
    message.add_string("exec")
    message.add_boolean(False)
    message.add_string(command)
    transport: Any = channel.get_transport()
    transport._send_user_message(message)


def _feed(channel: paramiko.Channel, stdin: bytes, timeout: float) -> None:
    """Sends the input beside the reading, so that neither side waits for the other."""

    def send() -> None:
        with suppress(*link_errors()):  # a command may end without reading all
            channel.sendall(stdin)
            channel.shutdown_write()

    channel.settimeout(timeout)
    if stdin:
        threading.Thread(target=send, daemon=True).start()
    else:
        channel.shutdown_write()


def _drain(
    channel: paramiko.Channel,
    wake: _Wake,
    out: bytearray,
    err: bytearray,
    deadline: float,
    limit: int,
) -> bool:
    """Reads both streams until their end, the limit or the deadline; False at the deadline."""
    until = deadline
    while True:
        wake.reset()
        over = channel.eof_received or channel.closed  # asked before: what came is read below
        _move(channel.recv_ready, channel.recv, out, limit)
        _move(channel.recv_stderr_ready, channel.recv_stderr, err, limit)
        if max(len(out), len(err)) > limit:
            channel.close()  # sets the status as well
            return True
        if over:
            return True
        if channel.exit_status_ready():
            until = min(until, time.monotonic() + LAST_WORDS_SECONDS)
        if time.monotonic() >= until:
            return channel.exit_status_ready()
        wake.wait(min(0.1, _left(until)))


def _move(ready: Any, receive: Any, into: bytearray, limit: int) -> None:
    while len(into) <= limit and ready():
        into += receive(CHUNK)


def _text(data: bytes | bytearray) -> str:
    return data.decode("utf-8", errors="replace")


def _left(deadline: float) -> float:
    return max(0.001, deadline - time.monotonic())


def connect(endpoint: Endpoint, *, deadline: float) -> Connection:
    """A connection that stands, tried for until `deadline` seconds from now; then Unreachable.

    Stranger at once: another server does not become ours by waiting.
    """
    end = time.monotonic() + deadline
    pauses = _pauses()
    while True:
        connection = Connection(endpoint)
        try:
            connection.open(_left(end))
        except Stranger:
            raise
        except Unreachable:
            pause = next(pauses)
            if time.monotonic() + pause >= end:
                raise
            time.sleep(pause)
        else:
            return connection


def wait_boot(endpoint: Endpoint, *, previous: str, deadline: float) -> Connection:
    """A connection to a boot other than `previous`, within `deadline` seconds; then Unreachable.

    While it goes down, the old machine still answers.
    """
    end = time.monotonic() + deadline
    last: MachineError | None = None
    for pause in _pauses():
        connection = Connection(endpoint)
        try:
            told = connection.run(f"read -r id < {BOOT_ID}; echo $id", timeout=_left(end))
        except (Unreachable, CommandTimeout) as error:
            last = error
        else:
            if told.stdout.strip() not in ("", previous):
                return connection
            pause = max(pause, GOING_DOWN_SECONDS)
        connection.close()
        if time.monotonic() + pause >= end:
            break
        time.sleep(pause)
    raise Unreachable(
        f"{endpoint.host} did not boot again within {deadline:.0f} s",
        host=endpoint.host,
        hint=f"internbox console {endpoint.host} shows what it does",
    ) from last


def _pauses() -> Iterator[float]:
    yield from RETRY_SECONDS
    while True:
        yield RETRY_SECONDS[-1]


def _unreachable(endpoint: Endpoint, error: BaseException) -> Unreachable:
    reason = str(error) or type(error).__name__
    return Unreachable(
        f"{endpoint.host} does not answer over SSH at {endpoint.connect}:{endpoint.port}: {reason}",
        host=endpoint.host,
        hint=f"internbox status; internbox console {endpoint.host}",
    )


def _handshake(endpoint: Endpoint, timeout: float) -> paramiko.Transport:
    transport: paramiko.Transport | None = None
    try:
        transport = library().Transport(_dial(endpoint, timeout))
        transport.banner_timeout = transport.handshake_timeout = timeout
        transport.auth_timeout = timeout
        options = transport.get_security_options()
        options.key_types = ("ssh-ed25519",)
        options.kex = ("curve25519-sha256@libssh.org",)
        transport.start_client(timeout=timeout)
        if (offered := _host_key(transport)) != endpoint.host_key.split()[:2]:
            transport.close()
            raise Stranger(endpoint, " ".join(offered))
        transport.auth_publickey(endpoint.user, _private_key(endpoint.key))
    except link_errors() as error:
        if transport:
            transport.close()
        raise _unreachable(endpoint, error) from error
    return transport


def _dial(endpoint: Endpoint, timeout: float) -> socket.socket:
    """A connection on which somebody speaks; the engine's own proxy takes and closes others."""
    link = socket.create_connection((endpoint.connect, endpoint.port), timeout=timeout)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # 48 → 4 ms for a command
    heard = b""
    with suppress(OSError):
        heard = link.recv(1, socket.MSG_PEEK)
    if not heard:
        link.close()
        raise EOFError("nothing speaks on the connection")
    return link


def _host_key(transport: paramiko.Transport) -> list[str]:
    given = transport.get_remote_server_key()
    return [given.get_name(), given.get_base64()]


@lru_cache(maxsize=64)
def _parsed_key(path: Path, changed: int) -> paramiko.PKey:
    key: paramiko.PKey = library().Ed25519Key.from_private_key_file(str(path))
    return key


def _private_key(path: Path) -> paramiko.PKey:
    return _parsed_key(path, path.stat().st_mtime_ns)
