"""The report of a machine's boot, which only the machine program can have written.

It is measured before init runs, and sealed with a key that the engine gave to that program alone.
What brings it to us is a process inside the machine, where the learner's root may put other words
into its mouth; without the key they do not verify.

    boot    epoch.nanoseconds                  when it was begun, by the engine's clock
    ctime   type  mode  uid:gid  size  …  path  a listing, as `tamper` reads it
    seal    HMAC-SHA256 of all before this line, in hexadecimal

Columns are joined by tabs.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass


class NotGenuine(Exception):
    """Not a report that was sealed with this key."""


@dataclass(frozen=True)
class Report:
    booted: float  # epoch seconds
    listing: str


def opened(report: bytes, seal: str) -> Report:
    """The report with its seal broken; NotGenuine when any byte is not as it was sealed."""
    body, mark, told = report.rpartition(b"seal\t")
    expected = hmac.digest(seal.encode(), body, "sha256").hex().encode() + b"\n"
    if not (seal and mark and hmac.compare_digest(told, expected)):
        raise NotGenuine
    first, _, listing = body.decode(errors="replace").partition("\n")
    return Report(float(first.removeprefix("boot\t")), listing)
