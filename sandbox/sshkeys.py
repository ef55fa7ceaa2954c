"""The keys of an attempt, in the formats of their users, and the files that SSH reads."""

from __future__ import annotations

import os
import secrets
from base64 import b64encode
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox.paths import AttemptFiles
from sandbox.variants.hashes import salt_text, sha512crypt


@dataclass(frozen=True)
class Endpoint:
    """One way into a machine; `host_key` pins it: "ssh-ed25519 AAAA…", a comment may follow."""

    host: str  # its name in the scenario, for messages
    connect: str
    port: int
    user: str
    key: Path  # the private key's file
    host_key: str


@dataclass(frozen=True)
class KeyPair:
    """An ed25519 key: `private` in OpenSSH's format, `public` as one line."""

    private: str
    public: str


def key_pair(comment: str) -> KeyPair:
    """A new key."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return KeyPair(private.decode(), f"{public.decode()} {comment}".rstrip())


def dropbear_host_key(private: str) -> str:
    """The same ed25519 key as dropbear keeps it, in base64."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = serialization.load_ssh_private_key(private.encode(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError("only ed25519 keys are used")
    both = key.private_bytes_raw() + key.public_key().public_bytes_raw()
    kind = b"ssh-ed25519"
    packed = b"".join(len(part).to_bytes(4, "big") + part for part in (kind, both))
    return b64encode(packed).decode()


def crypt(password: str) -> str:
    """A line for /etc/shadow, sha512crypt with a new salt: quick to make, for a password that
    guards nothing from the outside."""
    return sha512crypt(password, salt_text(secrets.token_bytes(16)), rounds=1000)


def write_keys(files: AttemptFiles, *, learner: KeyPair, grader: KeyPair) -> None:
    """The learner's and the grader's keys, readable by their owner alone."""
    files.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    files.root.chmod(0o700)
    for path, pair in ((files.learner_key, learner), (files.grader_key, grader)):
        _write_private(path, pair.private)
        _write_private(path.with_suffix(".pub"), pair.public + "\n")


def public_keys(files: AttemptFiles) -> tuple[str, str]:
    """The public lines of the learner's and the grader's key."""
    learner, grader = (
        path.with_suffix(".pub").read_text().strip()
        for path in (files.learner_key, files.grader_key)
    )
    return learner, grader


def write_config(files: AttemptFiles, endpoints: Iterable[Endpoint]) -> None:
    """`ssh -F ssh_config HOST` for each endpoint, and the known_hosts it checks against."""
    config, known = [], []
    for endpoint in endpoints:
        config.append(_stanza(endpoint, files.known_hosts))
        kind, text = endpoint.host_key.split()[:2]
        known.append(f"[{endpoint.connect}]:{endpoint.port} {kind} {text}\n")
    _write_private(files.known_hosts, "".join(known))
    _write_private(files.ssh_config, "\n".join(config))


def _stanza(endpoint: Endpoint, known_hosts: Path) -> str:
    settings = {
        "HostName": endpoint.connect,
        "Port": str(endpoint.port),
        "User": endpoint.user,
        "IdentityFile": _config_path(endpoint.key),
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "ForwardAgent": "no",
        "UserKnownHostsFile": _config_path(known_hosts),
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "LogLevel": "ERROR",
    }
    lines = [f"    {name} {value}\n" for name, value in settings.items()]
    return f"Host {endpoint.host}\n" + "".join(lines)


def _config_path(path: Path) -> str:
    """Quoted for ssh_config: paths may hold spaces, and % starts a token there."""
    return '"' + str(path).replace("%", "%%") + '"'


def _write_private(path: Path, text: str) -> None:
    with _private_draft(path) as draft:
        draft.write_text(text)


@contextmanager
def _private_draft(path: Path) -> Iterator[Path]:
    """A file beside `path` that only its owner may read, and that takes its place at the end."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        yield draft
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
