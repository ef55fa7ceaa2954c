"""Scratch folders: whose they are, and which a kill has left."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from sandbox import scratch

KILLED = """
import os, signal
from sandbox import scratch
with scratch.folder() as folder:
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, of this test alone."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_folder_goes_with_its_command(place: Path) -> None:
    with scratch.folder() as folder:
        assert list(place.iterdir()) == [Path(folder)]

    assert not list(place.iterdir())


def test_what_a_killed_command_left_is_found(place: Path) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", KILLED], env={**os.environ, "TMPDIR": str(place)}, check=False
    )

    assert killed.returncode == -9
    assert list(scratch.abandoned()) == list(place.iterdir()) != []


def test_a_folder_that_something_is_mounted_in_is_left_alone(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    folders = [place / f"{scratch.PREFIX}{ended.pid}-{name}" for name in ("a", "ab c")]
    for folder in folders:
        folder.mkdir()
    mounts = place / "mountinfo"
    monkeypatch.setattr(scratch, "MOUNTS", mounts)
    line = "36 35 0:33 / {} rw,relatime shared:1 - proc proc rw\n"

    mounts.write_text(line.format("/") + line.format(f"{folders[0]}/root/proc"))
    assert list(scratch.abandoned()) == [folders[1]]

    mounts.write_text(line.format(f"{folders[1]}/root/sys".replace(" ", r"\040")))
    assert list(scratch.abandoned()) == [folders[0]]


def test_a_folder_in_use_is_not_abandoned() -> None:
    with scratch.folder():
        assert not list(scratch.abandoned())


def test_other_things_with_such_a_name_are_left_alone(place: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (place / f"{scratch.PREFIX}mine-1").mkdir()
    (place / f"{scratch.PREFIX}{ended.pid}-a-file").write_text("")
    (place / f"{scratch.PREFIX}{ended.pid}-a-link").symlink_to(place)

    assert not list(scratch.abandoned())


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_another_users_folder_is_left_alone(place: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    folder = place / f"{scratch.PREFIX}{ended.pid}-x"
    folder.mkdir()
    os.chown(folder, 1234, 1234)

    assert not list(scratch.abandoned())


def test_a_process_that_ended() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()

    assert scratch.ended(str(ended.pid))
    assert not scratch.ended(str(os.getpid()))
    assert not scratch.ended("1")
    assert not scratch.ended("")
