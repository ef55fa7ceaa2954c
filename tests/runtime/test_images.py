"""Images made on the real engine, from small folders of their own."""

from __future__ import annotations

import secrets
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sandbox import labels
from sandbox.errors import EngineError, ImageError, UsageError
from sandbox.runtime import locks
from sandbox.runtime.docker import DockerRuntime

pytestmark = pytest.mark.engine


@dataclass
class Workshop:
    """A content folder whose image names nobody else has."""

    runtime: DockerRuntime
    content: Path
    name: str
    said: list[str] = field(default_factory=list)

    def write(self, dockerfile: str, name: str = "") -> None:
        folder = self.content / "images" / (name or self.name)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "Dockerfile").write_text(dockerfile)

    def ensure(self, *names: str) -> dict[str, str]:
        return self.runtime.ensure_images(self.content, names or [self.name], self.said.append)

    def state(self) -> Any:
        (state,) = self.runtime.image_states(self.content, [self.name])
        return state


@pytest.fixture
def workshop(runtime: DockerRuntime, tmp_path: Path) -> Iterator[Workshop]:
    made = Workshop(runtime, tmp_path, f"t{secrets.token_hex(4)}")
    yield made
    api = runtime.engine.api
    for row in api.images():
        for tag in row["RepoTags"] or []:
            if f"internbox/{made.name}" in tag:
                api.remove_image(tag, noprune=False)


GOOD = "ARG BASE=debian:trixie\nFROM $BASE\nRUN echo made > /made\n"


def test_an_image_is_built_once(workshop: Workshop) -> None:
    workshop.write(GOOD)
    before = workshop.state()
    references = workshop.ensure()
    first, workshop.said[:] = list(workshop.said), []
    again = workshop.ensure()

    assert not before.present
    assert references == again == {workshop.name: before.reference}
    assert any(line.startswith(f"building image {workshop.name} (1 of 1)") for line in first)
    assert first[-1].startswith(f"built image {workshop.name}: 0:")
    assert workshop.said == []
    assert workshop.state().present
    assert workshop.state().size_mib > 10


def test_a_built_image_is_labelled(workshop: Workshop) -> None:
    workshop.write(GOOD)
    reference = workshop.ensure()[workshop.name]

    found = workshop.runtime.engine.api.inspect_image(reference)["Config"]["Labels"]

    assert found[labels.ROLE] == "image"
    assert reference.endswith(found[labels.IMAGE_HASH])


def test_a_parent_is_built_first(workshop: Workshop) -> None:
    child = f"{workshop.name}-child"
    workshop.write(GOOD)
    workshop.write(f"ARG BASE={workshop.name}\nFROM $BASE\nRUN test -f /made\n", child)

    references = workshop.ensure(child)

    assert list(references) == [child]
    assert workshop.state().present


def test_a_build_that_fails_shows_its_end_and_its_log(workshop: Workshop) -> None:
    workshop.write("ARG BASE=debian:trixie\nFROM $BASE\nRUN echo the-cause >&2; exit 3\n")

    with pytest.raises(ImageError, match="the-cause") as caught:
        workshop.ensure()

    log = Path(caught.value.hint.removeprefix("the whole build is in "))
    assert "the-cause" in log.read_text()
    assert not workshop.state().present


def test_a_dockerfile_that_is_wrong_is_an_image_error(workshop: Workshop) -> None:
    workshop.write("ARG BASE=debian:trixie\nFROM $BASE\nRUNN true\n")

    with pytest.raises(EngineError, match=f"image {workshop.name}"):
        workshop.ensure()


def test_an_artifact_reaches_the_build(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    import hashlib

    workshop.write("ARG BASE=debian:trixie\nFROM $BASE\nCOPY artifacts/tool /tool\nRUN cat /tool\n")
    sha = hashlib.sha256(b"the tool").hexdigest()
    architecture = workshop.runtime.info().architecture
    (workshop.content / "images" / workshop.name / "artifacts.toml").write_text(
        '[[artifact]]\nname = "tool"\nversion = "1"\n'
        f'urls = {{{architecture} = "https://files.invalid/tool.bin"}}\n'
        f'sha256 = {{{architecture} = "{sha}"}}\n'
    )
    missing = workshop.state()
    stick = workshop.content / "stick"
    stick.mkdir()
    (stick / "tool.bin").write_bytes(b"the tool")
    monkeypatch.setenv("INTERNBOX_ARTIFACTS", str(stick))

    workshop.ensure()

    assert "files.invalid cannot be reached" in missing.why_not
    assert workshop.state().present


def test_a_registry_that_does_not_answer_is_no_obstacle(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERNBOX_REGISTRY", "127.0.0.1:1")
    workshop.write(GOOD)

    workshop.ensure()

    assert any("from 127.0.0.1:1/internbox/" in line for line in workshop.said)
    assert any("building it instead" in line for line in workshop.said)
    assert workshop.state().present


def test_images_travel_in_a_file(workshop: Workshop, tmp_path: Path) -> None:
    workshop.write(GOOD)
    path = tmp_path / "images.tar"
    saved = workshop.runtime.save_images(workshop.content, [workshop.name], path, print)
    reference = workshop.state().reference
    workshop.runtime.engine.api.remove_image(reference)
    gone = not workshop.state().present

    loaded = workshop.runtime.load_images(path, print)

    assert gone
    assert workshop.state().present
    assert reference in loaded
    assert sorted(loaded) == sorted(saved)
    with tarfile.open(path) as tar:
        assert "manifest.json" in tar.getnames()


def test_a_file_that_is_no_archive_of_images_is_refused(
    runtime: DockerRuntime, tmp_path: Path
) -> None:
    (tmp_path / "x.tar").write_text("no tar")

    with pytest.raises(EngineError):
        runtime.load_images(tmp_path / "x.tar", print)
    with pytest.raises(UsageError, match="is not there"):
        runtime.load_images(tmp_path / "y.tar", print)


def test_a_second_command_waits_and_builds_nothing_again(workshop: Workshop) -> None:
    import threading

    workshop.write(GOOD)
    lock = workshop.runtime.folders.locks / "images"
    with locks.held(lock, seconds=5, doing="testing"):
        second = threading.Thread(target=workshop.ensure)
        second.start()
        while not workshop.said:
            second.join(0.05)
        waiting = list(workshop.said)
    second.join()

    assert waiting == ["another internbox command builds images; waiting …"]
    assert workshop.state().present
