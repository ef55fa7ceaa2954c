"""The machines of powershell-onboarding as two folders, on which a stand-in runs for PowerShell."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from sandbox import rendering, scenarios, variants
from sandbox.grading.machine import Clock, Host
from sandbox.grading.results import HostAccess
from sandbox.models import Expectation, Solution
from sandbox.paths import ScenarioFiles, builtin_content
from sandbox.ssh import Result
from tests.scenarios_content import onboarding
from tests.scenarios_content.onboarding import Script

ID = "scripting/powershell-onboarding"
FAULTS = ("keep", "update")
ANCHOR = datetime(2026, 3, 4, 9, 30, tzinfo=UTC)
OUTSIDE = re.compile(r"(?<![\w./~-])/(srv|usr/local|usr/bin/pwsh|tmp/before)(?![\w-])")


@cache
def loaded() -> scenarios.Loaded:
    return scenarios.load(ScenarioFiles(builtin_content(), ID))


@cache
def drawn(fault: str, seed: str = "scripts") -> variants.Variant:
    return variants.draw(loaded(), seed=seed, anchor=ANCHOR, fault=fault)


def cases() -> dict[str, tuple[Solution, Expectation | None]]:
    """Solutions and rejected cases, by the folder's name within the scenario."""
    found: dict[str, tuple[Solution, Expectation | None]] = {
        f"solutions/{name}": (one, None) for name, one in scenarios.solutions(loaded()).items()
    }
    for name, (one, expected) in scenarios.rejected(loaded()).items():
        found[f"rejected/{name}"] = (one, expected)
    return found


CASES = cases()


def of_faults() -> list[tuple[str, str]]:
    """Each case with each fault that it is for."""
    return [
        (case, fault)
        for case, (solution, _) in CASES.items()
        for fault in FAULTS
        if "*" in solution.faults or fault in solution.faults
    ]


class Local:
    """A link to a folder that is a machine's root: a host's commands run here, below it."""

    def __init__(self, root: Path, script: Script | None) -> None:
        self.root, self.script = root, script

    def run(
        self, command: str, *, stdin: bytes = b"", timeout: float = 30, limit: int = 1_000_000
    ) -> Result:
        if self.script and "/usr/bin/pwsh" in command:
            return self._powershell(command)
        line = OUTSIDE.sub(rf"{self.root}/\1", command)
        path = f"{self.root}/stubs:{os.environ['PATH']}"
        ran = subprocess.run(
            ["sh", "-c", line],
            input=stdin,
            capture_output=True,
            timeout=timeout,
            env={"PATH": path, "HOME": f"{self.root}/home", "LANG": "C.UTF-8"},
            cwd=self.root,
        )
        out, err = (self._inside(text) for text in (ran.stdout, ran.stderr))
        return Result(ran.returncode, out, err, truncated=False)

    def _powershell(self, command: str) -> Result:
        assert self.script
        inner = shlex.split(command)[-1]  # runuser -u … -- sh -c INNER
        words = shlex.split(OUTSIDE.sub(rf"{self.root}/\1", inner))
        words = words[words.index(f"{self.root}/usr/bin/pwsh") + 1 : words.index("<")]
        said = self.script.run(words)
        return Result(said.rc, said.stdout, said.stderr, truncated=False)

    def _inside(self, text: bytes) -> str:
        return text.decode(errors="replace").replace(str(self.root), "")

    def put(self, path: str, data: bytes, mode: int = 0o644) -> None:
        raise NotImplementedError("hosts write by commands")

    def close(self) -> None:
        """Nothing is open."""


def stub(folder: Path, name: str, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f"#!{text}\n")
    (folder / name).chmod(0o755)


class Machines:
    """`work` and `runner` of one variant, laid below a folder."""

    def __init__(self, folder: Path, fault: str, wrong: set[str], seed: str = "scripts") -> None:
        self.variant = drawn(fault, seed)
        self.roots = {name: folder / name for name in ("work", "runner")}
        for name, root in self.roots.items():
            own = rendering.Personality(name, "", "UTC")
            for file in rendering.layout(loaded(), self.variant, name, own).files:
                self._lay(root, file)
            stub(root / "stubs", "sudo", '/bin/sh\nexec "$@"')
            stub(root / "stubs", "chown", "/bin/sh")
            stub(root / "stubs", "runuser", '/bin/sh\nshift 3\nexec "$@"')
            for place in ("home", "tmp", "usr/local/bin"):
                (root / place).mkdir(parents=True, exist_ok=True)
            known = self.described(wrong, ["jq"] if name == "work" else [])
            (root / "variant.json").write_text(json.dumps(known))
            text = f"{sys.executable} -I\nimport runpy, sys\nsys.argv.insert(1, {str(root)!r} + "
            text += (
                f"'/variant.json')\nrunpy.run_path({onboarding.__file__!r}, run_name='__main__')"
            )
            stub(root / "usr/bin", "pwsh", text)
            (root / "stubs/pwsh").symlink_to(root / "usr/bin/pwsh")

    @staticmethod
    def _lay(root: Path, file: Any) -> None:
        path = root / file.path.lstrip("/")
        if not file.path.startswith("/srv/"):
            return
        if file.kind == "directory":
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.data)

    def described(self, wrong: set[str], programs: list[str]) -> dict[str, Any]:
        """What the stand-in knows of the variant."""
        values = self.variant.values
        example = self.roots["work"] / "srv/onboarding/example"
        names = ("accounts.json", "rejects.csv")
        return {
            **{name: values[name] for name in ("separator", "day_form", "digits", "longest")},
            "fault": self.variant.fault,
            "departments": loaded().company.departments,
            "domain": loaded().company.domain,
            "example": {name: (example / name).read_text() for name in names if example.is_dir()},
            "wrong": sorted(wrong),
            "programs": programs,
        }

    def work(self, case: str) -> None:
        """Does the steps of a case on `work`, as the proof does them on a machine."""
        solution, _ = CASES[case]
        folder = loaded().files.root / case
        link = Local(self.roots["work"], None)
        for step in solution.steps:
            text = rendering.script((folder / step.script).resolve(), loaded(), self.variant)
            script = self.roots["work"] / "step"
            script.write_text(OUTSIDE.sub(rf"{self.roots['work']}/\1", text))
            ran = link.run(f"bash {script}")
            assert ran.rc == 0, f"{step.script}: {ran.stdout}{ran.stderr}"

    def hosts(self, script: Script | None) -> dict[str, Host]:
        """As graders see them; without a `script`, PowerShell's stub is started for every run."""
        found = {}
        for name, root in self.roots.items():
            access = HostAccess(name=name, connect="", port=0, key="", host_key="")
            found[name] = Host(access, Clock(), 1.0)
            found[name]._link = Local(root, script if name == "runner" else None)
        return found
