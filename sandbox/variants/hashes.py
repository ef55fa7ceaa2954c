"""Password hashes that systems store, made from a given salt."""

from __future__ import annotations

import base64
import hashlib
import hmac

_ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ROUNDS = 5000  # as long as nothing else is said
_CYCLE = 42  # rounds: what differs between them depends on 2, 3 and 7


def sha512crypt(password: str, salt: str, *, rounds: int = _ROUNDS) -> str:
    """`$6$<salt>$<hash>` as /etc/shadow holds it (Drepper's SHA-crypt, 1000 rounds at least).

    `salt` is up to 16 characters of `./0-9A-Za-z`; Python 3.13 no longer has a `crypt` module.
    """
    secret, pepper = password.encode(), salt.encode()[:16]
    size = len(secret)
    other = hashlib.sha512(secret + pepper + secret).digest()
    first = hashlib.sha512(secret + pepper + _stretch(other, size))
    bits = size
    while bits:
        first.update(other if bits & 1 else secret)
        bits >>= 1
    digest = first.digest()

    p = _stretch(hashlib.sha512(secret * size).digest(), size)
    s = _stretch(hashlib.sha512(pepper * (16 + digest[0])).digest(), len(pepper))
    around = [_around(number, p, s) for number in range(_CYCLE)]
    for number in range(rounds):
        before, after = around[number % _CYCLE]
        digest = hashlib.sha512(before + digest + after).digest()
    told = f"rounds={rounds}$" if rounds != _ROUNDS else ""
    return f"$6${told}{pepper.decode()}${_encode(digest)}"


def _around(number: int, p: bytes, s: bytes) -> tuple[bytes, bytes]:
    """What a round puts before and after the digest of the last one."""
    middle = (s if number % 3 else b"") + (p if number % 7 else b"")
    return (p + middle, b"") if number & 1 else (b"", middle + p)


def _stretch(digest: bytes, length: int) -> bytes:
    return (digest * (length // len(digest) + 1))[:length]


def _encode(digest: bytes) -> str:
    """SHA-crypt's own base 64: three bytes, 21 apart and rotated, at a time, low bits first."""
    text = []
    first, second, third = 0, 21, 42
    for _ in range(21):
        text.append(_digits(digest[first] << 16 | digest[second] << 8 | digest[third], 4))
        first, second, third = second + 1, third + 1, first + 1
    return "".join([*text, _digits(digest[63], 2)])


def _digits(number: int, count: int) -> str:
    return "".join(_ALPHABET[number >> 6 * place & 63] for place in range(count))


def salt_text(random: bytes) -> str:
    """Random bytes as the characters of a salt, one a byte."""
    return "".join(_ALPHABET[byte & 63] for byte in random)


def scram(password: str, salt: bytes, *, iterations: int = 4096) -> str:
    """PostgreSQL's stored form of a password, `SCRAM-SHA-256$4096:<salt>$<stored>:<server>`."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    texts = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${iterations}:{texts[0]}${texts[1]}:{texts[2]}"


def sha256(text: str) -> str:
    """SHA-256 of the text in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()
