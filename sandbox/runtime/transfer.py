"""Moves images on a stick or through a registry."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from sandbox.errors import ImageError, UsageError
from sandbox.paths import Home, builtin_content, replacing
from sandbox.runtime import images, pulling, sources
from sandbox.runtime.base import Progress
from sandbox.runtime.engine import Engine
from sandbox.runtime.sources import TOOLS_IMAGE

SILENCE_SECONDS = 300
LOADED = re.compile(r"Loaded image(?: ID)?: (\S+)")


def _references(engine: Engine, content: Path, names: Iterable[str]) -> list[str]:
    """The machine image and those named; parents travel within their children."""
    arch = engine.architecture
    found = [sources.find(builtin_content(), TOOLS_IMAGE, arch)]
    found += [sources.find(content, name, arch) for name in names if name != TOOLS_IMAGE]
    return list(dict.fromkeys(source.reference for source in found))


def save(
    engine: Engine,
    folders: Home,
    content: Path,
    names: Iterable[str],
    path: Path,
    progress: Progress,
) -> list[str]:
    """Writes a tar of the images, made first where needed; the references in it."""
    wanted = list(names)
    images.ensure(engine, folders, content, wanted, progress)
    references = _references(engine, content, wanted)
    progress(f"saving {len(references)} images to {path} …")
    api = engine.patient
    with (
        replacing(path) as draft,
        engine.doing(f"saving images to {path}"),
        draft.open("wb") as file,
    ):
        answer = api._get(api._url("/images/get"), params={"names": references}, stream=True)
        api._raise_for_status(answer)
        for chunk in answer.iter_content(1 << 20):
            file.write(chunk)
    return references


def load(engine: Engine, path: Path, progress: Progress) -> list[str]:
    """Gives the engine the images of a tar that `save` wrote; their references."""
    if not path.is_file():
        raise UsageError(f"{path} is not there", hint="internbox images save FILE writes one")
    progress(f"loading images from {path} …")
    with engine.doing(f"loading images from {path}"), path.open("rb") as file:
        events = list(engine.patient.load_image(file))
    if errors := [event["error"] for event in events if "error" in event]:
        raise ImageError(
            f"{path} could not be loaded: {errors[-1]}",
            hint="is it a file that internbox images save wrote, and whole?",
        )
    return [found for event in events for found in LOADED.findall(str(event.get("stream", "")))]


def push(
    engine: Engine,
    folders: Home,
    content: Path,
    names: Iterable[str],
    registry: str,
    progress: Progress,
) -> list[str]:
    """Gives the images to a registry, made first where needed; their names there."""
    wanted = list(names)
    images.ensure(engine, folders, content, wanted, progress)
    pushed = []
    for reference in _references(engine, content, wanted):
        there = pulling.registry_name(reference, registry)
        repository, _, tag = there.rpartition(":")
        progress(f"pushing {there} …")
        with engine.doing(f"pushing {there}"):
            engine.api.tag(reference, repository, tag=tag)
            events = engine.patient.push(repository, tag=tag, stream=True, decode=True)
            try:
                pulling.check(events, f"pushing {there}")
            finally:
                engine.api.remove_image(there)  # the name alone
        pushed.append(there)
    return pushed


def pull(
    engine: Engine, content: Path, names: Iterable[str], registry: str, progress: Progress
) -> list[str]:
    """Takes the images from a registry; their references here."""
    pulled = _references(engine, content, names)
    for reference in pulled:
        progress(f"pulling {pulling.registry_name(reference, registry)} …")
        pulling.pull_from_registry(engine, reference, registry, seconds=SILENCE_SECONDS)
    return pulled
