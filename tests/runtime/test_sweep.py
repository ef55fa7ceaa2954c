"""What marks this state folder's things."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from sandbox import labels
from sandbox.runtime import sweep


def test_the_id_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "state" / "home-id"

    assert sweep.home_id(path) == sweep.home_id(path) != ""


def test_commands_that_start_at_once_agree_on_the_id(tmp_path: Path) -> None:
    path = tmp_path / "home-id"

    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: sweep.home_id(path), range(8)))

    assert len(found) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["home-id"]


def test_two_state_folders_differ(tmp_path: Path) -> None:
    assert sweep.home_id(tmp_path / "a") != sweep.home_id(tmp_path / "b")


def test_work_at_the_same_time_keeps_its_order() -> None:
    assert sweep.in_parallel(lambda n: n * n, [3, 1, 2]) == [9, 1, 4]


def test_an_error_is_raised_after_all_have_ended() -> None:
    ended = []

    def work(number: int) -> None:
        if number == 0:
            raise ValueError("first")
        ended.append(number)

    with pytest.raises(ValueError, match="first"):
        sweep.in_parallel(work, [0, 1, 2])

    assert sorted(ended) == [1, 2]


def row(host: str, state: str = "running", **marks: str) -> dict[str, Any]:
    mark = {labels.ATTEMPT: "a1", labels.HOST: host, labels.ROLE: "machine", **marks}
    rack = {"NetworkMode": "container:rack1"}
    return {"Id": host, "State": state, "Labels": mark, "HostConfig": rack}


def states(*rows: dict[str, Any]) -> dict[str, str]:
    return {found["Id"]: found["State"] for found in sweep.machines(rows)}


def test_holders_of_disks_and_helpers_are_no_machines() -> None:
    holder = row("db", **{labels.HOLDER: "1"})
    helper = row("tools", **{labels.ROLE: "tools"})

    assert states(row("web"), holder, helper) == {"web": "running"}


@pytest.mark.parametrize("state", ["exited", "running", "restarting"])
def test_a_machine_whose_rack_is_off_is_asleep(state: str) -> None:
    rack = row("rack1", "exited", **{labels.ROLE: "rack"})
    elsewhere = {**row("db", "exited"), "HostConfig": {"NetworkMode": "container:rack2"}}

    assert states(row("web", state), elsewhere, rack) == {"web": "asleep", "db": "exited"}


def test_a_machine_without_a_rack_is_never_asleep() -> None:
    alone = {**row("web", "exited"), "HostConfig": {"NetworkMode": "internbox"}}

    assert states(alone, row("rack1", "exited", **{labels.ROLE: "rack"})) == {"web": "exited"}
    assert sweep.rack_of(alone) == "web"


def test_a_machine_that_is_off_alone_is_not() -> None:
    rack = row("rack1", **{labels.ROLE: "rack"})

    assert states(row("web", "exited"), rack) == {"web": "exited"}


def test_a_machine_whose_disks_nothing_holds_is_dead() -> None:
    holder = row("db", "exited", **{labels.HOLDER: "1"})

    assert states(row("web"), row("db"), holder) == {"web": "running", "db": "dead"}
