"""Where the engine is: which URL reaches it, and where its published ports are met."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sandbox.errors import EngineError

LOOPBACK = "127.0.0.1"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - a remote engine's ports must be met from outside
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1", "")


@dataclass(frozen=True)
class Tls:
    """Files that secure a tcp endpoint; `verify` is whether the engine's certificate counts."""

    ca: Path | None
    cert: Path | None
    key: Path | None
    verify: bool = True


@dataclass(frozen=True)
class EngineEndpoint:
    """One engine, as the docker command would find it.

    Ports are published on `bind`, an address of the engine's host, and met at `connect`.
    """

    url: str
    source: str  # in words: "DOCKER_HOST", "context colima", "the default socket"
    bind: str = LOOPBACK
    connect: str = LOOPBACK
    tls: Tls | None = None

    @property
    def local(self) -> bool:
        """Whether ports that are free here are free for the engine."""
        return self.connect in LOCAL_NAMES

    def __str__(self) -> str:
        return f"{self.url} ({self.source})"


def find(environ: Mapping[str, str] | None = None, home: Path | None = None) -> EngineEndpoint:
    """The engine that `docker` would use: DOCKER_HOST, DOCKER_CONTEXT, the current context.

    INTERNBOX_BIND and INTERNBOX_CONNECT override where ports are published and met, for engines
    behind a tunnel or beside a container. EngineError when a context is not there.
    """
    environ = os.environ if environ is None else environ
    config = _config_folder(environ, home or Path.home())
    if url := environ.get("DOCKER_HOST"):
        return _placed(url, "DOCKER_HOST", _tls_from_environment(environ, config), environ)
    if name := environ.get("DOCKER_CONTEXT"):
        source = f"DOCKER_CONTEXT={name}"
    elif name := str(_read_json(config / "config.json").get("currentContext", "")):
        source = f"context {name}"
    if name and name != "default":
        url, tls = _context(config, name)
        return _placed(url, source, tls, environ)
    return _placed(
        _default_url(), "the default socket", _tls_from_environment(environ, config), environ
    )


def _default_url() -> str:
    if sys.platform == "win32":
        return "npipe:////./pipe/docker_engine"
    return "unix:///var/run/docker.sock"


def _config_folder(environ: Mapping[str, str], home: Path) -> Path:
    own = environ.get("DOCKER_CONFIG")
    return Path(own) if own else home / ".docker"


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise EngineError(
            f"{path} cannot be read: {error}", hint="mend or remove that file; docker reads it too"
        ) from error
    return found if isinstance(found, dict) else {}


def _context(config: Path, name: str) -> tuple[str, Tls | None]:
    """The URL and TLS material of a docker context; both lie under a hash of its name."""
    folder = hashlib.sha256(name.encode()).hexdigest()
    meta = _read_json(config / "contexts" / "meta" / folder / "meta.json")
    endpoint = (meta.get("Endpoints") or {}).get("docker") or {}
    if not endpoint.get("Host"):
        raise EngineError(
            f"the docker context {name!r} is not there",
            hint="docker context ls shows what is; docker context use NAME chooses",
        )
    files = config / "contexts" / "tls" / folder / "docker"
    tls = _tls_from_folder(files, verify=not endpoint.get("SkipTLSVerify", False))
    return str(endpoint["Host"]), tls


def _tls_from_environment(environ: Mapping[str, str], config: Path) -> Tls | None:
    """docker's rule: any value of DOCKER_TLS_VERIFY verifies; DOCKER_TLS takes any certificate."""
    verify = bool(environ.get("DOCKER_TLS_VERIFY"))
    if not (verify or environ.get("DOCKER_TLS")):
        return None
    folder = Path(environ.get("DOCKER_CERT_PATH") or config)
    return _tls_from_folder(folder, verify=verify) or Tls(None, None, None, verify)


def _tls_from_folder(folder: Path, *, verify: bool) -> Tls | None:
    def existing(name: str) -> Path | None:
        return folder / name if (folder / name).is_file() else None

    ca, cert, key = existing("ca.pem"), existing("cert.pem"), existing("key.pem")
    return Tls(ca, cert, key, verify) if ca or (cert and key) else None


def _placed(url: str, source: str, tls: Tls | None, environ: Mapping[str, str]) -> EngineEndpoint:
    if "://" not in url:
        raise EngineError(
            f"{source} is {url!r}, which is no engine's address",
            hint="unix:///path, tcp://host:port or ssh://user@host",
        )
    parts = urlsplit(url)
    host = (parts.hostname or "") if parts.scheme in ("tcp", "http", "https", "ssh") else ""
    if parts.scheme == "ssh":  # an alias of ~/.ssh/config is no name that a port is met at
        host = ssh_settings(host).get("hostname", host)
    local = host in LOCAL_NAMES and parts.scheme != "ssh"
    bind = environ.get("INTERNBOX_BIND") or (LOOPBACK if local else EVERYWHERE)
    connect = environ.get("INTERNBOX_CONNECT") or (LOOPBACK if local else host)
    return EngineEndpoint(url, source, bind, connect, tls if parts.scheme == "tcp" else None)


def ssh_settings(host: str) -> dict[str, str]:
    """What the ssh command would use for `host`, by lower-case keyword; empty without it."""
    try:
        told = subprocess.run(
            ["ssh", "-G", "--", host], capture_output=True, text=True, timeout=10, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return {}
    return dict(line.split(" ", 1) for line in told.splitlines() if " " in line)
