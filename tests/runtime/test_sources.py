"""Image folders: what stands on what, and which change makes a new image."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from sandbox.errors import ContentError
from sandbox.runtime import sources


@pytest.fixture
def content(tmp_path: Path) -> Path:
    """A content folder whose image `app` stands on `mid`, and that on Debian."""
    write(tmp_path, "mid/Dockerfile", "# why\n\nARG BASE=debian:trixie\nFROM $BASE\n")
    write(tmp_path, "app/Dockerfile", "ARG BASE=mid\nFROM $BASE\nCOPY run /\n")
    write(tmp_path, "app/run", "#!/bin/sh\n")
    return tmp_path


def write(content: Path, path: str, text: str) -> Path:
    file = content / "images" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def digest(content: Path, name: str = "app", architecture: str = "amd64") -> str:
    return sources.find(content, name, architecture).hash


def test_the_reference_carries_the_hash(content: Path) -> None:
    found = sources.find(content, "app", "amd64")

    assert found.reference == f"internbox/app:{found.hash}"
    assert len(found.hash) == 12


def test_the_same_sources_have_the_same_hash(content: Path) -> None:
    before = digest(content)
    os.utime(content / "images/app/run", (0, 0))

    assert digest(content) == before


def test_a_file_changes_the_hash(content: Path) -> None:
    before = digest(content)
    write(content, "app/run", "#!/bin/bash\n")

    assert digest(content) != before


def test_an_executable_bit_changes_the_hash(content: Path) -> None:
    before = digest(content)
    (content / "images/app/run").chmod(0o755)

    assert digest(content) != before


def test_a_parent_changes_the_hash(content: Path) -> None:
    before = digest(content)
    write(content, "mid/extra", "x")

    assert digest(content) != before


def test_architectures_differ(content: Path) -> None:
    assert digest(content) != digest(content, architecture="arm64")


def test_leftovers_of_editors_and_python_do_not_count(content: Path) -> None:
    before = digest(content)
    write(content, "app/run~", "x")
    write(content, "app/__pycache__/x.pyc", "x")

    assert digest(content) == before


def test_parents_come_first(content: Path) -> None:
    order = sources.with_parents(content, ["app", "mid"], "amd64")

    assert [source.name for source in order] == ["mid", "app"]


def test_the_base_is_the_parents_reference(content: Path) -> None:
    app = sources.find(content, "app", "amd64")
    mid = sources.find(content, "mid", "amd64")

    assert (app.base, app.on_debian) == (mid.reference, False)
    assert (mid.base, mid.on_debian) == ("", True)


def test_an_image_that_is_not_there_falls_back_to_the_built_in_one(content: Path) -> None:
    write(content, "mine/Dockerfile", "ARG BASE=base\nFROM $BASE\n")

    order = sources.with_parents(content, ["mine"], "amd64")

    assert [source.name for source in order] == ["base", "mine"]


def test_a_private_base_changes_what_stands_on_it(content: Path) -> None:
    web = digest(content, "web")
    write(content, "base/Dockerfile", "ARG BASE=debian:trixie\nFROM $BASE\n")

    assert digest(content, "web") != web
    assert sources.find(content, "web", "amd64").base.endswith(digest(content, "base"))


def test_an_unknown_image_is_named_with_its_user(content: Path) -> None:
    write(content, "mid/Dockerfile", "ARG BASE=nowhere\nFROM $BASE\n")

    with pytest.raises(ContentError, match="images/mid/Dockerfile names the image 'nowhere'"):
        sources.find(content, "app", "amd64")


def test_a_circle_is_refused(content: Path) -> None:
    write(content, "mid/Dockerfile", "ARG BASE=app\nFROM $BASE\n")

    with pytest.raises(ContentError, match="app → mid → app"):
        sources.find(content, "app", "amd64")


def test_without_a_first_line_it_stands_on_nothing(content: Path) -> None:
    file = write(content, "alone/Dockerfile", "FROM scratch\nARG BASE=base\n")

    assert sources.read_parent(file) == ""


def test_the_build_context_is_the_same_bytes_for_the_same_content(content: Path) -> None:
    source = sources.find(content, "app", "amd64")
    before = sources.build_context(source)
    os.utime(content / "images/app/run", (0, 0))

    assert sources.build_context(source) == before


def test_artifacts_are_laid_beside_the_sources(content: Path, tmp_path: Path) -> None:
    (tmp_path / "big.tar").write_bytes(b"12345")
    source = sources.find(content, "app", "amd64")

    context = sources.build_context(source, [("tool", tmp_path / "big.tar")])

    with tarfile.open(fileobj=io.BytesIO(context)) as tar:
        assert tar.getnames() == ["Dockerfile", "run", "artifacts/tool"]
        assert tar.getmember("artifacts/tool").size == 5
