"""Files from elsewhere: where they are looked for, and that they are what was pinned."""

from __future__ import annotations

import hashlib
import threading
import time
from pathlib import Path

import pytest

from sandbox.errors import ContentError, ImageError
from sandbox.models import Artifact
from sandbox.runtime import artifacts

GOOD = b"the very file"
PINNED = hashlib.sha256(GOOD).hexdigest()
TOOL = Artifact(
    name="tool",
    version="1.0",
    urls={"amd64": "https://files.invalid/tool-1.0.tgz"},
    sha256={"amd64": PINNED},
)


def quiet(_: str) -> None:
    """No progress is looked at."""


@pytest.fixture
def stick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that $INTERNBOX_ARTIFACTS names."""
    folder = tmp_path / "stick"
    folder.mkdir()
    monkeypatch.setenv("INTERNBOX_ARTIFACTS", str(folder))
    return folder


def test_the_users_folder_is_looked_in_first(stick: Path, tmp_path: Path) -> None:
    (stick / "tool-1.0.tgz").write_bytes(GOOD)

    assert artifacts.fetch(TOOL, "amd64", tmp_path, quiet) == stick / "tool-1.0.tgz"


def test_a_file_that_is_not_the_pinned_one_is_refused(stick: Path, tmp_path: Path) -> None:
    (stick / "tool-1.0.tgz").write_bytes(b"another file")

    with pytest.raises(ImageError, match=r"is not tool 1\.0"):
        artifacts.fetch(TOOL, "amd64", tmp_path, quiet)


def test_a_download_that_fails_names_the_folder_to_put_it(stick: Path, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="could not be downloaded") as caught:
        artifacts.fetch(TOOL, "amd64", tmp_path / "kept", quiet)

    assert "$INTERNBOX_ARTIFACTS" in caught.value.hint
    assert not list((tmp_path / "kept").iterdir())


def test_another_architecture_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="does not exist for arm64"):
        artifacts.fetch(TOOL, "arm64", tmp_path, quiet)


def test_a_plain_http_address_is_refused(tmp_path: Path) -> None:
    bare = Artifact(
        name="tool", version="1", urls={"amd64": "http://x.invalid/t"}, sha256={"amd64": PINNED}
    )

    with pytest.raises(ContentError, match="not an https address"):
        artifacts.fetch(bare, "amd64", tmp_path, quiet)


def image_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "image"
    folder.mkdir()
    (folder / "artifacts.toml").write_text(
        '[[artifact]]\nname = "tool"\nversion = "1.0"\n'
        'urls = {amd64 = "https://files.invalid/tool-1.0.tgz"}\n'
        f'sha256 = {{amd64 = "{PINNED}"}}\n'
    )
    return folder


def test_an_image_without_artifacts_lacks_nothing(tmp_path: Path) -> None:
    assert artifacts.why_not(tmp_path, "amd64", tmp_path) == ""


def test_what_cannot_be_had_is_said_in_words(stick: Path, tmp_path: Path) -> None:
    reason = artifacts.why_not(image_folder(tmp_path), "amd64", tmp_path)

    assert "files.invalid cannot be reached" in reason
    assert "tool-1.0.tgz into $INTERNBOX_ARTIFACTS" in reason


def test_what_lies_on_disk_can_be_had(stick: Path, tmp_path: Path) -> None:
    (stick / "tool-1.0.tgz").write_bytes(GOOD)

    assert artifacts.why_not(image_folder(tmp_path), "amd64", tmp_path) == ""


def test_an_unknown_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "artifacts.toml").write_text('[[artifact]]\nnome = "x"\n')

    with pytest.raises(ContentError, match="nome"):
        artifacts.read(tmp_path)


def test_a_resolver_that_is_away_keeps_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, done = [], threading.Event()

    def stuck(address: tuple[str, int], timeout: float) -> None:
        asked.append(address)
        done.wait(60)
        raise TimeoutError

    monkeypatch.delenv("INTERNBOX_ARTIFACTS", raising=False)
    monkeypatch.delenv("INTERNBOX_REGISTRY", raising=False)
    monkeypatch.setattr(artifacts, "PROBE_SECONDS", 0.1)
    monkeypatch.setattr("socket.create_connection", stuck)
    (tmp_path / "artifacts.toml").write_text(
        f"""
        [[artifact]]
        name = "tool"
        version = "1.0"
        urls = {{ amd64 = "https://stuck.invalid/tool-1.0.tgz" }}
        sha256 = {{ amd64 = "{PINNED}" }}
        """
    )

    begun = time.monotonic()
    why = artifacts.why_not(tmp_path, "amd64", tmp_path)
    done.set()

    assert "stuck.invalid cannot be reached" in why
    assert asked == [("stuck.invalid", 443)]
    assert time.monotonic() - begun < 10
