"""The connection to an engine: versions, silence, and what it says of itself."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from sandbox.errors import EngineError
from sandbox.runtime.endpoint import EngineEndpoint
from sandbox.runtime.engine import Engine

ANSWERS: dict[str, Any] = {}


class FakeDaemon(BaseHTTPRequestHandler):
    """Answers by the end of the path; anything else is a refusal."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        body = json.dumps(ANSWERS.get(name, {"message": "no space left on device"})).encode()
        self.send_response(200 if name in ANSWERS else 500)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if "api" in ANSWERS:
            self.send_header("Api-Version", ANSWERS["api"])
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


@pytest.fixture
def engine() -> Iterator[Engine]:
    """An engine whose answers are those of ANSWERS."""
    ANSWERS.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), FakeDaemon)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    found = Engine(EngineEndpoint(f"tcp://127.0.0.1:{server.server_port}", "test"))
    yield found
    found.close()
    server.shutdown()
    server.server_close()


def test_an_engine_before_20_10_is_too_old(engine: Engine) -> None:
    ANSWERS["version"] = {"Version": "19.03.15", "ApiVersion": "1.40"}
    ANSWERS.update(_ping="OK", api="1.40")

    with pytest.raises(EngineError, match=r"19\.03\.15 .* is too old: 20\.10") as caught:
        _ = engine.api

    assert "docs.docker.com" in caught.value.hint


@pytest.mark.parametrize("api", ["1.41", "1.44", "1.52"])
def test_the_engines_own_version_is_spoken(engine: Engine, api: str) -> None:
    ANSWERS["version"] = {"Version": "x", "ApiVersion": api}

    assert engine.api.api_version == api


def test_a_ping_is_enough_to_know_it(engine: Engine) -> None:
    ANSWERS.update(_ping="OK", api="1.44")  # and no answer to `version`

    assert engine.api.api_version == "1.44"


def test_what_it_is_comes_from_its_own_words(engine: Engine) -> None:
    ANSWERS["version"] = {"Version": "29.0", "ApiVersion": "1.52"}
    ANSWERS["info"] = {
        "ServerVersion": "29.0",
        "Architecture": "aarch64",
        "CgroupVersion": "2",
        "SecurityOptions": ["name=apparmor", "name=seccomp,profile=builtin", "name=cgroupns"],
        "SystemTime": "2001-09-09T01:46:40.123456789Z",
    }

    info = engine.info()

    assert (info.version, info.api, info.architecture, info.cgroup) == (
        "29.0",
        "1.52",
        "arm64",
        "2",
    )
    assert info.security == ("apparmor", "seccomp", "cgroupns")
    assert info.clock == pytest.approx(1_000_000_000, abs=5)


@pytest.mark.parametrize("option", ["name=rootless", "name=userns"])
def test_engines_where_no_machine_boots_are_refused(engine: Engine, option: str) -> None:
    ANSWERS["version"] = {"Version": "x", "ApiVersion": "1.44"}
    ANSWERS["info"] = {"SecurityOptions": [option]}

    with pytest.raises(EngineError, match="no machine boots"):
        engine.require_real_root()


def test_a_full_disk_is_told(engine: Engine) -> None:
    with pytest.raises(EngineError, match="disk is full"):
        _ = engine.api


def test_no_engine_is_told_with_its_address(tmp_path: Path) -> None:
    url = f"unix://{tmp_path}/no.sock"

    with pytest.raises(EngineError, match=r"no Docker engine answers at unix:///.*no\.sock"):
        Engine(EngineEndpoint(url, "the default socket")).info()


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({}, ()),
        ({"MemoryLimit": True, "CpuCfsQuota": True, "PidsLimit": True}, ()),
        (
            {"MemoryLimit": True, "CpuCfsQuota": False, "PidsLimit": False},
            ("processors", "processes"),
        ),
    ],
)
def test_limits_that_its_kernel_lacks(
    engine: Engine, told: dict[str, bool], expected: tuple[str, ...]
) -> None:
    ANSWERS["version"] = {"Version": "29.0", "ApiVersion": "1.52"}
    ANSWERS["info"] = told

    assert engine.info().cannot_limit == expected
