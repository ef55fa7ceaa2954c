"""The use cases: start, check, grade, hint, note, debrief, reset, stop, and what is left."""

from sandbox.attempts.finding import silent
from sandbox.attempts.shapes import (
    Attempt,
    AttemptHost,
    GivenHint,
    HintState,
    HistoryRow,
    Listed,
    SshAccess,
    StatusRow,
)
from sandbox.attempts.upkeep import Labs

__all__ = [
    "Attempt",
    "AttemptHost",
    "GivenHint",
    "HintState",
    "HistoryRow",
    "Labs",
    "Listed",
    "SshAccess",
    "StatusRow",
    "silent",
]
