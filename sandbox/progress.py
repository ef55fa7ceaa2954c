"""Lines that say what is being done, and go when it is done, but for those that are to stay."""

from __future__ import annotations


class Lasting(str):
    """A line of progress that stays on the screen: what it took, and what came of it."""

    __slots__ = ()
