"""Turns what the engine says when it fails into what a person can act on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import requests.exceptions
import urllib3.exceptions

from sandbox.errors import EngineError, HostFull, ImageError, InternboxError, PortTaken
from sandbox.runtime.endpoint import EngineEndpoint
from sandbox.runtime.sdk import docker

OLDEST_API = "1.41"  # Docker Engine 20.10
PORT_TAKEN = ("port is already allocated", "ports are not available", "address already in use")
GONE = ("no such container", "marked for removal")


class NoAnswer(EngineError):
    """The engine did not answer, so that nothing is known of what it was asked for."""


BLAMELESS = (NoAnswer, HostFull)  # of these no machine is to blame


def insist(order: Callable[[str], object], container: str) -> None:
    """An engine that is about to end refuses once; one that refuses again means it."""
    try:
        order(container)
    except BLAMELESS:
        raise
    except EngineError:
        order(container)


@contextmanager
def explained(doing: str, endpoint: EngineEndpoint) -> Iterator[None]:
    """Raises EngineError (or ImageError) with a hint for every way an engine call can fail."""
    try:
        yield
    except InternboxError:
        raise
    except (
        docker.errors.DockerException,
        requests.exceptions.RequestException,
        urllib3.exceptions.HTTPError,
        OSError,
    ) as error:
        raise explain(error, doing, endpoint) from error


def explain(error: BaseException, doing: str, endpoint: EngineEndpoint) -> EngineError:
    """The error for a person: what could not be done, why, and the cure."""
    text = said(error)
    if isinstance(error, docker.errors.ImageNotFound):
        return ImageError(f"{doing}: {text}", hint="internbox images build")
    if isinstance(error, docker.errors.APIError):
        return _refusal(text, doing)
    return _silence(text, doing, endpoint)


def said(error: BaseException) -> str:
    """The engine's own words, without the client's wrapping."""
    if isinstance(error, docker.errors.APIError) and error.explanation:
        return str(error.explanation).strip()
    return str(error).strip() or type(error).__name__


def _refusal(text: str, doing: str) -> EngineError:
    """The engine answered, and refused."""
    low = text.lower()
    if full := disk_full(text, doing):
        return full
    if any(words in low for words in PORT_TAKEN):
        return PortTaken(f"{doing}: {text}", hint="start again: other ports are chosen")
    if "https server" in low:
        return EngineError(
            f"{doing}: the engine wants TLS", hint="set DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH"
        )
    if "no such image" in low:
        return ImageError(f"{doing}: {text}", hint="internbox images build")
    if any(words in low for words in GONE):
        return EngineError(
            f"{doing}: the machine is no longer there",
            hint="somebody removed it; internbox reset makes the machines anew",
        )
    if "is already in use by container" in low:
        return EngineError(
            f"{doing}: a machine of that name is there already: {text}",
            hint="internbox gc removes what no attempt owns",
        )
    if "permission denied" in low or "operation not permitted" in low:
        return EngineError(
            f"{doing}: the engine may not: {text}",
            hint="rootless engines and user namespaces will not do; internbox doctor",
        )
    return EngineError(f"{doing}: {text}", hint="internbox doctor shows what the engine lacks")


def disk_full(text: str, doing: str) -> HostFull | None:
    if "no space left on device" not in text.lower():
        return None
    return HostFull(
        f"{doing}: the engine's disk is full",
        hint="docker system df shows what takes the space; internbox gc removes what is ours",
    )


def _silence(text: str, doing: str, endpoint: EngineEndpoint) -> EngineError:
    """The engine did not answer."""
    low = text.lower()
    if full := disk_full(text, doing):
        return full
    if "permission denied" in low:
        return NoAnswer(
            f"you may not use the Docker engine at {endpoint}",
            hint="sudo usermod -aG docker $USER, then log out and in again",
        )
    if "timed out" in low or "timeout" in low:
        return NoAnswer(
            f"{doing}: the Docker engine at {endpoint} did not answer in time",
            hint="is its host overloaded? try again, then internbox doctor",
        )
    if "ssl" in low or "certificate" in low:
        return NoAnswer(
            f"the Docker engine at {endpoint} refused the TLS connection: {text}",
            hint="check DOCKER_TLS_VERIFY and DOCKER_CERT_PATH, or the context's certificates",
        )
    return NoAnswer(
        f"no Docker engine answers at {endpoint}", hint=start_hint(endpoint, sys.platform)
    )


def start_hint(endpoint: EngineEndpoint, platform: str) -> str:
    """How to start the engine on this platform."""
    if not endpoint.local or endpoint.source.startswith("DOCKER_HOST"):
        return f"is it running and reachable? {endpoint.source} points there; internbox doctor"
    if platform == "darwin":
        return "start Docker Desktop, or colima start; then internbox doctor"
    if platform == "win32":
        return "start Docker Desktop; then internbox doctor"
    return "internbox doctor --fix, or sudo systemctl start docker"


def too_old(version: str, endpoint: EngineEndpoint) -> EngineError:
    return EngineError(
        f"Docker Engine {version} at {endpoint} is too old: 20.10 or later is needed",
        hint="update it: https://docs.docker.com/engine/install/",
    )
