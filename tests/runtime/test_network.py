"""The management network: a subnet that nothing else uses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import docker.errors
import pytest
import requests

from sandbox import labels
from sandbox.errors import EngineError
from sandbox.runtime import network
from sandbox.runtime.endpoint import EngineEndpoint
from sandbox.runtime.failures import explained

ROUTES = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
"""


class FakeApi:
    """Networks in a list, as an engine before 25: a name may exist twice."""

    def __init__(self, *, refuse: str = "") -> None:
        self.made: list[dict[str, Any]] = []
        self.refuse = refuse
        self.meanwhile: Callable[[], None] = lambda: None

    def networks(self, names: list[str] | None = None) -> list[dict[str, Any]]:
        return [n for n in self.made if not names or n["Name"] in names]

    def create_network(self, **asked: Any) -> None:
        if self.refuse in str(asked["ipam"]) and self.refuse:
            response = requests.Response()
            response.status_code = 403
            text = "Pool overlaps with other one on this address space"
            raise docker.errors.APIError("no", response=response, explanation=text)
        self.add(asked["name"], asked["ipam"]["Config"][0]["Subnet"], asked["labels"])
        self.meanwhile()

    def add(self, name: str, subnet: str, label: dict[str, str] | None = None) -> None:
        number = str(len(self.made))
        self.made.append(
            {
                "Name": name,
                "Id": number,
                "Created": number,
                "Labels": label,
                "IPAM": {"Config": [{"Subnet": subnet}]},
            }
        )

    def remove_network(self, number: str) -> None:
        self.made = [n for n in self.made if n["Id"] != number]


class FakeEngine:
    def __init__(self, api: FakeApi) -> None:
        self.api = api

    def doing(self, what: str) -> Any:
        return explained(what, EngineEndpoint("unix:///x", "test"))


@pytest.fixture(autouse=True)
def no_routes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "_routes", list)


def ensure(api: FakeApi) -> str:
    engine: Any = FakeEngine(api)
    return str(network.ensure(engine))


def test_the_first_candidate_is_taken_and_kept() -> None:
    api = FakeApi()

    assert ensure(api) == ensure(api) == network.CANDIDATES[0]
    assert len(api.made) == 1


def test_a_subnet_of_another_network_is_left_alone() -> None:
    api = FakeApi()
    api.add("vpn", "10.0.0.0/8")

    assert ensure(api) == network.CANDIDATES[1]


def test_a_subnet_the_engine_refuses_is_left_alone() -> None:
    assert ensure(FakeApi(refuse=network.CANDIDATES[0])) == network.CANDIDATES[1]


def test_of_two_made_at_once_the_older_stays() -> None:
    api = FakeApi()
    ours = {labels.ROLE: "network"}
    api.meanwhile = lambda: api.add(network.NETWORK, network.CANDIDATES[1], ours)

    assert ensure(api) == network.CANDIDATES[0]
    assert len(api.made) == 1


def test_a_network_of_that_name_that_is_not_ours_is_not_touched() -> None:
    api = FakeApi()
    api.add(network.NETWORK, "10.1.0.0/16")

    with pytest.raises(EngineError, match="not ours"):
        ensure(api)


def test_without_a_free_subnet_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "CANDIDATES", ("10.0.0.0/20",))
    api = FakeApi()
    api.add("vpn", "10.0.0.0/8")

    with pytest.raises(EngineError, match="no subnet is free"):
        ensure(api)


def test_routes_are_read_without_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    table = tmp_path / "route"
    table.write_text(ROUTES)

    assert [str(route) for route in network._routes(table)] == ["172.17.0.0/16"]


def test_it_leads_nowhere() -> None:
    import ipaddress

    asked = network.settings(ipaddress.IPv4Network("10.0.0.0/20"))

    assert asked["options"]["com.docker.network.bridge.enable_ip_masquerade"] == "false"
    assert asked["enable_ipv6"] is False
