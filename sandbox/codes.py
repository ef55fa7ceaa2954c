"""Start codes: a scenario, its edition, a seed and a learner in one line that can be typed.

A code is Crockford's base32 (no I, L, O, U; either case) in groups of five, over

    version · mark of the scenario · mark of its content · seed · learner id · checksum
    1         3 bytes                3                     5      UTF-8        2

It is not secret and proves nothing; who was given which one is for the course to remember.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import unicodedata
from binascii import Error as Base32Error
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox import scenarios
from sandbox.errors import InternboxError, UsageError
from sandbox.paths import ScenarioFiles

VERSION = b"\x01"
MARK = 3
SEED = 5
CHECK = 2
HEAD = len(VERSION) + 2 * MARK + SEED
GROUP = 5
LEARNER_BYTES = 64

_RFC = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_OURS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_TO_OURS = str.maketrans(_RFC, _OURS)
_TO_RFC = str.maketrans(_OURS + "OIL", _RFC + _RFC[0] + _RFC[1] * 2)
_IGNORED = "-‐‑‒– \t\r\n"  # noqa: RUF001 - a word processor makes other hyphens of them


@dataclass(frozen=True)
class StartCode:
    """What a code says; `scenario` and `content` are marks, the first bytes of hashes, in hex."""

    scenario: str
    content: str
    seed: str
    learner: str


def make(loaded: scenarios.Loaded, *, seed: str, learner: str = "") -> str:
    """The code of a variant. `seed` is of the kind that `variants.new_seed` and `seed_for` make."""
    return of(loaded.id, loaded.content_hash, seed, learner)


def of(scenario: str, content_hash: str, seed: str, learner: str) -> str:
    """The same, of a scenario that is not at hand."""
    return write(StartCode(_mark(scenario), content_hash[: 2 * MARK], seed, learner))


def seed_for(course_seed: str, learner: str) -> str:
    """A learner's own seed, which nobody can tell who does not know the course's."""
    digest = hmac.digest(course_seed.encode(), learner.encode(), "sha256")
    return base64.b32encode(digest[:SEED]).decode().lower()


def checked_learner(text: str) -> str:
    """A learner id without blanks around it. Raises UsageError for one that no code can carry."""
    learner = unicodedata.normalize("NFC", text.strip())
    if len(learner.encode()) > LEARNER_BYTES:
        raise UsageError(
            f"the learner id {learner[:20]}… is too long",
            hint=f"at most {LEARNER_BYTES} bytes: a number or a login, not a name with its address",
        )
    if not learner.isprintable():
        raise UsageError(f"the learner id {learner!r} holds what cannot be printed")
    return learner


def write(code: StartCode) -> str:
    payload = b"".join(
        (
            VERSION,
            bytes.fromhex(code.scenario),
            bytes.fromhex(code.content),
            base64.b32decode(code.seed.upper()),
            code.learner.encode(),
        )
    )
    letters = _letters(payload + _checksum(payload))
    return "-".join(letters[at : at + GROUP] for at in range(0, len(letters), GROUP))


def read(text: str) -> StartCode:
    """What a typed code says. Raises UsageError when it is mistyped."""
    payload = _bytes(text)
    head, learner = payload[:HEAD], payload[HEAD:]
    if head[:1] != VERSION:
        raise InternboxError(
            "this start code was made by a newer internbox", hint="update internbox"
        )
    try:
        name = learner.decode()
    except UnicodeDecodeError:
        raise _mistyped() from None
    return StartCode(
        scenario=head[1 : 1 + MARK].hex(),
        content=head[1 + MARK : 1 + 2 * MARK].hex(),
        seed=base64.b32encode(head[1 + 2 * MARK :]).decode().lower(),
        learner=name,
    )


def find(code: StartCode, content: Sequence[Path], index: Path | None = None) -> ScenarioFiles:
    """The scenario that the code is for. Raises InternboxError when it is not here."""
    for row in scenarios.summaries(content, index):
        if _mark(row.id) == code.scenario:
            return ScenarioFiles(Path(row.content), row.id)
    raise InternboxError(
        "this start code is for a scenario that is not here",
        hint="update internbox; for a course's own scenarios name its folder with --content",
    )


def require_edition(code: StartCode, loaded: scenarios.Loaded) -> None:
    """Raises InternboxError when the code is for another edition of the scenario."""
    if not loaded.content_hash.startswith(code.content):
        raise InternboxError(
            f"this start code is for another edition of {loaded.id} "
            f"({code.content}…, here is {loaded.content_hash[: len(code.content)]}…)",
            hint="update internbox; if it is up to date, ask who gave you the code for a new one",
        )


def _mark(scenario: str) -> str:
    return hashlib.sha256(scenario.encode()).hexdigest()[: 2 * MARK]


def _checksum(payload: bytes) -> bytes:
    return hashlib.sha256(b"internbox start code" + payload).digest()[:CHECK]


def _letters(data: bytes) -> str:
    return base64.b32encode(data).decode().rstrip("=").translate(_TO_OURS)


def _bytes(text: str) -> bytes:
    """The payload of a code, whose checksum fits."""
    letters = "".join(sign for sign in text if sign not in _IGNORED).upper()
    plain = letters.translate(_TO_RFC)
    try:
        data = base64.b32decode(plain + "=" * (-len(plain) % 8))
    except (Base32Error, ValueError):
        raise _mistyped() from None
    payload, check = data[:-CHECK], data[-CHECK:]
    written_so = _letters(data).translate(_TO_RFC) == plain
    if len(payload) < HEAD or check != _checksum(payload) or not written_so:
        raise _mistyped()
    return payload


def _mistyped() -> UsageError:
    return UsageError(
        "this is not a start code, or it is mistyped", hint="copy it whole, all groups of letters"
    )
