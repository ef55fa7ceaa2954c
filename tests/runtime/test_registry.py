"""Images through a real registry, by the hash of what they are made of."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sandbox.errors import EngineError, ImageError
from sandbox.runtime.docker import DockerRuntime
from sandbox.runtime.pulling import REGISTRY
from tests.registry import Registry, running

pytestmark = pytest.mark.engine


@dataclass
class Workshop:
    """A content folder with one small image whose name nobody else has."""

    runtime: DockerRuntime
    content: Path
    name: str = field(default_factory=lambda: f"t{secrets.token_hex(4)}")
    said: list[str] = field(default_factory=list)

    def write(self, text: str) -> str:
        """The image's reference, which goes with `text`."""
        folder = self.content / "images" / self.name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "text").write_text(text)
        (folder / "Dockerfile").write_text("ARG BASE=base\nFROM $BASE\nCOPY text /text\n")
        (state,) = self.runtime.image_states(self.content, [self.name])
        return state.reference

    def present(self) -> bool:
        return self.runtime.image_states(self.content, [self.name])[0].present

    def made(self) -> str:
        """The image's id, after it was pulled or built."""
        self.said.clear()
        reference = self.runtime.ensure_images(self.content, [self.name], self.said.append)
        return str(self.runtime.engine.api.inspect_image(reference[self.name])["Id"])

    def forget(self, reference: str) -> None:
        self.runtime.engine.api.remove_image(reference)

    def push(self, registry: Registry) -> list[str]:
        return self.runtime.push_images(self.content, [self.name], registry.name, self.said.append)


@pytest.fixture
def workshop(runtime: DockerRuntime, tmp_path: Path) -> Iterator[Workshop]:
    made = Workshop(runtime, tmp_path)
    yield made
    api = runtime.engine.api
    for row in api.images():
        for tag in row["RepoTags"] or []:
            if f"internbox/{made.name}" in tag:
                api.remove_image(tag)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with running(tmp_path_factory.mktemp("registry")) as found:
        yield found


def test_what_was_pushed_is_pulled_and_not_built(
    workshop: Workshop, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = workshop.write("one")
    built = workshop.made()
    pushed = workshop.push(registry)
    workshop.forget(reference)
    gone = not workshop.present()
    monkeypatch.setenv(REGISTRY, registry.name)

    pulled = workshop.made()

    assert gone
    assert f"{registry.name}/{reference}" in pushed
    assert registry.tags(workshop.name) == [reference.rpartition(":")[2]]
    assert pulled == built
    assert workshop.said[0].startswith(f"pulling image {workshop.name} (1 of 1) from ")
    assert workshop.said[-1].startswith(f"pulled image {workshop.name}: 0:")


def test_an_image_of_other_sources_is_another_and_is_built(
    workshop: Workshop, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop.write("one")
    workshop.made()
    workshop.push(registry)
    workshop.write("two")
    monkeypatch.setenv(REGISTRY, registry.name)

    workshop.made()

    assert any("building it instead" in line for line in workshop.said)
    assert workshop.said[-1].startswith(f"built image {workshop.name}: 0:")


def test_pull_alone_brings_it_under_its_own_name(workshop: Workshop, registry: Registry) -> None:
    reference = workshop.write("one")
    workshop.made()
    workshop.push(registry)
    workshop.forget(reference)

    workshop.runtime.pull_images(workshop.content, [workshop.name], registry.name, print)

    assert workshop.present()
    names = workshop.runtime.engine.api.inspect_image(reference)["RepoTags"]
    assert not [name for name in names if name.startswith(registry.address)]


def test_pull_says_what_the_registry_does_not_have(workshop: Workshop, registry: Registry) -> None:
    workshop.write("never pushed")

    with pytest.raises(ImageError, match=workshop.name):
        workshop.runtime.pull_images(workshop.content, [workshop.name], registry.name, print)


def test_a_registry_with_a_password_takes_dockers_own(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sandbox.paths import Home

    folder = tmp_path / "registry"
    folder.mkdir()
    reference = workshop.write("one")
    workshop.made()
    with running(folder, password=True) as registry:
        with pytest.raises(EngineError, match="pushing"):
            workshop.push(registry)
        for name, value in registry.login(tmp_path / "docker").items():
            monkeypatch.setenv(name, value)
        workshop.runtime = DockerRuntime(Home(tmp_path / "home", tmp_path / "cache"))
        workshop.push(registry)
        workshop.forget(reference)
        monkeypatch.setenv(REGISTRY, registry.name)
        workshop.made()

        assert registry.tags(workshop.name, password=True) == [reference.rpartition(":")[2]]
    assert workshop.said[-1].startswith(f"pulled image {workshop.name}: 0:")
