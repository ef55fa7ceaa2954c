"""What can go wrong, as a person needs to hear it.

Every error carries a message (what, and where) and a hint (what to do). The command line turns the
class into an exit code in one place.

    InternboxError            3  could not do it
    ├── UsageError            2  the call is wrong: unknown name, option, state
    │   └── ContentError      2  a scenario, grader or image folder is wrong (file, key, cure)
    ├── EngineError           3  no engine, too old, refused, out of disk
    │   ├── ImageError        3  an image cannot be built, pulled or found
    │   ├── PortTaken         3  another program has a port that was chosen
    │   └── HostFull          3  the engine's host has no more of something: disk, inotify instances
    ├── MachineError          3  a machine did not become ready
    │   └── Unreachable       3  a machine does not answer over SSH
    ├── GraderError           3  the grader is broken or could not finish: nothing is graded
    ├── Refused               3  a submission is not what it says it is: nothing of it is used
    └── Busy                  3  another command works on the same attempt
"""

from __future__ import annotations

from collections.abc import Iterable


class InternboxError(Exception):
    """Something could not be done; `hint` says what to do about it."""

    exit_code = 3

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(InternboxError):
    """The call was wrong: an unknown name, a bad value, the wrong moment."""

    exit_code = 2


class ContentError(UsageError):
    """A scenario, grader or image folder is wrong; the message names file and key."""


class EngineError(InternboxError):
    """The Docker engine cannot do what is needed."""


class ImageError(EngineError):
    """An image cannot be found, pulled or built."""


class PortTaken(EngineError):
    """A port that was chosen for a machine is in use on the engine's host."""


class HostFull(EngineError):
    """The engine's host has run out of something: no machine is to blame for that."""


class MachineError(InternboxError):
    """A machine did not become what the scenario says."""


class Unreachable(MachineError):
    """A machine does not answer over SSH; `host` names it."""

    def __init__(self, message: str, *, host: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.host = host


class GraderError(InternboxError):
    """The grader is broken or could not finish, so there is no grade."""


class Refused(InternboxError):
    """A submission, or a bulk download of them, is not what it says it is."""


class Busy(InternboxError):
    """Another internbox command holds this attempt."""


def near(word: str, known: Iterable[str]) -> str:
    """For a message: `; did you mean 'memory'?`, or nothing when no known word is near."""
    import difflib  # only who is mistaken waits for it

    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean '{found[0]}'?" if found else ""
