"""What the engine says when it fails, and what a person reads."""

from __future__ import annotations

import docker.errors
import pytest
import requests

from sandbox.errors import EngineError, HostFull, ImageError, PortTaken, UsageError
from sandbox.runtime.endpoint import EngineEndpoint
from sandbox.runtime.failures import (
    NoAnswer,
    explain,
    explained,
    start_hint,
)

LOCAL = EngineEndpoint("unix:///var/run/docker.sock", "the default socket")
REMOTE = EngineEndpoint("tcp://lab:2375", "DOCKER_HOST", "0.0.0.0", "lab")


def refusal(text: str, status: int = 500) -> docker.errors.APIError:
    response = requests.Response()
    response.status_code = status
    return docker.errors.APIError("failed", response=response, explanation=text)


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        (
            "driver failed programming external connectivity on endpoint x: Bind for "
            "127.0.0.1:22001 failed: port is already allocated",
            PortTaken,
            "other ports",
        ),
        (
            "Error starting userland proxy: listen tcp4 127.0.0.1:22001: bind: "
            "address already in use",
            PortTaken,
            "other ports",
        ),
        ("Ports are not available: exposing port TCP 127.0.0.1:22001", PortTaken, "other ports"),
        ("write /var/lib/docker/tmp/x: no space left on device", HostFull, "docker system df"),
        ("No such image: internbox/base:0123", ImageError, "images build"),
        ("No such container: abc", EngineError, "internbox reset"),
        (
            "container is marked for removal and cannot be started",
            EngineError,
            "internbox reset",
        ),
        (
            'Conflict. The container name "/internbox-a-web" is already in use by container "b"',
            EngineError,
            "internbox gc",
        ),
        ("OCI runtime create failed: permission denied", EngineError, "doctor"),
    ],
)
def test_a_refusal_becomes_a_cure(text: str, kind: type[EngineError], words: str) -> None:
    error = explain(refusal(text), "starting web", LOCAL)

    assert type(error) is kind
    assert words in error.hint
    assert error.message.startswith("starting web")


@pytest.mark.parametrize(
    ("said", "words", "cure"),
    [
        ("('Connection aborted.', PermissionError(13, 'Permission denied'))", "may not", "usermod"),
        ("('Connection aborted.', FileNotFoundError(2, 'No such file'))", "no Docker", "doctor"),
        ("HTTPConnectionPool: Read timed out. (read timeout=120)", "in time", "overloaded"),
        ("SSLError: certificate verify failed", "TLS", "DOCKER_CERT_PATH"),
    ],
)
def test_silence_becomes_a_cure(said: str, words: str, cure: str) -> None:
    error = explain(docker.errors.DockerException(said), "connecting", LOCAL)

    assert isinstance(error, NoAnswer)
    assert words in error.message
    assert cure in error.hint


@pytest.mark.parametrize(
    ("endpoint", "platform", "words"),
    [
        (LOCAL, "linux", "internbox doctor --fix"),
        (LOCAL, "darwin", "Docker Desktop"),
        (LOCAL, "win32", "Docker Desktop"),
        (REMOTE, "linux", "DOCKER_HOST points there"),
    ],
)
def test_the_way_to_start_it_fits_the_platform(
    endpoint: EngineEndpoint, platform: str, words: str
) -> None:
    assert words in start_hint(endpoint, platform)


def test_our_own_errors_pass_unchanged() -> None:
    ours = UsageError("no", hint="yes")

    with pytest.raises(UsageError) as caught, explained("doing", LOCAL):
        raise ours

    assert caught.value is ours


def test_a_bug_is_not_the_engines_failure() -> None:
    with pytest.raises(KeyError), explained("doing", LOCAL):
        raise KeyError("x")
