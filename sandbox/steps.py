"""Does a solution's steps as a learner would: over their SSH, or on the console."""

from __future__ import annotations

import base64
import re
import select
import time
from dataclasses import dataclass
from pathlib import Path

from sandbox import readiness, rendering, ssh, topology
from sandbox.errors import ContentError, MachineError, Unreachable
from sandbox.models import Solution, Step
from sandbox.runtime.base import ConsoleStream
from sandbox.topology import Bringer, LabRecord

STEP_SECONDS = 180.0
LOGIN_SECONDS = 30.0
REMOTE = "/tmp/.step"  # noqa: S108  the learner's own machine; removed after the step


@dataclass(frozen=True)
class Steps:
    """The steps of the solution in `folder`, for one running attempt."""

    bringer: Bringer
    record: LabRecord
    folder: Path

    def apply(self, solution: Solution) -> None:
        """All steps in order; ContentError with the output of a script that fails."""
        for step in solution.steps:
            if step.script:
                self._script(step)
            if step.reboot:
                self.reboot(step.host)
            if step.wait:
                time.sleep(step.wait)

    def run(self, host: str, name: str, text: str) -> None:
        """Runs one script, given as text, as the learner over SSH."""
        self._over_ssh(host, name, text)

    def _script(self, step: Step) -> None:
        path = self.folder / step.script
        text = rendering.script(path, self.bringer.loaded, self.bringer.variant)
        if step.via == "console":
            self._on_console(step.host, path.name, text)
        else:
            self._over_ssh(step.host, path.name, text)

    def _over_ssh(self, host: str, name: str, text: str) -> None:
        endpoint = topology.learner_endpoint(
            self.record.hosts[host], self.bringer.files.learner_key
        )
        with ssh.connect(endpoint, deadline=LOGIN_SECONDS) as link:
            link.put(REMOTE, text.encode(), 0o755)
            result = link.run(
                f"{REMOTE}; status=$?; rm -f {REMOTE}; exit $status", timeout=STEP_SECONDS
            )
        if result.rc:
            raise ContentError(
                f"{name} on {host} ended with {result.rc}:\n{result.stdout[-2000:]}"
                f"{result.stderr[-2000:]}",
                hint="--keep leaves the machine as it is",
            )

    def _on_console(self, host: str, name: str, text: str) -> None:
        stream = self.bringer.runtime.attach(self.record.hosts[host].container)
        console = Console(stream)
        try:
            console.log_in("intern", self.record.console_password)
            packed = base64.b64encode(text.encode()).decode()
            console.type(f"rm -f {REMOTE}.b64")
            for start in range(0, len(packed), 512):
                console.type(f"printf %s {packed[start : start + 512]} >> {REMOTE}.b64")
            console.type(f"base64 -d {REMOTE}.b64 > {REMOTE}; chmod +x {REMOTE}")
            console.type(f"{REMOTE}; echo step-ended-$?; rm -f {REMOTE} {REMOTE}.b64")
            told = console.expect(r"step-ended-(\d+)", STEP_SECONDS)
            console.type("exit")
        finally:
            stream.close()
        if told != "0":
            raise ContentError(
                f"{name} on the console of {host} ended with {told}:\n{console.seen}"
            )

    def reboot(self, host: str) -> None:
        """Reboots as the learner does, and waits until the machine is back."""
        endpoint = topology.grader_endpoint(self.record.hosts[host], self.bringer.files.grader_key)
        with ssh.connect(endpoint, deadline=LOGIN_SECONDS) as link:
            previous = topology.boot_id(link)
        try:
            self._over_ssh(host, "reboot", "#!/bin/sh\nsudo systemctl reboot\n")
        except Unreachable:
            pass  # the link may be cut before the command ends
        except ContentError:
            pass
        with ssh.wait_boot(endpoint, previous=previous, deadline=readiness.BOOT_SECONDS) as link:
            readiness.settle(link)


class Console:
    """A machine's console, spoken to as a person types: line by line, reading what comes."""

    def __init__(self, stream: ConsoleStream) -> None:
        self.stream = stream
        self.seen = ""

    def type(self, line: str) -> None:
        self.stream.send(line.encode() + b"\n")
        time.sleep(0.05)

    def log_in(self, user: str, password: str) -> None:
        deadline = time.monotonic() + LOGIN_SECONDS
        while time.monotonic() < deadline:
            self.type("")
            if self._seen_within(r"login: *$", 2.0):
                break
        else:
            raise MachineError("the console shows no login prompt", hint="internbox console")
        self.type(user)
        self.expect(r"(?i)(password): *$", LOGIN_SECONDS)
        self.type(password)
        self.expect(r"([$#]) *$", LOGIN_SECONDS)

    def expect(self, pattern: str, seconds: float) -> str:
        """The first group of `pattern` once the console has shown it."""
        found = self._seen_within(pattern, seconds)
        if not found:
            raise MachineError(f"the console did not answer within {seconds:.0f} s:\n{self.seen}")
        self.seen = ""
        return found

    def _seen_within(self, pattern: str, seconds: float) -> str | None:
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.seen).rstrip("\r\n")
            if found := re.search(pattern, plain):
                return found.group(1) if found.groups() else found.group(0)
            if select.select([self.stream.fileno()], [], [], min(left, 0.5))[0]:
                self.seen += self.stream.recv(65536).decode(errors="replace")
        return None
