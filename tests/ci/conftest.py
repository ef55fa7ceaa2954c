"""An internbox for the templates to install that only writes down how it was called."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

MAIN = """
import json, os, signal, sys, time
from pathlib import Path

words = sys.argv[1:]
names = ("INTERNBOX_SEED", "INTERNBOX_REGISTRY", "DOCKER_CONFIG")
call = {"words": words, "cwd": os.getcwd(), "isolated": sys.flags.isolated, "by": os.getppid()}
call |= {"env": {name: os.environ.get(name) for name in names}}
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(130))
log = Path(os.environ["STAND_IN"])
log.write_text(log.read_text() + json.dumps(call) + "\\n")
given = dict(zip(words, words[1:]))
if words[0] == "run":
    time.sleep(float(os.environ.get("STAND_IN_TAKES", "0")))
    for option in ("--junit", "--json", "--markdown", "--summary"):
        if option in given:
            Path(given[option]).write_text(option)
sys.exit(int(os.environ.get("STAND_IN_SAYS", "0")) if words[0] == "run" else 0)
"""
METADATA = "Metadata-Version: 2.1\nName: internbox\nVersion: 0.0.1\n"
WHEEL = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


@dataclass
class StandIn:
    """`wheel` is what pip installs; `log` where its calls are."""

    wheel: Path
    log: Path

    @property
    def calls(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def call(self, command: str) -> dict[str, Any]:
        """The one call of this command."""
        (found,) = [call for call in self.calls if command in call["words"][:2]]
        return found

    def options(self) -> dict[str, str]:
        """Of `run`, each with the word behind it."""
        words = self.call("run")["words"]
        return dict(pairwise(words))


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    folder = tmp_path_factory.mktemp("stand-in")
    made = StandIn(folder / "internbox-0.0.1-py3-none-any.whl", folder / "calls")
    made.log.write_text("")
    info = "internbox-0.0.1.dist-info"
    with zipfile.ZipFile(made.wheel, "w") as wheel:
        wheel.writestr("sandbox/__init__.py", "")
        wheel.writestr("sandbox/__main__.py", MAIN)
        for name, text in {"METADATA": METADATA, "WHEEL": WHEEL, "RECORD": ""}.items():
            wheel.writestr(f"{info}/{name}", text)
    return made
