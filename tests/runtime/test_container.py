"""What the engine is asked for to make a machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sandbox import labels
from sandbox.runtime import container
from sandbox.runtime.base import MachineSpec, Place, Placement, VolumeSpec, WireSpec
from sandbox.runtime.endpoint import EngineEndpoint
from sandbox.runtime.network import NETWORK

WIRE = WireSpec("lan", "lan0", "02:00:00:00:00:07")
PLACEMENT = Placement({"web": Place("web", "127.0.0.1", 20001, 20002)}, "rack1")


class FakeEngine:
    """An engine of two processors with the security options given."""

    endpoint = EngineEndpoint("unix:///x", "test")

    def __init__(self, *security: str, **facts: Any) -> None:
        self._security = security
        self._facts = facts

    def facts(self) -> dict[str, Any]:
        return {"NCPU": 2, **self._facts}

    def security(self) -> tuple[str, ...]:
        return self._security

    def clock(self) -> float:
        return 1700000000.25


def spec(**more: Any) -> MachineSpec:
    return MachineSpec("a1", "linux/x", "web", "internbox/base:1", "web", wires=(WIRE,), **more)


def asked(
    machine: MachineSpec, *security: str, placement: Placement = PLACEMENT, **facts: Any
) -> dict[str, Any]:
    engine: Any = FakeEngine(*security, **facts)
    return container.request(engine, "home1", machine, placement, "tools")


def test_a_wire_names_nic_bridge_and_mac() -> None:
    nic, bridge, mac, *rest = container.wire(WIRE).split(",")

    assert (nic, mac, rest) == ("lan0", "02:00:00:00:00:07", ["", ""])
    assert len(bridge) < 16  # what the kernel takes for a name


def test_a_bridge_is_the_wires_whoever_is_on_it() -> None:
    def bridge(wire: str, nic: str) -> str:
        return container.wire(WireSpec(wire, nic, "02:00:00:00:00:09")).split(",")[1]

    assert bridge("lan", "lan0") == bridge("lan", "lan1")
    assert bridge("a-name-longer-than-a-nic-s", "lan0") != bridge(
        "a-name-longer-than-a-nic-t", "lan0"
    )


def test_a_host_without_systemd_is_told_its_address() -> None:
    nic = WireSpec("lan", "lan0", "02:00:00:00:00:07", "10.20.1.5/24", "10.20.1.1")

    assert container.wire(nic).endswith(",10.20.1.5/24,10.20.1.1")


def test_a_machine_is_told_its_doors_and_its_name() -> None:
    told = container.environment(spec(), PLACEMENT, 1.0)

    assert told["INTERNBOX_DOORS"] == "20001,20002"
    assert told["INTERNBOX_HOSTNAME"] == "web"


def test_the_creation_is_told_by_the_engines_clock() -> None:
    assert asked(spec())["environment"]["INTERNBOX_CREATED"] == "1700000000.250"


def test_the_key_of_the_seal_reaches_the_machine_and_no_message() -> None:
    machine = spec()

    assert asked(machine)["environment"]["INTERNBOX_SEAL"] == machine.seal
    assert machine.seal not in repr(machine)
    assert machine.seal not in str(asked(machine)["labels"])
    assert machine.seal != spec().seal


def rack() -> dict[str, Any]:
    engine: Any = FakeEngine()
    mark = container.owner_labels("home1", "a1", "linux/x", "", "rack")
    return container.rack_request(engine, "machine:1", "rack", mark, [20001, 20002])


def alone() -> dict[str, Any]:
    return asked(spec(), placement=Placement(PLACEMENT.places, ""))


@pytest.mark.parametrize("request_of", [rack, alone])
def test_the_doors_are_where_the_endpoint_says(request_of: Callable[[], dict[str, Any]]) -> None:
    request = request_of()

    assert request["host_config"]["NetworkMode"] == NETWORK
    assert request["host_config"]["PortBindings"] == {
        "20001/tcp": [{"HostIp": "127.0.0.1", "HostPort": "20001"}],
        "20002/tcp": [{"HostIp": "127.0.0.1", "HostPort": "20002"}],
    }
    assert request["ports"] == [20001, 20002]
    assert request["labels"][labels.PORTS] == "20001,20002"


def test_a_machine_alone_is_asked_for_as_one_in_a_rack_but_for_its_doors() -> None:
    def beside_doors(request: dict[str, Any]) -> dict[str, Any]:
        host = {k: v for k, v in request["host_config"].items() if k != "NetworkMode"}
        host.pop("PortBindings", None)
        mark = {k: v for k, v in request["labels"].items() if k != labels.PORTS}
        rest = {k: v for k, v in request.items() if k != "ports"}
        return {**rest, "host_config": host, "labels": mark}

    machine = spec()
    lone = asked(machine, placement=Placement(PLACEMENT.places, ""))

    assert beside_doors(lone) == beside_doors(asked(machine))


def test_machines_share_the_network_of_the_rack_and_publish_nothing() -> None:
    request = asked(spec())

    assert request["host_config"]["NetworkMode"] == "container:rack1"
    assert "PortBindings" not in request["host_config"]
    assert labels.PORTS not in request["labels"]
    assert "hostname" not in request  # the engine refuses one in a shared network


def test_a_rack_stays_off_until_it_is_woken() -> None:
    assert "RestartPolicy" not in rack()["host_config"]


def test_the_tools_are_read_only() -> None:
    (tools,) = asked(spec())["host_config"]["Mounts"]

    assert (tools["Source"], tools["Target"], tools["ReadOnly"]) == (
        "tools",
        "/opt/internbox",
        True,
    )


def test_a_volume_is_mounted_at_its_path() -> None:
    mounts = asked(spec(volumes=(VolumeSpec("/srv/data", "8m", 0),)))["host_config"]["Mounts"]

    assert (mounts[1]["Source"], mounts[1]["Target"]) == ("internbox-a1-web.0", "/srv/data")


def test_limits_of_the_spec_reach_the_engine() -> None:
    config = asked(spec(memory="128m", cpus=0.5, pids=99))["host_config"]

    assert (config["Memory"], config["MemorySwap"]) == (128 << 20, 128 << 20)
    assert (config["CpuPeriod"], config["CpuQuota"]) == (1_000_000, 500_000)
    assert config["PidsLimit"] == 99


def test_a_kernel_without_processor_limits_is_asked_for_none() -> None:
    config = asked(spec(), CpuCfsQuota=False)["host_config"]

    assert not {"CpuPeriod", "CpuQuota"} & set(config)


def test_a_machine_comes_back_after_the_engine() -> None:
    assert asked(spec())["host_config"]["RestartPolicy"] == {"Name": "always"}


@pytest.mark.parametrize(
    ("stats", "expected"),
    [
        ({"usage": 30 << 20, "stats": {"total_inactive_file": 10 << 20}}, 20.0),
        ({"usage": 30 << 20, "stats": {"inactive_file": 12 << 20}}, 18.0),
        ({"usage": 1 << 20, "stats": {"inactive_file": 2 << 20}}, 0.0),
        ({}, None),
        ({"usage": 0, "stats": {}}, None),
    ],
    ids=["cgroup v1", "cgroup v2", "more cache than usage", "nothing told", "not accounted for"],
)
def test_memory_is_told_without_the_cache(stats: dict[str, Any], expected: float | None) -> None:
    assert container.memory_mib(stats) == expected


@pytest.mark.parametrize(
    ("security", "option"),
    [("apparmor", "apparmor=unconfined"), ("selinux", "label=disable")],
)
def test_what_forbids_mounts_is_off_only_where_it_is(security: str, option: str) -> None:
    assert option in asked(spec(), security)["host_config"]["SecurityOpt"]
    assert option not in asked(spec(), "seccomp")["host_config"]["SecurityOpt"]


def test_it_is_never_privileged_and_bind_mounts_nothing() -> None:
    config = asked(spec())["host_config"]

    assert "Privileged" not in config
    assert "Binds" not in config
    assert {mount["Type"] for mount in config["Mounts"]} == {"volume"}


def test_labels_say_whose_it_is() -> None:
    mark = asked(spec())["labels"]

    assert mark[labels.HOME] == "home1"
    assert (mark[labels.ATTEMPT], mark[labels.HOST], mark[labels.ROLE]) == ("a1", "web", "machine")


def test_half_of_the_memory_may_lie_in_tmp() -> None:
    assert container.tmpfs(256 << 20)["/tmp"] == f"exec,mode=1777,size={128 << 20}"


def test_a_volume_is_a_file_system_of_that_size() -> None:
    options = container.volume_options("64m", 4000)

    assert options == {"type": "tmpfs", "device": "tmpfs", "o": "size=64m,nr_inodes=4000,mode=0755"}
