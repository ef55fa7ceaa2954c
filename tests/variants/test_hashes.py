"""Password hashes against published vectors."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from sandbox.variants import hashes


@pytest.mark.parametrize(
    ("rounds", "password", "salt", "expected"),
    [  # SHA-crypt's own test vectors, https://www.akkadia.org/drepper/SHA-crypt.txt
        (
            5000,
            "Hello world!",
            "saltstring",
            "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEd"
            "FCoEOfaS35inz1",
        ),
        (
            5000,
            "This is just a test",
            "toolongsaltstring",
            "$6$toolongsaltstrin$lQ8jolhgVRVhY4b5pZKaysCLi0QBxGoNeKQzQ3glMhwllF7oGDZxUhx1yxdYcz/e1JS"
            "bq3y6JMxxl8audkUEm0",
        ),
        (
            10000,
            "Hello world!",
            "saltstringsaltstring",
            "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0D"
            "p8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v.",
        ),
    ],
)
def test_sha512crypt_gives_the_published_hash(
    rounds: int, password: str, salt: str, expected: str
) -> None:
    assert hashes.sha512crypt(password, salt, rounds=rounds) == expected


def test_a_salt_is_of_characters_that_shadow_knows() -> None:
    text = hashes.salt_text(bytes(range(256)))

    assert len(text) == 256
    assert set(text) == set("./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")


def test_scram_gives_the_server_signature_of_rfc_7677() -> None:
    stored = hashes.scram("pencil", base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="))
    method, salted, keys = stored.split("$")
    server_key = base64.b64decode(keys.split(":")[1])
    conversation = (
        "n=user,r=rOprNGfwEbeRWgbNEkqO,"
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    )
    signature = hmac.new(server_key, conversation.encode(), hashlib.sha256).digest()

    assert (method, salted) == ("SCRAM-SHA-256", "4096:W22ZaJ0SNY7soEsUEjb6gQ==")
    assert base64.b64encode(signature) == b"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
