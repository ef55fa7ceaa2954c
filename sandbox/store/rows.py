"""What the store gives back: one frozen struct a table."""

from __future__ import annotations

from typing import Literal, TypeVar

import msgspec

from sandbox.decoding import decode

State = Literal["starting", "running", "grading", "stopped", "interrupted", "given-up"]
LIVING: tuple[State, ...] = ("starting", "running", "grading", "interrupted")

T = TypeVar("T")


class AttemptRow(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt. Times are epoch seconds; `variant` and `lab` are JSON text."""

    id: str
    scenario: str
    content: str  # path of the content folder it came from
    version: int
    content_hash: str
    seed: str
    variant: str = "{}"
    lab: str = "{}"  # placement, container ids, host keys: whatever attempts puts there
    state: State = "starting"
    created: float = 0.0
    used: float = 0.0
    ended: float | None = None
    pid: int | None = None  # the process that starts or grades it
    purpose: str = "learn"  # or "prove": never listed among the learner's attempts
    learner: str = ""  # whom the start code was made for

    def lab_as(self, shape: type[T]) -> T:
        """The lab decoded as `shape` (dataclass, Struct, dict …)."""
        return decode(self.lab, shape)


class GradeRow(msgspec.Struct, frozen=True, kw_only=True):
    """A recorded grade; `body` is its JSON text."""

    number: int
    attempt: str
    kind: str  # grade, regrade, …
    at: float
    body: str

    def body_as(self, shape: type[T]) -> T:
        return decode(self.body, shape)


class HintRow(msgspec.Struct, frozen=True, kw_only=True):
    attempt: str
    step: int
    cost: int
    at: float


class NoteRow(msgspec.Struct, frozen=True, kw_only=True):
    number: int
    attempt: str
    text: str
    at: float


class EventRow(msgspec.Struct, frozen=True, kw_only=True):
    number: int
    attempt: str
    at: float
    name: str
    detail: str
