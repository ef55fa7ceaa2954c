"""The images that machines are made of: which are there, and making those that are not."""

from __future__ import annotations

import io
import re
import time
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from sandbox import labels
from sandbox.errors import EngineError, ImageError
from sandbox.paths import Home, builtin_content
from sandbox.progress import Lasting
from sandbox.runtime import artifacts, debian, locks, pulling, sources
from sandbox.runtime.base import ImageState, Progress
from sandbox.runtime.engine import Engine
from sandbox.runtime.failures import disk_full
from sandbox.runtime.sources import TOOLS_IMAGE, Source

LAST_LINES = 20  # of a failed build, shown
PULL_SECONDS = 60
LOCK_SECONDS = 3600.0
STEP = re.compile(r"Step (\d+)/(\d+) :")


def states(engine: Engine, folders: Home, content: Path, names: Iterable[str]) -> list[ImageState]:
    """Which of the named images are there; `why_not` says what an absent one would miss."""
    arch = engine.architecture
    return [_state(engine, folders, sources.find(content, name, arch)) for name in names]


def _state(engine: Engine, folders: Home, source: Source) -> ImageState:
    size = pulling.size_mib(engine, source.reference)
    if size is not None:
        return ImageState(source.name, source.reference, True, round(size, 1))
    reason = artifacts.why_not(source.folder, engine.architecture, folders.artifacts)
    return ImageState(source.name, source.reference, False, why_not=reason)


def tools_reference(engine: Engine) -> str:
    """The machine image's reference. ImageError when the engine does not have it."""
    source = sources.find(builtin_content(), TOOLS_IMAGE, engine.architecture)
    if pulling.size_mib(engine, source.reference) is None:
        raise ImageError(
            f"the image {source.reference} is not there yet", hint="internbox images build"
        )
    return source.reference


def ensure(
    engine: Engine, folders: Home, content: Path, names: Iterable[str], progress: Progress
) -> dict[str, str]:
    """Pulls or builds what is missing of the named images, their parents and the machine image.

    Name → reference of those named. ImageError says what a build ended with and where its log is.
    """
    wanted = list(names)
    arch = engine.architecture
    chain = sources.with_parents(builtin_content(), [TOOLS_IMAGE], arch)
    chain += [s for s in sources.with_parents(content, wanted, arch) if s not in chain]
    if missing := _missing(engine, chain, wanted):
        lock = folders.locks / "images"
        with locks.held(
            lock,
            seconds=LOCK_SECONDS,
            doing="building images",
            waiting=lambda: progress("another internbox command builds images; waiting …"),
        ):
            missing = _missing(engine, chain, wanted)  # it may have made them
            for number, source in enumerate(missing, 1):
                _get(engine, folders, source, f"{number} of {len(missing)}", progress)
    return {source.name: source.reference for source in chain if source.name in wanted}


def _missing(engine: Engine, chain: list[Source], wanted: list[str]) -> list[Source]:
    """What must be made: a parent only where something that stands on it is missing."""
    needed = {TOOLS_IMAGE, *wanted}
    missing = []
    for source in reversed(chain):
        if source.name in needed and pulling.size_mib(engine, source.reference) is None:
            missing.append(source)
            needed.add(source.parent)
    return missing[::-1]


def _get(engine: Engine, folders: Home, source: Source, count: str, progress: Progress) -> None:
    """From the configured registry where it has it, otherwise built."""
    started = time.monotonic()
    if there := pulling.registry_name(source.reference):
        progress(f"pulling image {source.name} ({count}) from {there} …")
        registry = there.removesuffix(f"/{source.reference}")
        try:
            pulling.pull_from_registry(engine, source.reference, registry, seconds=PULL_SECONDS)
        except EngineError as error:
            progress(f"{error.message}; building it instead")
        else:
            progress(_done("pulled", engine, source, started))
            return
    progress(f"building image {source.name} ({count}) …")
    _build(engine, folders, source, count, progress)
    progress(_done("built", engine, source, started))


def _done(verb: str, engine: Engine, source: Source, started: float) -> Lasting:
    """`built image web: 0:42, 249 MiB`."""
    size = pulling.size_mib(engine, source.reference) or 0.0
    minutes, seconds = divmod(round(time.monotonic() - started), 60)
    return Lasting(f"{verb} image {source.name}: {minutes}:{seconds:02}, {size:.0f} MiB")


def _build(engine: Engine, folders: Home, source: Source, count: str, progress: Progress) -> None:
    arch = engine.architecture
    files = [
        (artifact.name, artifacts.fetch(artifact, arch, folders.artifacts, progress))
        for artifact in artifacts.read(source.folder)
    ]
    folders.logs.mkdir(parents=True, exist_ok=True)
    path = folders.logs / f"build-{source.name}-{source.hash}.log"
    with path.open("w", encoding="utf-8") as log:
        base = source.base
        if source.on_debian:
            base = debian.ensure(engine, source.parent, log, progress)
        context = sources.build_context(source, files)
        _run_build(engine, source, context, {"BASE": base} if base else {}, log, progress)


def _run_build(
    engine: Engine,
    source: Source,
    context: bytes,
    arguments: dict[str, str],
    log: IO[str],
    progress: Progress,
) -> None:
    last: deque[str] = deque(maxlen=LAST_LINES)
    doing = f"building image {source.name}"
    reason = ""
    with engine.doing(doing):
        events = engine.patient.build(
            fileobj=io.BytesIO(context),
            custom_context=True,
            tag=source.reference,
            buildargs=arguments,
            labels={labels.ROLE: "image", labels.IMAGE_HASH: source.hash},
            rm=True,
            forcerm=True,
            decode=True,
        )
        for event in events:  # to the end, which frees the connection
            text = str(event.get("stream", ""))
            log.write(text)
            last.extend(line for line in text.splitlines() if line.strip())
            if step := STEP.match(text):
                progress(f"{doing}: step {step[1]} of {step[2]} …")
            reason = str(event.get("error", reason)).strip()
    if reason:
        raise _failed_build(source, reason, last, log)


def _failed_build(source: Source, reason: str, last: Iterable[str], log: IO[str]) -> EngineError:
    log.write(f"{reason}\n")
    log.flush()
    shown = "\n".join(f"    {line}" for line in last)
    if full := disk_full(f"{reason} {shown}", f"building image {source.name}"):
        return full
    return ImageError(
        f"image {source.name} could not be built: {reason}\n{shown}",
        hint=f"the whole build is in {log.name}",
    )
