"""What tests of all modules share: the real engine, with a state folder of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from sandbox.runtime.docker import DockerRuntime


@pytest.fixture(scope="session")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerRuntime]:
    """The engine of this computer; all that tests leave on it is removed at the end.

    Without an engine its tests are skipped, in CI they fail.
    """
    from sandbox.errors import EngineError
    from sandbox.paths import Home
    from sandbox.runtime.docker import DockerRuntime

    root: Path = tmp_path_factory.mktemp("home")
    found = DockerRuntime(Home(root, root / "cache"))
    try:
        found.info()
    except EngineError as error:
        if os.environ.get("CI"):
            pytest.fail(f"{error}; hint: {error.hint}")
        pytest.skip(str(error))
    yield found
    found.discard(found.leftovers([]))
