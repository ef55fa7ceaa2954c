"""The machines as graders see them: commands, files, and testinfra's modules by attribute."""

from __future__ import annotations

import json
import shlex
import threading
import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from sandbox.errors import Unreachable
from sandbox.grading.listeners import Listeners, Socket
from sandbox.grading.results import HostAccess

if TYPE_CHECKING:
    from sandbox import ssh

OUTPUT_BYTES = 1_000_000
COMMAND_SECONDS = 30.0
BRIEF = 80  # characters of a command that a message shows


class HungError(TimeoutError):
    """A command did not end in its time: the machine's doing, so the check fails."""


class AbsentError(AssertionError):
    """What the grader wanted to read is not there: the check fails."""


@dataclass(frozen=True)
class Reply:
    """What a command said. Text is UTF-8; bytes that are not come as U+FFFD."""

    host: str
    command: str
    rc: int
    stdout: str
    stderr: str
    truncated: bool = False

    @property
    def succeeded(self) -> bool:
        return self.rc == 0

    @property
    def lines(self) -> list[str]:
        return self.stdout.splitlines()

    def json(self) -> Any:
        """The standard output as JSON; the check fails where it is none."""
        try:
            return json.loads(self.stdout)
        except ValueError as error:
            raise AbsentError(f"{self.host}: the answer is not JSON: {error}") from None


@dataclass
class Clock:
    """The deadline of the check or guard that runs now, by `time.monotonic()`."""

    deadline: float = field(default=float("inf"))

    def left(self, seconds: float) -> float:
        return min(seconds, self.deadline - time.monotonic())


class Link(Protocol):
    """What a host needs of an SSH connection; `ssh.Connection` is one."""

    def run(
        self, command: str, *, stdin: bytes = ..., timeout: float = ..., limit: int = ...
    ) -> ssh.Result: ...
    def put(self, path: str, data: bytes, mode: int = ...) -> None: ...
    def close(self) -> None: ...


class Host:
    """A machine, reached as root. Attributes that are not here are testinfra's modules:
    `.file(path)`, `.service(name)`, `.user(name)`, `.package(name)`, …"""

    def __init__(self, access: HostAccess, clock: Clock, connect_seconds: float) -> None:
        self.name = access.name
        self.hidden = access.hidden
        self.fresh = access.fresh
        self.gone = False  # it stopped answering, and is not asked again in this phase
        self._access = access
        self._clock = clock
        self._connect_seconds = connect_seconds
        self._link: Link | None = None
        self._opening = threading.Lock()

    def __repr__(self) -> str:
        return f"<host {self.name}>"

    def run(
        self,
        command: str,
        *args: object,
        timeout: float = COMMAND_SECONDS,
        user: str = "",
        stdin: str | bytes = b"",
        limit: int = OUTPUT_BYTES,
    ) -> Reply:
        """Runs a shell command line in which each `%s` is the next of `args`, quoted.

        As root, or as `user`. The output is cut at `limit` bytes. HungError (a TimeoutError) after
        `timeout` seconds, or when the time of the check is over.
        """
        line = quote(command, args)
        if user:
            line = quote("runuser -u %s -- sh -c %s", (user, line))
        data = stdin.encode() if isinstance(stdin, str) else stdin
        seconds = self._clock.left(timeout)
        if seconds <= 0:
            raise HungError(self._slow("the check took too long", line))
        result = self._asked(line, data, seconds, limit)
        return Reply(self.name, line, result.rc, result.stdout, result.stderr, result.truncated)

    def put(
        self, path: str, data: str | bytes, mode: int = 0o644, owner: str = "root:root"
    ) -> None:
        """Writes a file; its folder must be there."""
        content = data.encode() if isinstance(data, str) else data
        script = "umask 077; cat > %s && chown %s %s && chmod %s %s"
        reply = self.run(script, path, owner, path, f"{mode:o}", path, stdin=content)
        if reply.rc != 0:
            raise AbsentError(f"{self.name}: {path} cannot be written: {reply.stderr.strip()}")

    def read(self, path: str, limit: int = OUTPUT_BYTES) -> str:
        """The text of a file; the check fails where it cannot be read."""
        reply = self.run("cat -- %s", path, limit=limit)
        if reply.rc != 0:
            raise AbsentError(f"{self.name}: {path} cannot be read: {reply.stderr.strip()}")
        return reply.stdout

    def exists(self, path: str) -> bool:
        """Is there anything at `path`; a dangling link counts."""
        return self.run("test -e %s || test -L %s", path, path).rc == 0

    def listeners(self) -> Listeners:
        """The ports that are listened on, as the kernel says (not the machine's `ss`)."""
        files = "tcp tcp6 udp udp6"
        reply = self.run(f"cd /proc/net && for f in {files}; do echo $f; cat $f; done")
        return Listeners.parse(reply.stdout)

    def socket(self, spec: str) -> Socket:
        """`socket("tcp://0.0.0.0:80").is_listening`, `socket("tcp://80")`, `socket("udp://:::53")`.

        In place of testinfra's, which misreads a port that is bound to 0.0.0.0.
        """
        return Socket(spec, self.listeners)

    def close(self) -> None:
        if self._link:
            self._link.close()

    def open(self) -> Link:
        """The connection, made at the first use. Raises Unreachable."""
        with self._opening:
            if self._link is None:
                self._link = self._connect()
            return self._link

    def _connect(self) -> Link:
        from pathlib import Path

        from sandbox import ssh

        access = self._access
        endpoint = ssh.Endpoint(
            host=access.name,
            connect=access.connect,
            port=access.port,
            user=access.user,
            key=Path(access.key),
            host_key=access.host_key,
        )
        return ssh.connect(endpoint, deadline=self._connect_seconds)

    def _asked(self, line: str, stdin: bytes, seconds: float, limit: int) -> ssh.Result:
        from sandbox import ssh

        if self.gone:
            raise Unreachable(f"{self.name} no longer answers", host=self.name)
        try:
            return self.open().run(line, stdin=stdin, timeout=seconds, limit=limit)
        except ssh.CommandTimeout:
            raise HungError(self._slow(f"no end after {seconds:.0f} s", line)) from None
        except Unreachable:
            self.gone = True
            raise Unreachable(f"{self.name} no longer answers", host=self.name) from None

    def _slow(self, what: str, line: str) -> str:
        brief = line if len(line) <= BRIEF else line[: BRIEF - 1] + "…"
        return f"{self.name} hangs: {what} of the command {brief}"

    @cached_property
    def _testinfra(self) -> Any:
        from sandbox.grading import facts

        return facts.host(self)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return getattr(self._testinfra, name)
        except AttributeError:
            raise AttributeError(f"a host has no attribute {name!r}") from None


def quote(command: str, args: tuple[object, ...]) -> str:
    """`command` with each `%s` replaced by the next argument, quoted for a POSIX shell.

    Without arguments nothing is replaced, so `date +%s` needs no doubling. Raises TypeError when
    the numbers differ.
    """
    return command % tuple(shlex.quote(str(arg)) for arg in args) if args else command
