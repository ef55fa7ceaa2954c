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
    parents = {source.parent for source in chain if source.on_debian}
    had_release = all(debian.present(engine, parent) for parent in parents)
    made: list[str] = []

    def build_all() -> None:
        with Path("/dev/null").open("w", encoding="utf-8") as log:
            bases = {parent: debian.ensure(engine, parent, log, stage.say) for parent in parents}
        for source in chain:
            _build(stage, source, bases, made)

    try:
        taken = seconds(build_all)
        left_out = [source.name for source in chain if f"{COLD}/{source.name}" not in made]
        yield figure(
            "cold build of all images",
            [taken],
            unit="s",
            limit=COLD_SECONDS,
            rule=cold_rule(left_out, had_release=had_release),
        )
    finally:
        for tag in reversed(made):
            engine.api.remove_image(tag)


def cold_rule(left_out: list[str], *, had_release: bool) -> str:
    """What was measured, in words."""
    which = f"all images but {', '.join(left_out)}" if left_out else "all images"
    below = "which was there already" if had_release else "which was got or made for it"
    return f"{which} without cache, on the Debian release, {below}"


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
