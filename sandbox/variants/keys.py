"""Key pairs and certificates made from given random bytes: the same bytes, the same files."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sandbox.errors import ContentError
from sandbox.variants.drbg import Drbg

if TYPE_CHECKING:  # cryptography is imported only when a key is drawn: it takes a while
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

_OPENSSH = "OPENSSH PRIVATE KEY"
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@dataclass(frozen=True)
class KeyText:
    private: str  # OpenSSH's format
    public: str  # one line, with the comment
    fingerprint: str  # SHA256:…


def ed25519(rng: Drbg, comment: str) -> KeyText:
    """An SSH key pair. cryptography's own writer puts random numbers into the private file, so
    the format (PROTOCOL.key of OpenSSH) is written here."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    seed, check = rng.bytes(32), rng.bytes(4)
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    blob = _packed(b"ssh-ed25519", public)
    inner = check + check + blob + _packed(seed + public, comment.encode())
    inner += bytes(range(1, -len(inner) % 8 + 1))
    outer = b"openssh-key-v1\0" + _packed(b"none", b"none", b"") + struct.pack(">I", 1)
    text = base64.b64encode(outer + _packed(blob, inner)).decode()
    lines = "\n".join(text[start : start + 70] for start in range(0, len(text), 70))
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    return KeyText(
        private=f"-----BEGIN {_OPENSSH}-----\n{lines}\n-----END {_OPENSSH}-----\n",
        public=f"ssh-ed25519 {base64.b64encode(blob).decode()} {comment}".rstrip(),
        fingerprint=f"SHA256:{digest}",
    )


def _packed(*parts: bytes) -> bytes:
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


@dataclass(frozen=True)
class CertificateText:
    certificate: str  # PEM
    key: str  # PEM, PKCS #8
    chain: str  # PEM: the certificate and its issuers, without the root
    subject: str
    names: list[str]
    serial: str  # hexadecimal, as openssl prints it
    fingerprint: str  # SHA-256, hexadecimal
    not_before: datetime
    not_after: datetime


@dataclass(frozen=True)
class Issuer:
    """Who signs: its certificate and key in PEM, and its chain."""

    certificate: str
    key: str
    chain: str


@dataclass(frozen=True)
class CertificateRequest:
    subject: str  # a common name, or CN=…,O=…
    names: Sequence[str]
    ca: bool
    not_before: datetime
    not_after: datetime


def certificate(
    rng: Drbg, wanted: CertificateRequest, issuer: Issuer | None = None
) -> CertificateText:
    """A P-256 certificate, signed deterministically (RFC 6979); without an issuer, by itself."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    scalar = 1 + rng.below(_P256_ORDER - 1)
    key = ec.derive_private_key(scalar, ec.SECP256R1())
    serial = 1 << 126 | int.from_bytes(rng.bytes(15), "big")
    signer, above = _signer(key, issuer)
    made = _builder(wanted, key, serial, signer, above).sign(
        signer, hashes.SHA256(), ecdsa_deterministic=True
    )
    pem = made.public_bytes(serialization.Encoding.PEM).decode()
    chain = pem if issuer is None or _is_root(issuer) else pem + issuer.chain
    return CertificateText(
        certificate=pem,
        key=key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode(),
        chain=chain,
        subject=made.subject.rfc4514_string(),
        names=list(wanted.names),
        serial=f"{serial:X}",
        fingerprint=made.fingerprint(hashes.SHA256()).hex(),
        not_before=wanted.not_before,
        not_after=wanted.not_after,
    )


def _signer(
    own: ec.EllipticCurvePrivateKey, issuer: Issuer | None
) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate | None]:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    if issuer is None:
        return own, None
    key = serialization.load_pem_private_key(issuer.key.encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key, x509.load_pem_x509_certificate(issuer.certificate.encode())


def _is_root(issuer: Issuer) -> bool:
    from cryptography import x509

    above = x509.load_pem_x509_certificate(issuer.certificate.encode())
    return above.issuer == above.subject


def _builder(
    wanted: CertificateRequest,
    key: ec.EllipticCurvePrivateKey,
    serial: int,
    signer: ec.EllipticCurvePrivateKey,
    above: x509.Certificate | None,
) -> x509.CertificateBuilder:
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID

    subject = _subject(wanted.subject)
    builder = (
        x509.CertificateBuilder(serial_number=serial)
        .subject_name(subject)
        .issuer_name(above.subject if above else subject)
        .public_key(key.public_key())
        .not_valid_before(wanted.not_before.astimezone(UTC))
        .not_valid_after(wanted.not_after.astimezone(UTC))
        .add_extension(x509.BasicConstraints(ca=wanted.ca, path_length=None), critical=True)
        .add_extension(_usage(wanted.ca), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )
    if not wanted.ca:
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        builder = builder.add_extension(usage, critical=False)
    if wanted.names:
        names = x509.SubjectAlternativeName([_name(name) for name in wanted.names])
        builder = builder.add_extension(names, critical=False)
    return builder


def _subject(text: str) -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    if "=" not in text:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
    try:
        return x509.Name.from_rfc4514_string(text)
    except ValueError:
        raise ContentError(
            f"certificate subject {text!r} cannot be read", hint="write CN=…,O=… or a plain name"
        ) from None


def _name(text: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _usage(ca: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=not ca,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )
