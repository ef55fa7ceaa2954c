"""The grader of brute-force-response knows every line of the log that its scenario lays."""

from __future__ import annotations

import importlib.util
from datetime import UTC, datetime
from types import ModuleType

import pytest

from sandbox import rendering, scenarios, variants
from sandbox.grading.plugin import MARKERS
from sandbox.paths import ScenarioFiles, builtin_content

FILES = ScenarioFiles(builtin_content(), "security/brute-force-response")


@pytest.fixture(scope="module")
def grader(pytestconfig: pytest.Config) -> ModuleType:
    for marker in MARKERS:
        pytestconfig.addinivalue_line("markers", marker)
    spec = importlib.util.spec_from_file_location("grader_of_brute_force", FILES.grader)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("fault", ["password-guessed", "key-left-behind"])
@pytest.mark.parametrize(
    "anchor",
    [
        datetime(2026, 3, 4, 9, 30, 59, tzinfo=UTC),
        datetime(2026, 4, 1, 0, 20, tzinfo=UTC),  # the clocks were changed three days before
        datetime(2026, 11, 5, 23, 40, tzinfo=UTC),
    ],
)
def test_the_grader_has_the_lines_of_the_template(
    grader: ModuleType, fault: str, anchor: datetime
) -> None:
    loaded = scenarios.load(FILES)
    for seed in ("one", "two", "three"):
        drawn = variants.draw(loaded, seed=seed, anchor=anchor, fault=fault)
        script = rendering.script(FILES.root / "hosts/gate/offline.sh.j2", loaded, drawn)
        written = script.partition("/found\" <<'LOG'\n")[2].partition("LOG\n")[0].splitlines()

        known = variants.parse(variants.dump(drawn))  # as a grader gets it
        assert len(written) > 900
        assert grader.extraordinary(known.values, fault, known.anchor) == written
