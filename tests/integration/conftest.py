"""The command line and the use cases on the real engine, with a state folder of the test's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandbox import labels, scenarios, steps
from sandbox.attempts import Labs
from sandbox.grading.results import Grade
from sandbox.paths import Home

BIN = Path(sys.executable).parent
FIRST_DAY = "linux/first-day"


@dataclass
class Internbox:
    """The `internbox` command of one person."""

    root: Path

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "INTERNBOX_HOME": str(self.root), "NO_COLOR": "1"}

    def start(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        """The command, running, its output in pipes."""
        return subprocess.Popen(
            [str(BIN / "internbox"), *words],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def __call__(self, *words: str, exit_code: int = 0) -> subprocess.CompletedProcess[str]:
        """The command, run to its end, which must be with `exit_code`."""
        process = self.start(*words)
        out, err = process.communicate(timeout=300)
        assert process.returncode == exit_code, f"internbox {' '.join(words)}\n{out}\n{err}"
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def json(self, *words: str, exit_code: int = 0) -> Any:
        """What the command prints with --format json."""
        return json.loads(self(*words, "--format", "json", exit_code=exit_code).stdout)

    def labs(self) -> Labs:
        """The same person's use cases, in this process."""
        return Labs(Home(self.root, self.root / "cache"))

    def close(self) -> None:
        """Nothing of this person stays on the engine."""
        labs = self.labs()
        for row in labs.store.attempts():
            labs.runtime.remove(row.id)
        labs.runtime.discard(labs.runtime.leftovers([]))
        labs.store.close()


@pytest.fixture(scope="module")
def internbox(tmp_path_factory: pytest.TempPathFactory, runtime: Any) -> Iterator[Internbox]:
    """Somebody who has just installed internbox; shared by the tests of a module."""
    person = Internbox(tmp_path_factory.mktemp("person"))
    yield person
    person.close()


@dataclass
class Worked:
    """One attempt and its learner's hands: commands over SSH, with sudo."""

    labs: Labs
    attempt: str

    def run(
        self, script: str, *, host: str = "", sudo: bool = True, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """A script on a machine, as root by default."""
        shell = ["sudo", "bash", "-e"] if sudo else ["bash", "-e"]
        options = ["-o", "ConnectTimeout=5", "-o", "ServerAliveInterval=5"]
        ssh, *rest = self.labs.ssh_args(self.attempt, host or None)
        done = subprocess.run(
            [ssh, *options, *rest, *shell], input=script, capture_output=True, text=True, timeout=60
        )
        assert not check or done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        return done

    def mend(self, solution: str = "reference") -> None:
        """What the scenario's own solution does."""
        bringer, record = self.labs.machines(self.attempt)
        folder = bringer.loaded.files.solution(solution)
        steps.Steps(bringer, record, folder).apply(scenarios.solutions(bringer.loaded)[solution])

    def grade(self) -> Grade:
        return self.labs.grade(self.attempt)

    def check(self) -> Grade:
        return self.labs.check(self.attempt)

    def reset(self) -> None:
        self.labs.reset(self.attempt)


def owned(labs: Labs) -> list[str]:
    """All that this home has on the engine but the tools that attempts share, as `kind name`."""
    api = labs.runtime.engine.api  # type: ignore[attr-defined]
    mine = {"label": labels.owned(labs.runtime.home)}
    found = [("container", row["Names"][0], row) for row in api.containers(all=True, filters=mine)]
    found += [("volume", row["Name"], row) for row in api.volumes(filters=mine)["Volumes"] or []]
    found += [("network", row["Name"], row) for row in api.networks(filters=mine)]
    return [f"{kind} {name}" for kind, name, row in found if not is_tools(row)]


def is_tools(row: dict[str, Any]) -> bool:
    return bool((row.get("Labels") or {}).get(labels.ROLE) == "tools")


def eventually(what: str, probe: Any, *, seconds: float = 30) -> Any:
    """The first true answer of `probe`."""
    deadline = time.monotonic() + seconds
    while not (answer := probe()):
        assert time.monotonic() < deadline, f"never within {seconds:.0f} s: {what}"
        time.sleep(0.1)
    return answer


def keys(value: Any, wanted: str) -> bool:
    """Whether an answer has the keys that are relied on from outside; more are welcome."""
    return set(wanted.split()) <= set(value)
