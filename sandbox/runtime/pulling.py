"""Images that are there already, here or in a registry."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from sandbox.errors import ImageError
from sandbox.runtime.engine import Engine
from sandbox.runtime.sdk import docker

REGISTRY = "INTERNBOX_REGISTRY"


def registry_name(reference: str, registry: str | None = None) -> str:
    """The same image in the configured registry; empty when none is configured."""
    host = (registry or os.environ.get(REGISTRY, "")).rstrip("/")
    return f"{host}/{reference}" if host else ""


def size_mib(engine: Engine, reference: str) -> float | None:
    """The size of an image that the engine has; None when it does not.

    To list all images takes an engine with many of them a tenth of a second, a question for one a
    few milliseconds.
    """
    api = engine.api
    with engine.doing(f"looking for the image {reference}"):
        try:
            return float(api.inspect_image(reference)["Size"]) / 2**20
        except docker.errors.ImageNotFound:
            return None


def pull(engine: Engine, reference: str, *, seconds: int) -> None:
    """ImageError when the registry does not give it, or is silent for `seconds`."""
    repository, _, tag = reference.rpartition(":")
    with engine.brief(seconds) as api, engine.doing(f"pulling {reference}"):
        try:
            check(api.pull(repository, tag=tag, stream=True, decode=True), f"pulling {reference}")
        except docker.errors.NotFound as error:
            raise ImageError(
                f"the registry does not have {reference}", hint="internbox images build"
            ) from error


def pull_from_registry(engine: Engine, reference: str, registry: str, *, seconds: int) -> None:
    """Pulls `registry/reference` and gives it its plain name."""
    there = registry_name(reference, registry)
    pull(engine, there, seconds=seconds)
    repository, _, tag = reference.rpartition(":")
    with engine.doing(f"naming {there}"):
        engine.api.tag(there, repository, tag=tag)
        engine.api.remove_image(there)  # the name alone


def check(events: Iterable[dict[str, Any]], doing: str) -> None:
    """Reads the engine's words to the end, which frees the connection; ImageError for an error."""
    errors = [str(event["error"]) for event in events if "error" in event]
    if errors:
        raise ImageError(f"{doing}: {errors[-1]}", hint="internbox doctor")
