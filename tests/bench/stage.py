"""Where the measuring happens: a state folder of its own, the command, and its use cases."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from figures import seconds

from sandbox.attempts import Labs
from sandbox.paths import Home

HERE = Path(__file__).resolve().parent
CONTENT = HERE / "content"
INTERNBOX = Path(sys.executable).with_name("internbox")


@dataclass
class Stage:
    """A state folder, `root`, that only this run uses. `clear` removes every machine of it."""

    root: Path
    began: float = field(default_factory=time.monotonic)

    @cached_property
    def labs(self) -> Labs:
        return Labs(Home(self.root, self.root / "cache"), content=[CONTENT])

    def other_labs(self) -> Labs:
        """For another thread: the same engine, a connection to the database of its own."""
        return Labs(self.labs.home, content=[CONTENT], runtime=self.labs.runtime)

    def say(self, text: str) -> None:
        print(f"{time.monotonic() - self.began:6.0f} s  {text}", file=sys.stderr, flush=True)

    # --- the command --------------------------------------------------------------------------

    @cached_property
    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("INTERNBOX_", "PYTHON"))}
        return kept | {"INTERNBOX_HOME": str(self.root)}

    def call(self, *arguments: str, may_fail: bool = False) -> str:
        """What `internbox` prints; CalledProcessError when it ends with anything but 0."""
        return subprocess.run(
            [str(INTERNBOX), *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
            check=not may_fail,
        ).stdout

    def timed(self, *arguments: str, may_fail: bool = False) -> float:
        return seconds(lambda: self.call(*arguments, may_fail=may_fail))

    def python(self, *arguments: str) -> float:
        """How long the same Python takes for something else."""
        command = [sys.executable, *arguments]
        environment = self.environment | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        return seconds(
            lambda: subprocess.run(
                command, env=environment, cwd=self.root, check=True, stdout=subprocess.DEVNULL
            )
        )

    def start(self, scenario: str, *options: str) -> tuple[float, dict[str, Any]]:
        """The time of a whole `internbox start`, and what it printed."""
        told = ""

        def work() -> None:
            nonlocal told
            command = ("start", scenario, "--content", str(CONTENT), "--trust", "-y", "-q")
            told = self.call(*command, "--format", "json", *options)

        taken = seconds(work)
        return taken, json.loads(told)

    # --- afterwards ---------------------------------------------------------------------------

    def stop(self, attempts: Sequence[str]) -> None:
        if attempts:
            self.labs.stop(list(attempts))
            for attempt in attempts:
                self.labs.store.forget(attempt)

    def clear(self) -> None:
        """Removes all that this run made on the engine, the bare machines too."""
        self.labs.stop(everything=True)
        self.labs.runtime.discard(self.labs.runtime.leftovers([]))


def four_at_once(work: Any, items: Sequence[Any]) -> list[Any]:
    """The results in order, four in the making at any time."""
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(work, items))
