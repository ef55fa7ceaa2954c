"""Key pairs and certificates: what others read, and the same each time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sandbox.errors import ContentError
from sandbox.variants import keys
from sandbox.variants.drbg import Drbg

WANTED = keys.CertificateRequest(
    subject="www.pebble.example",
    names=["www.pebble.example", "10.7.9.4"],
    ca=False,
    not_before=datetime(2026, 1, 2, tzinfo=UTC),
    not_after=datetime(2027, 1, 2, tzinfo=UTC),
)


def rng(name: str = "a") -> Drbg:
    return Drbg(b"seed", name)


def authority(name: str, above: keys.CertificateText | None = None) -> keys.CertificateText:
    wanted = replace(WANTED, subject=f"CN={name},O=Pebble", names=[], ca=True)
    return keys.certificate(rng(name), wanted, issuer(above) if above else None)


def issuer(above: keys.CertificateText) -> keys.Issuer:
    return keys.Issuer(above.certificate, above.key, above.chain)


def parsed(text: keys.CertificateText) -> x509.Certificate:
    return x509.load_pem_x509_certificate(text.certificate.encode())


def test_an_ssh_key_pair_is_one_that_others_read() -> None:
    pair = keys.ed25519(rng(), "bo@web")
    private = serialization.load_ssh_private_key(pair.private.encode(), None)
    public = private.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )

    assert pair.public == f"{public.decode()} bo@web"


def test_the_same_seed_gives_the_same_key_pair() -> None:
    assert keys.ed25519(rng(), "x") == keys.ed25519(rng(), "x")
    assert keys.ed25519(rng(), "x") != keys.ed25519(rng("b"), "x")


def test_a_fingerprint_is_as_ssh_prints_it() -> None:
    fingerprint = keys.ed25519(rng(), "").fingerprint

    assert fingerprint.startswith("SHA256:")
    assert len(fingerprint) == len("SHA256:") + 43


def test_the_same_seed_gives_the_same_certificate() -> None:
    assert keys.certificate(rng(), WANTED) == keys.certificate(rng(), WANTED)


def test_a_certificate_signs_itself_where_no_issuer_is_named() -> None:
    text = keys.certificate(rng(), WANTED)

    parsed(text).verify_directly_issued_by(parsed(text))
    assert text.chain == text.certificate


def test_a_certificate_has_the_names_and_times_that_were_wanted() -> None:
    made = parsed(keys.certificate(rng(), WANTED))
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value

    assert names.get_values_for_type(x509.DNSName) == ["www.pebble.example"]
    assert names.get_values_for_type(x509.IPAddress) == [ip_address("10.7.9.4")]
    assert made.not_valid_before_utc == WANTED.not_before
    assert made.not_valid_after_utc == WANTED.not_after


def test_the_key_is_the_certificates() -> None:
    text = keys.certificate(rng(), WANTED)
    key = serialization.load_pem_private_key(text.key.encode(), None)

    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.public_key() == parsed(text).public_key()


def test_a_chain_leads_up_to_the_root_and_leaves_it_out() -> None:
    root = authority("root")
    middle = authority("middle", root)
    leaf = keys.certificate(rng(), WANTED, issuer(middle))

    parsed(leaf).verify_directly_issued_by(parsed(middle))
    parsed(middle).verify_directly_issued_by(parsed(root))
    assert leaf.chain == leaf.certificate + middle.certificate
    assert middle.chain == middle.certificate


def test_a_client_that_trusts_the_root_accepts_the_chain() -> None:
    root = authority("root")
    leaf = keys.certificate(rng(), WANTED, issuer(root))
    verifier = (
        x509.verification.PolicyBuilder()
        .store(x509.verification.Store([parsed(root)]))
        .time(datetime(2026, 6, 1, tzinfo=UTC))
        .build_server_verifier(x509.DNSName("www.pebble.example"))
    )

    assert verifier.verify(parsed(leaf), [])[-1] == parsed(root)


def test_a_subject_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(ContentError, match="cannot be read"):
        keys.certificate(rng(), replace(WANTED, subject="CN=a,=b"))
