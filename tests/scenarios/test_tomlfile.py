"""Where a key is written, found in the text of a TOML file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.errors import ContentError, near
from sandbox.models import Scenario
from sandbox.scenarios.tomlfile import Keys, TomlFile, dotted

TEXT = '''\
title = "a"
about = """
title = "not here"
[nor.here]
"""
[hosts.web]
image = "base"  # comment
"quoted key" = 1
plug.wire = "lan"

[[hosts.web.wires]]
wire = "a"
[[hosts.web.wires]]
wire = "b"
dns = [
    "1",
]
[hosts.desk]
wires = [
    { wire = "a", nic = "x" },
    { wire = "b" }, # one
    { address = "y" },
]
'''


@pytest.fixture
def file(tmp_path: Path) -> TomlFile:
    path = tmp_path / "a.toml"
    path.write_text(TEXT)
    return TomlFile(path, "a.toml")


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (("title",), 1),
        (("hosts",), 6),
        (("hosts", "web"), 6),
        (("hosts", "web", "image"), 7),
        (("hosts", "web", "quoted key"), 8),
        (("hosts", "web", "plug", "wire"), 9),
        (("hosts", "web", "wires", 0, "wire"), 12),
        (("hosts", "web", "wires", 1), 13),
        (("hosts", "web", "wires", 1, "dns", 0), 15),
        (("hosts", "desk", "wires"), 19),
        (("hosts", "desk", "wires", 0, "nic"), 20),
        (("hosts", "desk", "wires", 2, "address"), 22),
        (("hosts", "web", "missing"), 6),
        (("nothing", "like", "it"), 1),
    ],
)
def test_a_key_is_found(file: TomlFile, keys: Keys, line: int) -> None:
    assert file.line(keys) == line


def test_keys_are_written_as_a_person_would() -> None:
    assert dotted(("hosts", "web", "wires", 0, "nic")) == "hosts.web.wires[0].nic"


def test_a_near_name_is_told() -> None:
    assert near("memori", ["cpus", "memory"]) == "; did you mean 'memory'?"
    assert near("zebra", ["cpus", "memory"]) == ""


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    text=st.text("[]{}\"'=.#\n abhosts1,\\", max_size=120),
    keys=st.lists(st.text("abhost", max_size=5) | st.integers(0, 3), max_size=4),
)
def test_no_text_makes_the_reader_stumble(text: str, keys: list[str | int], tmp_path: Path) -> None:
    path = tmp_path / "fuzz.toml"
    path.write_text(text, newline="")
    try:
        file = TomlFile(path, "fuzz.toml")
    except ContentError as error:
        assert "not valid TOML" in error.message  # noqa: PT017 - either outcome is right
        return

    assert 1 <= file.line(tuple(keys)) <= text.count("\n") + 1
    with pytest.raises(ContentError, match=r"^fuzz\.toml"):
        file.into(Scenario)
