"""The machines of an attempt, as the store keeps them."""

from __future__ import annotations

from msgspec import Struct

from sandbox.runtime.base import Place, Placement


class HostRecord(Struct, kw_only=True):
    """One machine."""

    host: str
    hidden: bool
    fresh: bool
    init: str
    container: str = ""
    place: Place
    grader_host_key: str = ""  # "ssh-ed25519 …": pins the grader's way in
    learner_host_key: str = ""
    baseline: str = ""  # the measured boot of the prepared machine, before any learner
    since: float = 0.0  # the machine's clock when it was handed over
    seal: str = ""  # the key of its boot reports: secret; "" in what an older version started


class LabRecord(Struct, kw_only=True):
    """All machines of one attempt, and what they share."""

    hosts: dict[str, HostRecord]
    rack: str = ""  # "" for a machine that stands alone
    images: dict[str, str]  # image name → reference
    learner_host: str
    console_password: str

    @property
    def placement(self) -> Placement:
        return Placement({name: host.place for name, host in self.hosts.items()}, self.rack)

    def standing(self) -> list[HostRecord]:
        """The machines that stay from start to stop: all but the fresh ones."""
        return [host for host in self.hosts.values() if not host.fresh]

    def visible(self) -> list[HostRecord]:
        """The machines that learners work on."""
        return [host for host in self.hosts.values() if not host.hidden]
