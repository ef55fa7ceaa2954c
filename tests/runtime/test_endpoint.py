"""Where the engine is: what each way of naming it means."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from sandbox.errors import EngineError
from sandbox.runtime.endpoint import EngineEndpoint, find


def context(home: Path, name: str, endpoint: dict[str, object], *, tls: bool = False) -> None:
    """A docker context as `docker context create` lays it."""
    folder = hashlib.sha256(name.encode()).hexdigest()
    meta = home / ".docker/contexts/meta" / folder / "meta.json"
    meta.parent.mkdir(parents=True)
    meta.write_text(json.dumps({"Name": name, "Metadata": {}, "Endpoints": {"docker": endpoint}}))
    if tls:
        files = home / ".docker/contexts/tls" / folder / "docker"
        files.mkdir(parents=True)
        for file in ("ca.pem", "cert.pem", "key.pem"):
            (files / file).write_text(file)


def choose(home: Path, name: str) -> None:
    (home / ".docker").mkdir(exist_ok=True)
    (home / ".docker/config.json").write_text(json.dumps({"currentContext": name}))


def found(home: Path, **environ: str) -> EngineEndpoint:
    return find(environ, home)


def test_without_settings_it_is_the_default_socket(tmp_path: Path) -> None:
    endpoint = found(tmp_path)

    assert endpoint.url == "unix:///var/run/docker.sock"
    assert (endpoint.bind, endpoint.connect, endpoint.local) == ("127.0.0.1", "127.0.0.1", True)


@pytest.mark.parametrize(
    ("url", "bind", "connect"),
    [
        ("unix:///run/user/1000/docker.sock", "127.0.0.1", "127.0.0.1"),
        ("tcp://localhost:2375", "127.0.0.1", "127.0.0.1"),
        ("tcp://127.0.0.1:2375", "127.0.0.1", "127.0.0.1"),
        ("tcp://docker:2375", "0.0.0.0", "docker"),
        ("tcp://10.1.2.3:2376", "0.0.0.0", "10.1.2.3"),
        ("ssh://lab@classroom.example:2222", "0.0.0.0", "classroom.example"),
        ("ssh://localhost", "0.0.0.0", "localhost"),
    ],
)
def test_ports_are_met_where_the_engine_is(
    tmp_path: Path, url: str, bind: str, connect: str
) -> None:
    endpoint = found(tmp_path, DOCKER_HOST=url)

    assert (endpoint.url, endpoint.bind, endpoint.connect) == (url, bind, connect)


def test_the_current_context_is_used(tmp_path: Path) -> None:
    context(tmp_path, "colima", {"Host": "unix:///Users/ada/.colima/docker.sock"})
    choose(tmp_path, "colima")

    endpoint = found(tmp_path)

    assert endpoint.url == "unix:///Users/ada/.colima/docker.sock"
    assert "colima" in str(endpoint)


def test_docker_host_wins_over_any_context(tmp_path: Path) -> None:
    context(tmp_path, "colima", {"Host": "unix:///elsewhere.sock"})
    choose(tmp_path, "colima")

    endpoint = found(tmp_path, DOCKER_HOST="unix:///here.sock", DOCKER_CONTEXT="colima")

    assert endpoint.url == "unix:///here.sock"


def test_docker_context_wins_over_the_current_one(tmp_path: Path) -> None:
    context(tmp_path, "one", {"Host": "unix:///one.sock"})
    context(tmp_path, "two", {"Host": "unix:///two.sock"})
    choose(tmp_path, "one")

    assert found(tmp_path, DOCKER_CONTEXT="two").url == "unix:///two.sock"


def test_the_context_named_default_is_the_default_socket(tmp_path: Path) -> None:
    choose(tmp_path, "default")

    assert found(tmp_path).url == "unix:///var/run/docker.sock"


def test_a_context_brings_its_certificates(tmp_path: Path) -> None:
    context(tmp_path, "lab", {"Host": "tcp://lab:2376", "SkipTLSVerify": False}, tls=True)

    tls = found(tmp_path, DOCKER_CONTEXT="lab").tls

    assert tls is not None
    assert tls.verify
    assert tls.ca is not None
    assert tls.ca.read_text() == "ca.pem"


def test_a_context_may_skip_verification(tmp_path: Path) -> None:
    context(tmp_path, "lab", {"Host": "tcp://lab:2376", "SkipTLSVerify": True}, tls=True)

    tls = found(tmp_path, DOCKER_CONTEXT="lab").tls

    assert tls is not None
    assert not tls.verify


def test_certificates_of_the_environment_count_for_tcp_alone(tmp_path: Path) -> None:
    (tmp_path / "certs").mkdir()
    (tmp_path / "certs/ca.pem").write_text("ca")
    environ = {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(tmp_path / "certs")}

    over_tcp = found(tmp_path, DOCKER_HOST="tcp://lab:2376", **environ).tls
    over_socket = found(tmp_path, **environ).tls

    assert over_tcp is not None
    assert over_tcp.ca == tmp_path / "certs/ca.pem"
    assert over_socket is None


def test_both_sides_can_be_set_for_a_tunnel(tmp_path: Path) -> None:
    endpoint = found(
        tmp_path,
        DOCKER_HOST="ssh://lab",
        INTERNBOX_BIND="127.0.0.1",
        INTERNBOX_CONNECT="127.0.0.1",
    )

    assert (endpoint.bind, endpoint.connect) == ("127.0.0.1", "127.0.0.1")


def test_a_context_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="'gone' is not there") as caught:
        found(tmp_path, DOCKER_CONTEXT="gone")

    assert "docker context ls" in caught.value.hint


def test_an_address_without_a_scheme_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no engine's address"):
        found(tmp_path, DOCKER_HOST="lab:2375")


def test_a_broken_docker_config_is_named(tmp_path: Path) -> None:
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker/config.json").write_text("{")

    with pytest.raises(EngineError, match=r"config\.json cannot be read"):
        found(tmp_path)
