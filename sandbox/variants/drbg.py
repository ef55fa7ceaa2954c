"""A random generator whose results never change: HMAC-SHA256 in counter mode."""

from __future__ import annotations

import hmac
import struct
from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")

# Blocks made at a time, of few draws and of many: a matter of speed alone, the stream is the same.
_FEW, _MANY = 2, 32


class Drbg:
    """A stream of random bytes fixed by `key` and `message`, for ever and on every Python.

    Methods are spelled here, not taken from `random`, whose results may change between versions.
    """

    def __init__(self, key: bytes, message: bytes | str) -> None:
        text = message.encode() if isinstance(message, str) else message
        self._key = hmac.digest(key, text, "sha256")
        self._counter = 0
        self._buffer = b""
        self._at = 0

    def child(self, name: str) -> Drbg:
        """An independent generator named `name`; drawing from it does not move this one."""
        return Drbg(self._key, name)

    def bytes(self, count: int) -> bytes:
        """The next `count` bytes."""
        while len(self._buffer) - self._at < count:
            self._refill(count)
        self._at += count
        return self._buffer[self._at - count : self._at]

    def _refill(self, count: int) -> None:
        blocks = max(min(_FEW + self._counter, _MANY), count // 32 + 1)
        fresh = [
            hmac.digest(self._key, struct.pack(">Q", self._counter + index), "sha256")
            for index in range(blocks)
        ]
        self._counter += blocks
        self._buffer = self._buffer[self._at :] + b"".join(fresh)
        self._at = 0

    def words(self, count: int) -> tuple[int, ...]:
        """`count` numbers of 64 bits at once, for makers of many lines."""
        return struct.unpack(f">{count}Q", self.bytes(8 * count))

    def below(self, limit: int) -> int:
        """A whole number from 0 to `limit` - 1, each as likely; ValueError when there is none."""
        if limit < 1:
            raise ValueError(f"nothing lies below {limit}")
        size = (limit - 1).bit_length()
        length, spare = (size + 7) // 8, -size % 8
        while True:
            drawn = int.from_bytes(self.bytes(length), "big") >> spare
            if drawn < limit:
                return drawn

    def between(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both possible."""
        return low + self.below(high - low + 1)

    def uniform(self) -> float:
        """A number from 0 up to, not including, 1."""
        return float(int.from_bytes(self.bytes(7), "big") >> 3) / float(1 << 53)

    def chance(self, numerator: int, denominator: int) -> bool:
        """True `numerator` times out of `denominator`."""
        return self.below(denominator) < numerator

    def choice(self, items: Sequence[Item]) -> Item:
        """One of `items`."""
        return items[self.below(len(items))]

    def weighted(self, items: Sequence[Item], weights: Sequence[int]) -> Item:
        """One of `items`, each as likely as its weight says."""
        rest = self.below(sum(weights))
        for item, weight in zip(items, weights, strict=True):
            if rest < weight:
                return item
            rest -= weight
        raise AssertionError("the weights sum to more than themselves")

    def shuffled(self, items: Sequence[Item]) -> list[Item]:
        """All of `items` in a drawn order."""
        return self.sample(items, len(items))

    def sample(self, items: Sequence[Item], count: int) -> list[Item]:
        """`count` different places of `items` in a drawn order; ValueError when there are fewer."""
        if count > len(items):
            raise ValueError(f"cannot take {count} of {len(items)}")
        pool = list(items)
        for index in range(count):
            other = index + self.below(len(pool) - index)
            pool[index], pool[other] = pool[other], pool[index]
        return pool[:count]
