"""The whole loop on an engine elsewhere, over TLS."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from sandbox.errors import EngineError

pytestmark = [pytest.mark.engine, pytest.mark.slow]


@pytest.fixture
def context(second_engine: Any, tmp_path: Path) -> dict[str, str]:
    """A docker context `far`, as `docker context create` writes it, in use."""
    config = tmp_path / "docker"
    folder = hashlib.sha256(b"far").hexdigest()
    meta = config / "contexts/meta" / folder / "meta.json"
    meta.parent.mkdir(parents=True)
    endpoint = {"Host": second_engine.url, "SkipTLSVerify": False}
    meta.write_text(json.dumps({"Name": "far", "Endpoints": {"docker": endpoint}}))
    shutil.copytree(
        second_engine.certificates / "client", config / "contexts/tls" / folder / "docker"
    )
    (config / "config.json").write_text(json.dumps({"currentContext": "far"}))
    return {"DOCKER_CONFIG": str(config)}


def test_the_whole_loop_by_docker_host(second_engine: Any, learner: Any, loop: Any) -> None:
    seen = loop(learner(second_engine.by_tls()))

    assert seen["ssh"] == ["intern", "desk"]
    assert seen["check"]["score"] == 0
    assert (seen["grade"]["outcome"], seen["grade"]["score"]) == ("passed", 100)
    assert seen["grade"]["tampered"] == []


def test_the_whole_loop_by_a_docker_context(context: Any, learner: Any, loop: Any) -> None:
    seen = loop(learner(context))

    assert seen["ssh"] == ["intern", "desk"]
    assert (seen["grade"]["outcome"], seen["grade"]["score"]) == ("passed", 100)


def test_ports_are_met_at_the_engines_address(second_engine: Any, learner: Any) -> None:
    student = learner(second_engine.by_tls())
    started = student.start()

    hosts = [host["ssh"]["host"] for host in started["hosts"]]
    config = Path(started["ssh_config"]).read_text()
    student.run("stop")

    assert hosts == [second_engine.address]
    assert f"HostName {second_engine.address}\n" in config


def test_nothing_is_left_after_stop_and_gc(second_engine: Any, learner: Any) -> None:
    student = learner(second_engine.by_tls())
    student.start()
    student.run("stop")
    student.run("gc")

    with second_engine.runtime(student.root) as runtime:
        machines = runtime.engine.api.containers(all=True)
        volumes = [row["Name"] for row in runtime.engine.api.volumes()["Volumes"] or []]

    assert machines == []
    assert [name for name in volumes if not name.startswith("internbox-tools-")] == []


def test_a_certificate_of_another_authority_is_refused(
    second_engine: Any, tmp_path: Path, certificates: Any
) -> None:
    certificates(tmp_path / "other", second_engine.address)
    environ = {**second_engine.by_tls(), "DOCKER_CERT_PATH": str(tmp_path / "other/client")}

    with (
        second_engine.runtime(tmp_path / "home", environ) as runtime,
        pytest.raises(EngineError, match="refused the TLS connection") as caught,
    ):
        runtime.info()

    assert "DOCKER_CERT_PATH" in caught.value.hint


def test_without_a_certificate_the_cure_is_named(second_engine: Any, learner: Any) -> None:
    done = learner({"DOCKER_HOST": second_engine.url}).run("start", "first-day", code=3)

    assert "the engine wants TLS" in done.stderr
    assert "hint: set DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH" in done.stderr
