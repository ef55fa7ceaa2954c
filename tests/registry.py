"""A registry for images: Debian's docker-registry, with its files in a folder of its own."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

PACKAGE = "docker-registry"
USER, PASSWORD = "school", "chalk and cheese"
START_SECONDS = 20.0


@dataclass(frozen=True)
class Registry:
    """One that runs; `name` is what images are pushed to."""

    address: str
    port: int

    @property
    def name(self) -> str:
        return f"{self.address}:{self.port}/internbox-tests"

    def met_at(self, address: str) -> Registry:
        """The same, for an engine that meets it there."""
        return replace(self, address=address)

    def tags(self, image: str, password: bool = False) -> list[str]:
        """Of `internbox/<image>`."""
        url = f"http://{self.address}:{self.port}/v2/internbox-tests/internbox/{image}/tags/list"
        request = urllib.request.Request(url)
        if password:
            request.add_header("Authorization", f"Basic {credentials()}")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return list(json.load(answer)["tags"])

    def login(self, folder: Path) -> dict[str, str]:
        """What `docker login` leaves in `folder`, and the variable that names it."""
        folder.mkdir()
        known = {"auths": {f"{self.address}:{self.port}": {"auth": credentials()}}}
        (folder / "config.json").write_text(json.dumps(known))
        return {"DOCKER_CONFIG": str(folder)}


def credentials() -> str:
    return base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@contextlib.contextmanager
def running(
    folder: Path, *, address: str = "127.0.0.1", password: bool = False
) -> Iterator[Registry]:
    """A registry that is empty; it ends with the block."""
    with socket.create_server((address, 0)) as free:
        port = free.getsockname()[1]
    settings: dict[str, object] = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(folder / "images")}},
        "http": {"addr": f"{address}:{port}"},
    }
    if password:
        settings["auth"] = {"htpasswd": {"realm": "school", "path": str(_htpasswd(folder))}}
    (folder / "config.yml").write_text(json.dumps(settings))  # JSON is YAML
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [program(), "serve", str(folder / "config.yml")],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        _wait(f"http://{address}:{port}/v2/", process, folder / "log")
        yield Registry(address, port)
    finally:
        process.terminate()
        process.wait(20)


def program() -> str:
    """docker-registry as installed, or out of its package, which is not installed for it."""
    if installed := shutil.which(PACKAGE):
        return installed
    cache = Path(os.environ.get("INTERNBOX_TEST_CACHE", "/var/cache/internbox-tests"))
    kept = cache / PACKAGE
    if not kept.is_dir():
        try:
            _unpack(kept)
        except (OSError, subprocess.CalledProcessError) as error:
            refused = pytest.fail if os.environ.get("CI") else pytest.skip
            refused(f"{PACKAGE} cannot be had: {error}; apt-get install {PACKAGE}")
    return str(kept / "usr/bin/docker-registry")


def _unpack(kept: Path) -> None:
    draft = kept.with_name(f".{kept.name}.{os.getpid()}")
    draft.mkdir(parents=True)
    try:
        if subprocess.run(["apt-get", "download", PACKAGE], cwd=draft, check=False).returncode:
            subprocess.run(["apt-get", "update", "-q"], check=True)
            subprocess.run(["apt-get", "download", PACKAGE], cwd=draft, check=True)
        (package,) = draft.glob("*.deb")
        subprocess.run(["dpkg-deb", "-x", package, draft], check=True)
        package.unlink()
        draft.rename(kept)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _htpasswd(folder: Path) -> Path:
    import bcrypt

    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    (folder / "htpasswd").write_text(f"{USER}:{hashed}\n")
    return folder / "htpasswd"


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except urllib.error.HTTPError:
            return  # it wants a password
        except OSError:
            ended = process.poll() is not None or time.monotonic() > deadline
            assert not ended, f"the registry does not answer: {log.read_text()[-2000:]}"
            time.sleep(0.05)
