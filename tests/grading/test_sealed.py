"""The sealed report of a boot: only as it was sealed is it believed."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

import pytest

from sandbox.grading import sealed
from sandbox.runtime.base import new_seal

SEAL = "5ea1" * 16
BODY = b"boot\t1700000000.123456789\n" + b"".join(
    b"%d.000000000\tf\t755\t0:0\t7\t%s\t/usr/bin/%s\n" % (1000 + number, b"ab" * 32, name)
    for number, name in enumerate([b"dig", b"tail", b"caf\xe9"])
)


def sealed_with(key: str, body: bytes = BODY) -> bytes:
    told = hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
    return body + f"seal\t{told}\n".encode()


def test_a_genuine_report_is_opened() -> None:
    report = sealed.opened(sealed_with(SEAL), SEAL)

    assert report.booted == pytest.approx(1700000000.123456789)
    assert report.listing.count("\n") == 3
    assert report.listing.endswith("/usr/bin/caf\ufffd\n"), "bytes that are no text do not matter"


FORGED: dict[str, Callable[[bytes], bytes]] = {
    "a digest changed": lambda told: told.replace(b"ab" * 32, b"cd" * 32, 1),
    "the time changed": lambda told: told.replace(b"boot\t17", b"boot\t18"),
    "a line left out": lambda told: told.replace(BODY.splitlines(keepends=True)[2], b""),
    "a line added": lambda told: told.replace(b"seal\t", b"x\nseal\t"),
    "cut off in a line": lambda told: told[:100],
    "cut off before the seal": lambda told: told[: told.index(b"seal\t")],
    "cut off in the seal": lambda told: told[:-10],
    "the end of the line cut off": lambda told: told[:-1],
    "something after the seal": lambda told: told + b"x\n",
    "something before it": lambda told: b"\n" + told,
    "sealed twice": lambda told: told + told[told.index(b"seal\t") :],
    "a seal of nothing": lambda told: b"boot\t1\nseal\t\n",
    "no text": lambda told: b"seal\t\xff\xfe\n",
    "nothing": lambda told: b"",
    "sealed with another key": lambda told: sealed_with(new_seal()),
    "sealed without a key": lambda told: sealed_with(""),
}


@pytest.mark.parametrize("how", FORGED)
def test_anything_else_is_not_genuine(how: str) -> None:
    with pytest.raises(sealed.NotGenuine):
        sealed.opened(FORGED[how](sealed_with(SEAL)), SEAL)


def test_without_a_key_nothing_is_genuine() -> None:
    with pytest.raises(sealed.NotGenuine):
        sealed.opened(sealed_with(""), "")


def test_every_machine_has_a_key_of_its_own_as_long_as_the_machine_wants_it() -> None:
    assert len(new_seal()) == 64
    assert new_seal() != new_seal()
