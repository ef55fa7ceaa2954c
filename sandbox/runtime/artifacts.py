"""Files that no package registry carries: found on disk or downloaded, never trusted unchecked."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import threading
import tomllib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from sandbox.decoding import convert
from sandbox.errors import ContentError, ImageError
from sandbox.models import Artifact
from sandbox.paths import replacing

if TYPE_CHECKING:
    from sandbox.runtime.base import Progress

FOLDER = "INTERNBOX_ARTIFACTS"
REGISTRY = "INTERNBOX_REGISTRY"
PROBE_SECONDS = 2.0
DOWNLOAD_SECONDS = 30.0  # without a byte


class ArtifactsToml(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`images/<image>/artifacts.toml`."""

    artifact: list[Artifact]


def read(folder: Path) -> list[Artifact]:
    """What the image folder wants from elsewhere; ContentError when its file is wrong."""
    path = folder / "artifacts.toml"
    if not path.is_file():
        return []
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
        return convert(found, ArtifactsToml).artifact
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ContentError(
            f"{path}: {error}", hint="[[artifact]] has name, version, urls, sha256, license"
        ) from error


def file_name(artifact: Artifact, architecture: str) -> str:
    return urlsplit(_of(artifact.urls, artifact, architecture)).path.rpartition("/")[2]


def _of(table: Mapping[str, str], artifact: Artifact, architecture: str) -> str:
    if architecture not in table:
        raise ImageError(
            f"{artifact.name} {artifact.version} does not exist for {architecture}",
            hint=f"it does for {', '.join(sorted(table))}",
        )
    return table[architecture]


def on_disk(artifact: Artifact, architecture: str, cache_folder: Path) -> Path | None:
    """The file in $INTERNBOX_ARTIFACTS or in the cache; its content is checked when it is used."""
    name = file_name(artifact, architecture)
    own = os.environ.get(FOLDER)
    candidates = [Path(own) / name] if own else []
    candidates.append(_cached(artifact, architecture, cache_folder))
    return next((path for path in candidates if path.is_file()), None)


def _cached(artifact: Artifact, architecture: str, cache_folder: Path) -> Path:
    pinned = _of(artifact.sha256, artifact, architecture)
    return cache_folder / f"{pinned[:16]}-{file_name(artifact, architecture)}"


def why_not(folder: Path, architecture: str, cache_folder: Path) -> str:
    """In words, why an image's artifacts cannot be had, and what to do; empty when they can, as far
    as is known. Where a registry is configured, it may have the image itself."""
    if os.environ.get(REGISTRY):
        return ""
    try:
        for artifact in read(folder):
            if on_disk(artifact, architecture, cache_folder):
                continue
            url = _of(artifact.urls, artifact, architecture)
            host = urlsplit(url).hostname or ""
            if not _answers(host):
                return (
                    f"{artifact.name} {artifact.version} is needed, and {host} cannot be reached; "
                    f"fetch {url} elsewhere, and put {file_name(artifact, architecture)} into "
                    f"${FOLDER}, a folder of yours"
                )
    except ImageError as error:
        return error.message
    return ""


def remember(cache_folder: Path, references: Iterable[str]) -> None:
    """Notes images that came from elsewhere: whoever asks no engine then knows of them."""
    for reference in references:
        marker = _marker(cache_folder, reference)
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()


def remembered(cache_folder: Path, reference: str) -> bool:
    return _marker(cache_folder, reference).exists()


def _marker(cache_folder: Path, reference: str) -> Path:
    return cache_folder / "images" / reference.replace("/", "_").replace(":", "_")


@cache
def _answers(host: str) -> bool:
    """Whether it takes a connection in time. A resolver that is away would let us wait for longer,
    so this is asked on the side."""
    answered = threading.Event()

    def ask() -> None:
        with suppress(OSError):
            socket.create_connection((host, 443), timeout=PROBE_SECONDS).close()
            answered.set()

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(PROBE_SECONDS)
    return answered.is_set()


def fetch(artifact: Artifact, architecture: str, cache_folder: Path, progress: Progress) -> Path:
    """The file, checked against its pinned SHA-256. ImageError when it cannot be had."""
    found = on_disk(artifact, architecture, cache_folder)
    if not found:
        found = _cached(artifact, architecture, cache_folder)
        url = _of(artifact.urls, artifact, architecture)
        progress(f"downloading {artifact.name} {artifact.version} from {urlsplit(url).hostname} …")
        _download(url, found, artifact)
    pinned = _of(artifact.sha256, artifact, architecture)
    with found.open("rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if actual != pinned.lower():
        raise ImageError(
            f"{found} is not {artifact.name} {artifact.version}: "
            f"its SHA-256 is {actual}, expected {pinned}",
            hint="remove that file and fetch it again",
        )
    return found


def _download(url: str, target: Path, artifact: Artifact) -> None:
    import urllib.request  # 30 ms that a list of scenarios need not wait for

    target.parent.mkdir(parents=True, exist_ok=True)
    if urlsplit(url).scheme != "https":
        raise ContentError(f"{artifact.name}: {url} is not an https address", hint="use https://")
    try:
        with (
            urllib.request.urlopen(url, timeout=DOWNLOAD_SECONDS) as answer,  # noqa: S310 - https
            replacing(target) as draft,
            draft.open("wb") as file,
        ):
            shutil.copyfileobj(answer, file)
    except OSError as error:
        raise ImageError(
            f"{artifact.name} {artifact.version} could not be downloaded from {url}: {error}",
            hint=f"fetch that file elsewhere and put it into ${FOLDER}",
        ) from error
