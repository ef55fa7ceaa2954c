"""The volume of static programs that every machine has read-only, filled from the machine image."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

from sandbox import labels
from sandbox.errors import EngineError, ImageError
from sandbox.runtime import locks
from sandbox.runtime.container import TOOLS, volume_mount
from sandbox.runtime.engine import Engine
from sandbox.runtime.sdk import docker

COMPLETE = ".complete"  # written last: a volume without it is filled again


def volume_name(reference: str) -> str:
    return f"internbox-tools-{reference.rpartition(':')[2]}"


def ensure(engine: Engine, home: str, reference: str, folder: Path) -> str:
    """The name of the tools volume made from the image `reference`, which must be there.

    `folder` keeps a lock and a note of the volume last seen to be whole: looking takes 0.2 s.
    """
    volume = volume_name(reference)
    mark = {labels.HOME: home, labels.ROLE: "tools"}
    note = folder / "tools-volume"
    with engine.doing("preparing the tools volume"):
        if _identity(engine, volume) == _read(note):
            return volume
        with locks.held(folder / "tools", seconds=120, doing="filling the tools volume"):
            kind = {**mark, labels.IMAGE_HASH: reference}
            engine.api.create_volume(volume, labels=kind)
            if not _is_complete(engine, volume, reference, mark):
                _fill(engine, volume, reference, mark)
            note.write_text(_identity(engine, volume))
    return volume


def _read(note: Path) -> str:
    return note.read_text() if note.is_file() else "none"


def _identity(engine: Engine, volume: str) -> str:
    """Its name and the moment it was made; empty when it is not there."""
    try:
        found = engine.api.inspect_volume(volume)
    except docker.errors.NotFound:
        return ""
    if (found.get("Labels") or {}).get(labels.ROLE) != "tools":
        raise EngineError(
            f"a Docker volume {volume!r} that is not ours is in the way",
            hint=f"docker volume rm {volume}, if nothing needs it",
        )
    return f"{volume} {found.get('CreatedAt')} {engine.facts().get('ID')}"


def _is_complete(engine: Engine, volume: str, reference: str, mark: dict[str, str]) -> bool:
    container = _container(engine, reference, mark, [volume_mount(volume, TOOLS)])
    try:
        return _has(engine, container, f"{TOOLS}/{COMPLETE}")
    finally:
        engine.api.remove_container(container, force=True)


def _has(engine: Engine, container: str, path: str) -> bool:
    api = engine.api
    answer = api.head(api._url("/containers/{0}/archive", container), params={"path": path})
    return bool(answer.status_code == 200)


def _fill(engine: Engine, volume: str, reference: str, mark: dict[str, str]) -> None:
    """Copies the image's programs; two that do it at once write the same bytes."""
    api = engine.api
    source = _container(engine, reference, mark, [])
    target = _container(engine, reference, mark, [volume_mount(volume, TOOLS)])
    try:
        stream, _ = api.get_archive(source, TOOLS)
        if not api.put_archive(target, str(Path(TOOLS).parent), _with_mark(b"".join(stream))):
            raise ImageError(f"{reference} could not be copied", hint="internbox doctor")
    finally:
        for container in (source, target):
            api.remove_container(container, force=True)


def _with_mark(archive: bytes) -> bytes:
    """The same archive with the mark of completeness as its last member."""
    held = io.BytesIO(archive)
    with tarfile.open(fileobj=held, mode="a") as tar:
        member = tarfile.TarInfo(f"{Path(TOOLS).name}/{COMPLETE}")
        member.mode = 0o444
        tar.addfile(member, io.BytesIO())
    return held.getvalue()


def _container(
    engine: Engine, reference: str, mark: dict[str, str], mounts: list[dict[str, Any]]
) -> str:
    """One that is never started: a window on the image and, with mounts, on volumes."""
    api = engine.api
    config = {"NetworkMode": "none", "Mounts": mounts, "Init": False}
    made = api.create_container(
        reference, entrypoint=[f"{TOOLS}/machine"], labels=mark, host_config=config
    )
    return str(made["Id"])


def manifest(engine: Engine, home: str, image: str, volume: str) -> str:
    """What `machine manifest` prints in a clean container of `image`."""
    api = engine.api
    config = {
        "NetworkMode": "none",
        "Mounts": [volume_mount(volume, TOOLS, read_only=True)],
        "LogConfig": {"Type": "json-file"},
        "Init": False,
    }
    with engine.doing(f"measuring the image {image}"):
        container = api.create_container(
            image,
            entrypoint=[f"{TOOLS}/machine", "manifest"],
            command=[],
            user="0:0",
            healthcheck={"Test": ["NONE"]},
            labels={labels.HOME: home, labels.ROLE: "tools"},
            host_config=config,
        )["Id"]
        try:
            api.start(container)
            status = api.wait(container)["StatusCode"]
            printed: bytes = api.logs(container, stdout=True, stderr=False)
            said: bytes = api.logs(container, stdout=False, stderr=True)
        finally:
            api.remove_container(container, force=True)
    if status != 0:
        raise ImageError(
            f"the image {image} could not be measured: {said.decode(errors='replace').strip()}",
            hint="internbox doctor --probe",
        )
    return printed.decode(errors="surrogateescape")
