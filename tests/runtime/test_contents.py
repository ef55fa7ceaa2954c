"""What lies on a machine, as tars."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import labels
from sandbox.runtime.contents import Chunks
from sandbox.runtime.docker import DockerRuntime
from tests.conftest import Lab


@given(st.lists(st.binary(min_size=1, max_size=50)), st.integers(1, 20))
def test_chunks_read_as_a_file(chunks: list[bytes], buffer: int) -> None:
    with io.BufferedReader(Chunks(iter(chunks)), buffer) as file:
        assert file.read() == b"".join(chunks)


@pytest.mark.engine
def test_a_machines_files_are_read_without_entering_it(
    runtime: DockerRuntime, lab: Lab, tmp_path: Path
) -> None:
    made = runtime.create(lab.spec("desk"), lab.placed(lab.spec("desk")))

    with runtime.files(made) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
        whole = {entry.name: entry.uid for entry in tar}
    with runtime.folder(made, "/etc/ssh") as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
        folder = [entry.name for entry in tar]
    with runtime.image_files(lab.image) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
        image = {entry.name for entry in tar}

    assert whole["etc/passwd"] == 0
    assert folder[0].rstrip("/") == "ssh"
    assert "ssh/sshd_config" in folder
    assert image <= set(whole)
    helpers = runtime.engine.api.containers(
        all=True, filters={"label": labels.owned(runtime.home, role="tools"), "ancestor": lab.image}
    )
    assert helpers == [], "the window on the image is closed again"
