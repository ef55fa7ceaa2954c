"""The loop on an engine that has cgroup v2 alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.engine, pytest.mark.slow]


@pytest.fixture(scope="module")
def unified(new_engine: Callable[..., Any]) -> Any:
    return new_engine(cgroup="2")


@pytest.fixture(scope="module")
def accounts_memory(unified: Any, tmp_path_factory: pytest.TempPathFactory) -> bool:
    """Whether the kernel accounts for memory here: where v1 has that controller, v2 has not."""
    with unified.runtime(tmp_path_factory.mktemp("asking")) as runtime:
        return bool(runtime.engine.facts()["MemoryLimit"])


def test_it_has_cgroup_v2_alone(unified: Any, tmp_path: Path) -> None:
    with unified.runtime(tmp_path) as runtime:
        assert runtime.info().cgroup == "2"


def test_the_whole_loop(unified: Any, learner: Any, loop: Any, accounts_memory: bool) -> None:
    seen = loop(learner(unified.by_socket()))

    assert seen["ssh"] == ["intern", "desk"]
    assert seen["check"]["score"] == 0
    assert (seen["grade"]["outcome"], seen["grade"]["score"]) == ("passed", 100)
    assert seen["grade"]["tampered"] == []
    memory = seen["status"]["memory_mib"]
    assert 1 < memory < 256 if accounts_memory else not memory
