"""What --fix runs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.doctor import Finding, examine, mend, mend_all
from sandbox.doctor.checks import INSTANCES
from sandbox.doctor.cures import CURES
from sandbox.errors import EngineError
from sandbox.runtime.base import ImageState

Put = Callable[[str, str], None]


def cure(name: str) -> Finding:
    return Finding(name="x", state="fixable", found="", fix=name)


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.doctor.cures.START_SECONDS", 0.2)
    monkeypatch.setattr("time.sleep", lambda seconds: None)


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    started: list[list[str]] = []

    def start(command: list[str], *, env: dict[str, str], **_: Any) -> None:
        assert env == {**os.environ, "GOGC": os.environ.get("GOGC", "400")}
        started.append(command)

    monkeypatch.setattr(subprocess, "Popen", start)
    return started


def test_with_systemd_the_unit_is_started(
    bench: Any, engine: Any, put: Put, daemon: list[list[str]]
) -> None:
    put("/run/systemd/system/x", "")
    engine.silent = 2

    assert "systemctl start docker" in mend(bench, cure("start-engine"))
    assert bench.ran == [["systemctl", "start", "docker"]]
    assert daemon == []


def test_without_a_service_manager_the_daemon_is_started(
    bench: Any, engine: Any, daemon: list[list[str]]
) -> None:
    engine.silent = 2
    done = mend(bench, cure("start-engine"))

    assert daemon == [["/usr/bin/dockerd"]]
    assert str(bench.home.root / "dockerd.log") in done


def test_only_root_starts_the_daemon(bench: Any, daemon: list[list[str]]) -> None:
    bench.mine["root"] = False

    with pytest.raises(EngineError) as caught:
        mend(bench, cure("start-engine"))
    assert caught.value.hint.startswith("sudo internbox")
    assert daemon == []


def test_an_engine_that_never_answers_is_an_error_that_names_the_log(
    bench: Any, engine: Any, daemon: list[list[str]]
) -> None:
    engine.silent = 10**9

    with pytest.raises(EngineError, match="does not answer") as caught:
        mend(bench, cure("start-engine"))
    assert "dockerd.log" in caught.value.hint


def test_installing_takes_the_distribution_s_packages(bench: Any) -> None:
    mend(bench, cure("install-engine"))

    assert bench.ran[0] == ["apt-get", "update"]
    assert bench.ran[1][-2:] == ["docker.io", "debootstrap"]


def test_an_installed_engine_that_does_not_start_by_itself_is_started(
    bench: Any, engine: Any, daemon: list[list[str]]
) -> None:
    engine.silent = 1
    mend(bench, cure("install-engine"))

    assert daemon == [["/usr/bin/dockerd"]]


def test_the_inotify_limit_is_raised_now_and_for_later(bench: Any) -> None:
    done = mend(bench, cure("inotify"))

    written = {command[-1]: command[-2] for command in bench.ran if command[0] == "sh"}
    setting = "fs.inotify.max_user_instances=8192"
    assert written == {INSTANCES: "8192", "/etc/sysctl.d/90-internbox.conf": setting}
    assert "8192" in done


def test_the_ssh_client_is_installed_from_a_fresh_list(bench: Any) -> None:
    bench.programs.remove("ssh")
    mend(bench, next(row for row in examine(bench) if row.name == "ssh client"))

    assert bench.ran[0] == ["apt-get", "update"]
    assert bench.ran[1][-1] == "openssh-client"


def test_only_what_is_missing_and_can_be_had_is_built(bench: Any, engine: Any) -> None:
    bench.states = [
        ImageState("web", "r", True),
        ImageState("db", "r", False),
        ImageState("powershell", "r", False, why_not="not here"),
    ]

    assert mend(bench, cure("images")) == "built db"
    assert [names for _, names in engine.built] == [["db"]]


def test_a_command_that_fails_is_shown_so_that_it_can_be_pasted(tmp_path: Any) -> None:
    from sandbox.doctor import Bench
    from sandbox.paths import Home

    class Root(Bench):
        is_root = True

    real = Root(lambda: None, Home(tmp_path, tmp_path))  # type: ignore[arg-type,return-value]

    with pytest.raises(EngineError, match=r"sh -c echo no; exit 3 ended with 3:\nno"):
        real.run(["sh", "-c", "echo no; exit 3"])


def test_every_fix_that_a_check_names_exists() -> None:
    from pathlib import Path

    from sandbox.doctor import checks

    source = Path(checks.__file__).read_text()
    for name in CURES:
        assert f'fix="{name}"' in source
    assert source.count("fix=") == len(CURES)


# --- all of them


@pytest.fixture
def bare(bench: Any, engine: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """No engine is installed; the one that is installed lacks an image."""
    bench.programs -= {"dockerd"}
    bench.states = [ImageState("web", "internbox/web:1", False)]
    engine.silent = 10**9

    def install(command: list[str], *, timeout: float = 600) -> str:
        bench.ran.append(command)
        engine.silent = 0
        return ""

    def build(_content: object, _names: object, _progress: object) -> None:
        bench.states = [ImageState("web", "internbox/web:1", True)]

    monkeypatch.setattr(bench, "run", install)
    monkeypatch.setattr(engine, "ensure_images", build)
    return bench


def test_what_only_a_running_engine_shows_is_mended_too(bare: Any) -> None:
    told: list[str] = []
    found = mend_all(bare, examine(bare), may=lambda _: True, told=told.append)

    assert [row.name for row in found if row.state in ("bad", "fixable")] == []
    assert told[-1] == "images: built web"


def test_what_may_not_be_mended_is_asked_about_once(bare: Any) -> None:
    asked: list[str] = []
    found = mend_all(
        bare, examine(bare), may=lambda row: bool(asked.append(row.fix)), told=pytest.fail
    )

    assert asked == ["install-engine"]
    assert [row.fix for row in found if row.state == "fixable"] == ["install-engine"]
