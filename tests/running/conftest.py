"""A checkout with fixes, and scenarios to plan for; no engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox import running, scenarios
from sandbox.paths import ScenarioFiles, builtin_content
from sandbox.scenarios import Loaded

Write = Callable[..., Path]


@pytest.fixture(scope="session")
def first_day() -> Loaded:
    """One host, desk."""
    return scenarios.load(ScenarioFiles(builtin_content(), "linux/first-day"))


@pytest.fixture(scope="session")
def subnet() -> Loaded:
    """Several hosts, one of them hidden."""
    return scenarios.load(ScenarioFiles(builtin_content(), "network/wrong-subnet"))


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder; no CI system's environment."""
    for name in ("GITHUB_WORKSPACE", "CI_PROJECT_DIR", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "checkout"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def write(checkout: Path) -> Write:
    """Writes a file of the checkout; text or bytes."""

    def written(name: str, content: str | bytes = "#!/bin/bash\ntrue\n") -> Path:
        path = checkout / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return written


Plans = Callable[..., list[running.Plan]]


@pytest.fixture
def plans(checkout: Path) -> Plans:
    """The plans of a call made in the checkout."""

    def planned(*loaded: Loaded, **wanted: object) -> list[running.Plan]:
        return running.plans(
            loaded,
            running.Wanted(here=checkout, **wanted),
            seed="abc",  # type: ignore[arg-type]
        )

    return planned
