"""The Makefile and what CI runs, on a bare machine."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]


def program(folder: Path, name: str, *lines: str) -> Path:
    path = folder / name
    path.write_text("\n".join(["#!/bin/sh", *lines]))
    path.chmod(0o755)
    return path


def test_where_package_lists_are_empty_they_are_fetched_first(tmp_path: Path) -> None:
    log = tmp_path / "log"
    program(tmp_path, "apt-get", f'echo "$1" >> {log}')
    no_venv = program(tmp_path, "no-venv", "exit 1")
    settings = [f"PYTHON={no_venv}", "SUDO=", f"VENV={tmp_path}/venv"]
    path = f"{tmp_path}:{os.environ['PATH']}"
    subprocess.run(
        ["make", "install", *settings],
        cwd=ROOT,
        env={**os.environ, "PATH": path},
        capture_output=True,
        check=False,
    )

    assert log.read_text().split() == ["update", "install"]


def test_ci_runs_the_first_command_of_the_readme_before_the_long_ones() -> None:
    run = re.findall(r"^make (.*)$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)

    assert run == ["check", "demo", "prove", "test"]
