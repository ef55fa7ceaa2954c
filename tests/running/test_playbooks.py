"""How ansible-playbook is called: its settings, its machines, its end."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from sandbox.paths import AttemptFiles
from sandbox.running import playbooks
from sandbox.running.plan import EVERY_HOST, Playbook
from sandbox.steps import StepFailed


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the stand-in for ansible-playbook writes; what it does then is `then.sh`."""
    programs = tmp_path / "bin"
    programs.mkdir()
    program = programs / "ansible-playbook"
    program.write_text(
        f'#!/bin/bash\nprintf "%s\\n" "$@" > {tmp_path}/words\nenv > {tmp_path}/env\n'
        f'cat "$2" > {tmp_path}/inventory; ls -l "$ANSIBLE_CONFIG" > {tmp_path}/settings\n'
        f". {tmp_path}/then.sh\n"
    )
    program.chmod(0o755)
    (tmp_path / "then.sh").touch()
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return tmp_path


def run(folder: Path, *, host: str = "web", seconds: float = 20) -> playbooks.Started:
    started = playbooks.Started()
    playbook = Playbook(host, folder / "site.yml")
    files = AttemptFiles(folder / "attempt")
    playbooks.run(playbook, files, ["web", "db"], seconds=seconds, started=started)
    return started


def test_it_has_settings_of_its_own_and_no_secrets(
    said: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEPLOY_TOKEN", "secret")
    monkeypatch.setenv("ANSIBLE_LIBRARY", "/student")

    run(said)

    environment = dict(
        line.split("=", 1) for line in (said / "env").read_text().splitlines() if "=" in line
    )
    assert "DEPLOY_TOKEN" not in environment
    assert "ANSIBLE_LIBRARY" not in environment
    assert environment["ANSIBLE_CONFIG"].endswith("ansible.cfg")
    assert "ansible.cfg" in (said / "settings").read_text()


def test_the_machines_are_reached_as_the_learner_reaches_them(said: Path) -> None:
    run(said)

    told = json.loads((said / "inventory").read_text())["all"]
    assert list(told["hosts"]) == ["web", "db"]
    assert str(said / "attempt" / "ssh_config") in told["vars"]["ansible_ssh_common_args"]
    words = (said / "words").read_text().splitlines()
    assert words[2:] == ["--limit", "web", str(said / "site.yml")]


def test_one_for_all_machines_is_not_limited(said: Path) -> None:
    run(said, host=EVERY_HOST)

    assert "--limit" not in (said / "words").read_text()


def test_what_it_said_last_is_told_when_it_fails(said: Path) -> None:
    (said / "then.sh").write_text("echo no such package; exit 2\n")

    with pytest.raises(StepFailed) as failed:
        run(said)

    assert failed.value.exit_code == 2
    assert "no such package" in failed.value.output


def test_when_it_does_not_end_all_that_it_began_is_ended(said: Path) -> None:
    (said / "then.sh").write_text(f"echo so far; sleep 300 & echo $! > {said}/child; wait\n")

    with pytest.raises(playbooks.PlaybookTimeout) as late:
        run(said, seconds=1)

    assert "so far" in late.value.output
    child = int((said / "child").read_text())
    deadline = time.monotonic() + 5
    while alive(child):
        assert time.monotonic() < deadline, "what it had begun goes on"
        time.sleep(0.05)


def alive(process: int) -> bool:
    """Whether it runs; one that has ended may not have been reaped yet."""
    try:
        return ") Z " not in Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
