"""GitLab's template with an engine as a service, that begins empty and pulls from a registry."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.paths import builtin_content
from tests.ci.hosted import EXAMPLE, STUDENTS, Job, gitlab, gitlab_config, included
from tests.registry import Registry, running

pytestmark = [pytest.mark.engine, pytest.mark.slow]


@pytest.fixture(scope="module")
def registry(runtime: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """It has the images of the first ticket, pushed from this computer's engine."""
    with running(tmp_path_factory.mktemp("registry"), address="0.0.0.0") as found:
        near = found.met_at("127.0.0.1")
        runtime.push_images(builtin_content(), ["base"], near.name, print)
        yield found


@pytest.fixture(scope="module")
def service(new_engine: Callable[..., Any]) -> Any:
    """An engine on an island, like docker:dind: without images, met by TLS."""
    engine = new_engine()
    engine.settings["insecure-registries"] = [f"{neighbour(engine.address)}/32"]
    engine.end()
    engine.start()
    with engine.runtime(engine.folder / "probe") as runtime:
        for image in runtime.engine.api.images(quiet=True):
            runtime.engine.api.remove_image(image, force=True)
    return engine


def neighbour(address: str) -> str:
    """This computer, at the near end of the cable."""
    return f"{address.rpartition('.')[0]}.1"


@pytest.fixture(scope="module")
def job(
    service: Any, registry: Registry, wheel: Path, tmp_path_factory: pytest.TempPathFactory
) -> Job:
    variables = gitlab_config(included(STUDENTS))[".internbox-docker"]["variables"]
    assert variables["DOCKER_HOST"] == "tcp://docker:2376"
    assert variables["DOCKER_TLS_VERIFY"] == service.by_tls()["DOCKER_TLS_VERIFY"]
    inputs = included(STUDENTS) | {"internbox": str(wheel)}
    inputs["registry"] = registry.met_at(neighbour(service.address)).name
    return gitlab(tmp_path_factory.mktemp("job"), EXAMPLE, inputs, **service.by_tls())


def test_the_right_fix_passes(job: Job) -> None:
    assert job.status == 0, job.log
    (run,) = json.loads(job.kept["grades.json"])["runs"]
    assert run["score"] == 100


def test_images_came_from_the_registry_and_were_not_built(job: Job) -> None:
    assert "pulled image base: " in job.log
    assert "building" not in job.log


def test_junit_is_where_gitlab_looks(job: Job) -> None:
    assert job.kept["junit.xml"].startswith("<?xml")


def test_the_engine_is_left_as_it_was(job: Job, service: Any) -> None:
    assert job.steps["after_script"] == "success"
    with service.runtime(service.folder / "probe") as runtime:
        assert runtime.engine.api.containers() == []
