"""testinfra over our connections: its modules, without its paramiko backend.

Its own backend has no time limit on a command and hangs on megabytes of standard error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import testinfra.host
from testinfra.backend import base

if TYPE_CHECKING:
    from sandbox.grading.machine import Host


class Backend(base.BaseBackend):  # type: ignore[misc]  # testinfra is untyped here
    """One host of a grader. Text is UTF-8 and already decoded."""

    NAME = "internbox"

    def __init__(self, machine: Host) -> None:
        super().__init__(machine.name)
        self._machine = machine

    @property
    def encoding(self) -> str:
        return "utf-8"  # asking the machine's Python, as testinfra does, would trust it

    def decode(self, data: bytes) -> str:
        return data.decode(errors="replace")

    def encode(self, data: str) -> bytes:
        return data.encode(errors="replace")

    def run(self, command: str, *args: str, **kwargs: Any) -> base.CommandResult:
        reply = self._machine.run(command, *args)
        return self.result(reply.rc, self.encode(reply.command), reply.stdout, reply.stderr)


def host(machine: Host) -> Any:
    """A testinfra host whose commands go to `machine`."""
    return testinfra.host.Host(Backend(machine))
