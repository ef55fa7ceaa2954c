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
from sandbox.lab import HostRecord, LabRecord
from sandbox.models import Solution, Step
from sandbox.runtime.base import ConsoleStream
from sandbox.topology import Bringer

STEP_SECONDS = 180.0
LOGIN_SECONDS = 30.0
REMOTE = "/tmp/.step"  # noqa: S108  the learner's own machine; removed after the step
TAIL = 2000  # characters of each stream that an error carries
OUTPUT_BYTES = 20_000_000  # of each stream; a script that says more is ended


class StepFailed(ContentError):
    """A script ended with an error. `output` is what it said last, as the machine sent it."""

    def __init__(self, name: str, host: str, *, exit_code: int, output: str) -> None:
        super().__init__(
            f"{name} on {host} ended with {exit_code}:\n{output}",
            hint="--keep leaves the machine as it is",
        )
        self.exit_code = exit_code
        self.output = output


@dataclass(frozen=True)
class Program:
    """What a step runs. `command` goes before the file's path; empty: its #! line says."""

    name: str
    data: bytes
    command: str = ""
    suffix: str = ""  # of the file on the machine: some interpreters insist on theirs

    @property
    def path(self) -> str:
        return f"{REMOTE}{self.suffix}"

    @property
    def line(self) -> str:
        """The shell's words that run it."""
        return f"{self.command} {self.path}".strip()


@dataclass(frozen=True)
class Steps:
    """The steps of the solution in `folder`, for one running attempt."""

    bringer: Bringer
    record: LabRecord
    folder: Path
    seconds: float = STEP_SECONDS  # the longest that one script may take

    def apply(self, solution: Solution) -> None:
        """All steps in order; StepFailed with the output of a script that fails."""
        self.settle()
        for step in solution.steps:
            if step.script:
                self._script(step)
            if step.reboot:
                self.reboot(step.host)
            if step.wait:
                time.sleep(step.wait)

    def settle(self) -> None:
        """Waits until the machines' first boot is over, as it is for whoever reads the ticket
        first: `systemctl start` would join what still starts, and fail with it."""

        def one(host: HostRecord) -> None:
            readiness.settle_at(self._grader_endpoint(host.host), seconds=LOGIN_SECONDS)

        topology.in_parallel(one, self.record.visible())

    def run(self, host: str, name: str, text: str) -> None:
        """Runs one script, given as text, as the learner over SSH."""
        self.over_ssh(host, Program(name, text.encode()))

    def _script(self, step: Step) -> None:
        path = self.folder / step.script
        text = rendering.script(path, self.bringer.loaded, self.bringer.variant)
        program = Program(path.name, text.encode())
        if step.via == "console":
            self.on_console(step.host, program)
        else:
            self.over_ssh(step.host, program)

    def log_in(self, host: str, *, seconds: float = LOGIN_SECONDS) -> ssh.Connection:
        """The learner's way in. Unreachable when there is none within `seconds`."""
        endpoint = topology.learner_endpoint(
            self.record.hosts[host], self.bringer.files.learner_key
        )
        return ssh.connect(endpoint, deadline=seconds)

    def over_ssh(self, host: str, program: Program) -> None:
        """StepFailed, CommandTimeout after `seconds`, Unreachable when nobody can log in."""
        with self.log_in(host) as link:
            self.on_link(link, program)

    def on_link(self, link: ssh.Connection, program: Program) -> None:
        """The same for somebody who has logged in; Unreachable when the link is cut."""
        link.put(program.path, program.data, 0o755)
        result = link.run(
            f"{program.line}; status=$?; rm -f {program.path}; exit $status",
            timeout=self.seconds,
            limit=OUTPUT_BYTES,
        )
        if result.rc:
            said = f"{result.stdout[-TAIL:]}{result.stderr[-TAIL:]}"
            host = link.endpoint.host
            raise StepFailed(program.name, host, exit_code=result.rc, output=said)

    def on_console(self, host: str, program: Program) -> None:
        """The same where SSH does not answer, typed at the login prompt."""
        stream = self.bringer.runtime.attach(self.record.hosts[host].container)
        console = Console(stream)
        packed = base64.b64encode(program.data).decode()
        try:
            console.log_in("intern", self.record.console_password)
            console.type(f"rm -f {REMOTE}.b64")
            for start in range(0, len(packed), 512):
                console.type(f"printf %s {packed[start : start + 512]} >> {REMOTE}.b64")
            console.type(f"base64 -d {REMOTE}.b64 > {program.path}; chmod +x {program.path}")
            console.type(f"{program.line}; echo step-ended-$?; rm -f {program.path} {REMOTE}.b64")
            told = console.expect(r"step-ended-(\d+)", self.seconds)
            console.type("exit")
        finally:
            stream.close()
        if told != "0":
            raise StepFailed(program.name, host, exit_code=int(told), output=console.before)

    def reboot(self, host: str) -> None:
        """Reboots as the learner does, and waits until the machine is back."""
        previous = self.boot(host)
        try:
            self.run(host, "reboot", "#!/bin/sh\nsudo systemctl reboot\n")
        except Unreachable:
            pass  # the link may be cut before the command ends
        except ContentError:
            pass
        self.wait_boot(host, previous)

    def boot(self, host: str) -> str:
        """Which boot of the machine this is; empty while it goes down."""
        with self._grader_link(host) as link:
            told = link.run(f"cat {topology.BOOT}/boot_id; systemctl is-system-running").stdout
        number, _, state = told.partition("\n")
        return "" if state.strip() == "stopping" else number.strip()

    def wait_boot(self, host: str, previous: str) -> None:
        """Until it has booted again and settled. Unreachable when it does not."""
        endpoint = self._grader_endpoint(host)
        with ssh.wait_boot(endpoint, previous=previous, deadline=readiness.BOOT_SECONDS) as link:
            readiness.settle(link)

    def _grader_link(self, host: str) -> ssh.Connection:
        return ssh.connect(self._grader_endpoint(host), deadline=LOGIN_SECONDS)

    def _grader_endpoint(self, host: str) -> ssh.Endpoint:
        return topology.grader_endpoint(self.record.hosts[host], self.bringer.files.grader_key)


class Console:
    """A machine's console, spoken to as a person types: line by line, reading what comes."""

    def __init__(self, stream: ConsoleStream) -> None:
        self.stream = stream
        self.seen = ""
        self.before = ""  # what was shown until the last thing expected came

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
        self.before, self.seen = self.seen, ""
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
