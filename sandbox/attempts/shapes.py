"""What commands show of attempts and scenarios; also the JSON they print."""

from __future__ import annotations

from msgspec import Struct


class SshAccess(Struct, frozen=True):
    host: str
    port: int
    user: str
    identity: str


class AttemptHost(Struct, frozen=True):
    name: str
    hidden: bool
    ssh: SshAccess | None  # None for hidden hosts


class Attempt(Struct, frozen=True, kw_only=True):
    """A started run, as commands show it; where its scenario cannot be read any more, the title is
    the scenario's id and the minutes are 0."""

    attempt: str
    scenario: str
    title: str
    version: int
    seed: str
    state: str
    minutes: int
    created: float
    learner_host: str
    hosts: list[AttemptHost]
    ssh_config: str
    learner: str = ""  # whom the start code was made for

    @property
    def id(self) -> str:
        return self.attempt


class Listed(Struct, frozen=True, kw_only=True):
    """A scenario, as `list` shows it."""

    id: str
    title: str
    summary: str
    area: str
    level: int
    minutes: int
    hosts: list[str]
    skills: list[str]
    available: bool
    why_not: str


class HintState(Struct, frozen=True):
    """The hints of an attempt: texts given, what the next one costs, how many are left."""

    given: list[str]
    next_cost: int | None
    left: int


class GivenHint(Struct, frozen=True):
    text: str
    cost: int
    step: int
    left: int


class StatusRow(Struct, frozen=True):
    attempt: str
    scenario: str
    state: str
    age_s: float
    memory_mib: float | None


class HistoryRow(Struct, frozen=True):
    attempt: str
    scenario: str
    state: str
    created: float
    outcome: str
    score: int | None
    hints: int
