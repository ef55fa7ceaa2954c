"""The connection to one engine, and what the engine says of itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sandbox.errors import EngineError
from sandbox.runtime.base import EngineInfo
from sandbox.runtime.endpoint import EngineEndpoint, Tls, ssh_settings
from sandbox.runtime.failures import OLDEST_API, explained, too_old
from sandbox.runtime.sdk import docker

PATIENCE = 120  # seconds without an answer; a busy engine may think for a while
LONG_PATIENCE = 3600  # for builds and transfers, which can be silent for long
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class Engine:
    """One engine; connected at the first use. Safe to use from several threads."""

    def __init__(self, endpoint: EngineEndpoint) -> None:
        self.endpoint = endpoint
        self._lock = threading.Lock()
        self._asking = threading.Lock()
        self._clients: dict[int, Any] = {}
        self._facts: dict[str, Any] | None = None
        self._clock_ahead = 0.0

    def doing(self, what: str) -> AbstractContextManager[None]:
        """Within it, a failure of the engine is raised as EngineError that starts with `what`."""
        return explained(what, self.endpoint)

    @property
    def api(self) -> Any:
        """The SDK's client; EngineError when no engine answers or it is too old.

        Untyped: some calls need a parameter that the SDK's public methods lack.
        """
        return self._client(PATIENCE)

    @property
    def patient(self) -> Any:
        """The same for builds and transfers."""
        return self._client(LONG_PATIENCE)

    @contextmanager
    def brief(self, seconds: int) -> Iterator[Any]:
        """The same for what must not take long."""
        yield self._client(seconds)

    def close(self) -> None:
        """Closes the connections; the next use opens new ones."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()

    def _client(self, timeout: int) -> Any:
        with self._lock:
            if timeout not in self._clients:
                with self.doing("connecting"):
                    self._clients[timeout] = self._connect(timeout)
            return self._clients[timeout]

    def _connect(self, timeout: int) -> Any:
        """A client that speaks the engine's own API version."""
        scheme, _, path = self.endpoint.url.partition("://")
        if scheme == "unix" and not Path(path).exists():
            raise FileNotFoundError(path)
        client: Any = docker.APIClient(
            base_url=with_ssh_port(self.endpoint.url),
            version=OLDEST_API,
            timeout=timeout,
            tls=_tls_config(self.endpoint.tls) if self.endpoint.tls else False,
            use_ssh_client=True,  # it honours ~/.ssh/config, as docker does
            max_pool_size=32,
        )
        if self.endpoint.tls or scheme == "unix":
            # $REQUESTS_CA_BUNDLE would win over the endpoint's own CA; for a socket, looking for
            # proxies takes half the time of a call
            client.trust_env = False
        try:
            client._version = self._accepted_version(client)
        except BaseException:
            client.close()
            raise
        return client

    def _accepted_version(self, client: Any) -> str:
        """A ping tells it, too, and at once: for `version` the engine asks its helpers first."""
        ping = client._get(client._url("/_ping", versioned_api=False))
        spoken = str(ping.headers.get("Api-Version", ""))
        if spoken and not docker.utils.version_lt(spoken, OLDEST_API):
            return spoken
        told = client.version(api_version=False)
        if docker.utils.version_lt(told["ApiVersion"], OLDEST_API):
            raise too_old(told["Version"], self.endpoint)
        return str(told["ApiVersion"])

    def facts(self) -> dict[str, Any]:
        """The engine's `docker info`, asked once."""
        api = self.api
        with self._asking:  # several threads want it first, and it takes the engine a while
            if self._facts is None:
                with self.doing("asking the engine about itself"):
                    before = time.time()
                    facts = api.info()
                    middle = (before + time.time()) / 2
                self._clock_ahead = _epoch(facts.get("SystemTime", "")) - middle
                self._facts = facts
            return self._facts

    def clock(self) -> float:
        """The engine's own time, epoch seconds."""
        self.facts()
        return time.time() + self._clock_ahead

    @property
    def architecture(self) -> str:
        reported = str(self.facts().get("Architecture", ""))
        return ARCHITECTURES.get(reported, reported)

    def security(self) -> tuple[str, ...]:
        """Names of the security options: apparmor, seccomp, selinux, rootless, userns."""
        options = self.facts().get("SecurityOptions") or []
        return tuple(str(option).split(",")[0].removeprefix("name=") for option in options)

    def cannot_limit(self) -> tuple[str, ...]:
        """What the engine's kernel has no limits for, and so a machine may use up."""
        facts = self.facts()
        kinds = {"memory": "MemoryLimit", "processors": "CpuCfsQuota", "processes": "PidsLimit"}
        return tuple(what for what, key in kinds.items() if facts.get(key) is False)

    def info(self) -> EngineInfo:
        facts = self.facts()
        return EngineInfo(
            version=str(facts.get("ServerVersion", "")),
            api=self.api.api_version,
            architecture=self.architecture,
            cgroup=str(facts.get("CgroupVersion", "1")),
            security=self.security(),
            clock=self.clock(),
            endpoint=str(self.endpoint),
            cannot_limit=self.cannot_limit(),
        )

    def require_real_root(self) -> None:
        """EngineError where a machine can never boot: rootless, or user namespaces."""
        for kind in ("rootless", "userns"):
            if kind in self.security():
                raise EngineError(
                    f"no machine boots on the Docker engine at {self.endpoint}: it is {kind}",
                    hint="use an engine that runs as root, without userns-remap",
                )


def with_ssh_port(url: str) -> str:
    """An ssh:// URL with the port of ~/.ssh/config, which the SDK would override with 22."""
    parts = urlsplit(url)
    if parts.scheme != "ssh" or parts.port:
        return url
    port = ssh_settings(parts.hostname or "").get("port", "22")
    return f"ssh://{parts.netloc}:{port}"


def _tls_config(tls: Tls) -> docker.tls.TLSConfig:
    pair = (str(tls.cert), str(tls.key)) if tls.cert and tls.key else None
    return docker.tls.TLSConfig(
        client_cert=pair, ca_cert=str(tls.ca) if tls.ca else None, verify=tls.verify
    )


def _epoch(text: str) -> float:
    """Epoch seconds of the engine's RFC 3339 time; now when it does not say."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return time.time()
