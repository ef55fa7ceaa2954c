"""How large the base image is, and how long all images take from nothing."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from figures import Figure, figure, not_run, seconds
from stage import Stage

from sandbox.paths import builtin_content
from sandbox.runtime import artifacts, debian, sources

BASE_MB = 300.0
COLD_SECONDS = 600.0
COLD = "internbox-bench"  # a repository of its own: the images in use are left alone
COLD_RULE = "all images without cache, on the Debian release that is there"


def base_size(stage: Stage) -> Iterator[Figure]:
    api: Any = stage.labs.runtime
    source = sources.find(builtin_content(), "base", api.engine.architecture)
    size = api.engine.api.inspect_image(source.reference)["Size"] / 1e6
    yield figure("base image", [size], unit="MB", limit=BASE_MB, rule="as the engine says")


def cold_build(stage: Stage, *, wanted: bool) -> Iterator[Figure]:
    if not wanted:
        yield not_run("cold build of all images", unit="s", limit=COLD_SECONDS, rule="with --cold")
        return
    runtime: Any = stage.labs.runtime
    engine = runtime.engine
    content = builtin_content()
    names = sorted(sources.known(content))
    chain = sources.with_parents(content, names, engine.architecture)
    made: list[str] = []
    try:
        with Path("/dev/null").open("w", encoding="utf-8") as log:
            bases = {
                s.parent: debian.ensure(engine, s.parent, log, stage.say)
                for s in chain
                if s.on_debian
            }

        def build_all() -> None:
            for source in chain:
                _build(stage, source, bases, made)

        yield figure(
            "cold build of all images",
            [seconds(build_all)],
            unit="s",
            limit=COLD_SECONDS,
            rule=COLD_RULE,
        )
    finally:
        for tag in reversed(made):
            engine.api.remove_image(tag)


def _build(stage: Stage, source: sources.Source, bases: dict[str, str], made: list[str]) -> None:
    runtime: Any = stage.labs.runtime
    api, arch = runtime.engine.patient, runtime.engine.architecture
    cache = stage.labs.home.artifacts
    if reason := artifacts.why_not(source.folder, arch, cache):
        stage.say(f"image {source.name} is left out: {reason}")
        return
    files = [
        (one.name, artifacts.fetch(one, arch, cache, stage.say))
        for one in artifacts.read(source.folder)
    ]
    base = bases.get(source.parent) or (f"{COLD}/{source.parent}" if source.parent else "")
    tag = f"{COLD}/{source.name}"
    stage.say(f"building {tag}")
    events = api.build(
        fileobj=io.BytesIO(sources.build_context(source, files)),
        custom_context=True,
        tag=tag,
        buildargs={"BASE": base} if base else {},
        nocache=True,
        rm=True,
        forcerm=True,
        decode=True,
    )
    failed = [event["error"] for event in events if "error" in event]
    if failed:
        raise RuntimeError(f"{source.name}: {failed[-1]}")
    made.append(tag)
