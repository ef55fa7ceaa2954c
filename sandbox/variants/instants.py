"""Instants told relative to the anchor: `-3d`, `-2h30m`, `+1d`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sandbox.errors import ContentError

_UNITS = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "s": "seconds"}


def zone(name: str) -> ZoneInfo:
    """The time zone `name`; ContentError when this system does not know it."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ContentError(
            f"unknown time zone '{name}'",
            hint="write it as in Europe/Amsterdam; a system without a time zone database needs "
            "the Python package tzdata",
        ) from None


def distance(text: str) -> timedelta:
    """`-2h30m` as a timedelta; ContentError when it is not of that form."""
    if not re.fullmatch(r"[+-]?(\d+[wdhms])+", text):
        raise ContentError(
            f"'{text}' is not a distance in time", hint="write it as -3d, -2h30m, +1d or 0m"
        )
    parts = re.findall(r"(\d+)([wdhms])", text)
    length = sum((timedelta(**{_UNITS[unit]: int(count)}) for count, unit in parts), timedelta())
    return -length if text.startswith("-") else length


def shifted(anchor: datetime, text: str) -> datetime:
    """The instant `text` away from `anchor`, in its zone; a day is 24 hours."""
    return moved(anchor, distance(text).total_seconds())


def moved(anchor: datetime, seconds: float) -> datetime:
    """The instant `seconds` after `anchor`, in its zone, to the second."""
    instant = anchor.astimezone(UTC) + timedelta(seconds=round(seconds))
    return instant.astimezone(anchor.tzinfo)


def spans(low: datetime, high: datetime, hours: list[int]) -> list[tuple[float, float]]:
    """The spans in epoch seconds from `low` to `high`, within `hours` [from, to) of each day."""
    first, last = low.timestamp(), high.timestamp()
    if not hours:
        return [(first, last)]
    found = []
    day = low.replace(hour=0, minute=0, second=0, microsecond=0)
    while day.timestamp() <= last:
        opens = day.replace(hour=hours[0]).timestamp()
        closes = day + timedelta(days=1) if hours[1] == 24 else day.replace(hour=hours[1])
        start, end = max(opens, first), min(closes.timestamp() - 1, last)
        if start <= end:
            found.append((start, end))
        day += timedelta(days=1)
    return found
