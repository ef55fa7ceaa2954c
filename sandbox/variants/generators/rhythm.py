"""When things happen at a firm: much in office hours, little at night, less on weekends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sandbox.variants.drbg import Drbg

# Relative traffic for each hour of the day, on working days and on weekends.
OFFICE = (
    (2, 2, 2, 2, 3, 8, 25, 60, 100, 115, 110, 100, 60, 95, 105, 100, 80, 45, 20, 10, 6, 4, 3, 2),
    (2, 1, 1, 1, 2, 3, 6, 8, 10, 12, 12, 10, 8, 9, 9, 8, 6, 5, 4, 4, 3, 3, 2, 2),
)
DUTY = (  # logins: somebody is on call, and strangers never sleep
    (6, 6, 6, 6, 8, 12, 30, 60, 90, 100, 95, 90, 60, 85, 95, 90, 70, 40, 20, 12, 10, 8, 7, 6),
    (6, 6, 6, 6, 6, 6, 7, 8, 9, 10, 10, 9, 8, 8, 8, 8, 7, 7, 7, 6, 6, 6, 6, 6),
)
STEADY = ((10,) * 24, (10,) * 24)  # machines and scanners
Rhythm = tuple[Sequence[int], Sequence[int]]

CLOCK = [f"{second // 60:02d}:{second % 60:02d}" for second in range(3600)]


@dataclass(frozen=True)
class Span:
    """`count` things between two aware instants."""

    start: datetime
    end: datetime
    count: int


@dataclass(frozen=True)
class Piece:
    """An hour, or a quarter of one where the zone's hours do not begin with UTC's: its beginning
    in local time, how long it is, and seconds from the hour's beginning at which something
    happens, in order."""

    begin: datetime
    minutes: int
    seconds: list[int]


def pieces(rng: Drbg, span: Span, rhythm: Rhythm = OFFICE) -> Iterator[Piece]:
    """`span.count` instants in order, spread over the pieces of the span by `rhythm`.

    Nothing is sorted and no instant is made alone, so that a million of them is quick.
    """
    parts = list(_parts(span, rhythm))
    total = sum(part.weight for part in parts)
    before = done = 0
    for part in parts:
        before += part.weight
        count = (2 * before * span.count + total) // (2 * total) - done
        done += count
        offset = part.begin.minute * 60 + part.first
        seconds = [
            offset + (index << 64 | word) * part.length // (count << 64)
            for index, word in enumerate(rng.words(count) if count else ())
        ]
        yield Piece(part.begin, part.minutes, seconds)


def instants(rng: Drbg, span: Span, rhythm: Rhythm = OFFICE) -> Iterator[datetime]:
    """The same as datetimes in the span's zone, for things that are not too many."""
    for piece in pieces(rng, span, rhythm):
        if piece.seconds:
            base = piece.begin.timestamp() - piece.begin.minute * 60
            for second in piece.seconds:
                yield datetime.fromtimestamp(base + second, piece.begin.tzinfo)


@dataclass(frozen=True)
class _Part:
    """A piece without its instants: those come `first` seconds into it or later."""

    begin: datetime
    minutes: int
    first: int
    length: int
    weight: int


def _parts(span: Span, rhythm: Rhythm) -> Iterator[_Part]:
    start, end = int(span.start.timestamp()), int(span.end.timestamp())
    zone = span.start.tzinfo or UTC
    offsets = [one.utcoffset() or timedelta() for one in (span.start, span.end)]
    size = 900 if any(offset % timedelta(hours=1) for offset in offsets) else 3600
    for epoch in range(start - start % size, end, size):
        begin = datetime.fromtimestamp(epoch, zone)
        first, last = max(start - epoch, 0), min(end - epoch, size)
        weight = rhythm[1 if begin.weekday() > 4 else 0][begin.hour] * (last - first)
        yield _Part(begin, size // 60, first, last - first, weight)
