"""A made-up computer with a made-up engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox.doctor import Bench
from sandbox.errors import EngineError
from sandbox.paths import Home
from sandbox.runtime.base import EngineInfo, ImageState

SOCKET = "unix:///var/run/docker.sock (the default socket)"


def info(**changes: Any) -> EngineInfo:
    values: dict[str, Any] = {
        "version": "20.10.24",
        "api": "1.41",
        "architecture": "amd64",
        "cgroup": "2",
        "security": ("seccomp",),
        "clock": 0.0,
        "endpoint": SOCKET,
    }
    return EngineInfo(**(values | changes))


class FakeEngine:
    """Answers once `silent` tries are over; then with `told`."""

    def __init__(self) -> None:
        self.told = info()
        self.silent = 0
        self.why = EngineError("no Docker engine answers at x", hint="internbox doctor --fix")
        self.built: list[tuple[Path, list[str]]] = []

    def info(self) -> EngineInfo:
        if self.silent:
            self.silent -= 1
            raise self.why
        return self.told

    def image_states(self, content: Path, names: list[str]) -> list[ImageState]:
        return [ImageState(name, "r", True) for name in names]

    def ensure_images(self, content: Path, names: list[str], progress: Any) -> dict[str, str]:
        self.built.append((content, names))
        return {}


class FakeBench(Bench):
    """A Linux computer whose files lie below a folder, and whose commands are only noted."""

    def __init__(self, engine: FakeEngine, root: Path) -> None:
        super().__init__(lambda: engine, Home(root / "home", root / "cache"))  # type: ignore[arg-type,return-value]
        self.root = root
        self.programs = {"ssh", "dockerd", "apt-get", "debootstrap"}
        self.mine = {"root": True, "groups": ["users"], "free": 50.0}
        self.ran: list[list[str]] = []
        self.states = [ImageState("web", "internbox/web:1", True)]

    platform = "linux"

    @property
    def is_root(self) -> bool:
        return bool(self.mine["root"])

    def which(self, program: str) -> str | None:
        return f"/usr/bin/{program}" if program in self.programs else None

    def groups(self) -> list[str]:
        return list(self.mine["groups"])  # type: ignore[call-overload]

    def free_gib(self, path: str) -> float | None:
        return float(self.mine["free"])  # type: ignore[arg-type]

    def run(self, command: Any, *, timeout: float = 600) -> str:
        self.ran.append(list(command))
        return ""

    def images(self) -> list[tuple[Path, ImageState]]:
        return [(Path("/content"), state) for state in self.states]


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def bench(engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeBench:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    return FakeBench(engine, tmp_path)


@pytest.fixture
def put(tmp_path: Path) -> Callable[[str, str], None]:
    """Put a file where the checks look for it."""

    def write(path: str, text: str) -> None:
        target = tmp_path / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    return write
