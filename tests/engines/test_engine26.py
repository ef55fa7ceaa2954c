"""The loop on a newer engine: that of Debian 13, run from a tree of that release."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.engine, pytest.mark.slow]

RELEASE = "trixie"
PACKAGES = ("docker.io", "iptables", "ca-certificates")
QUIET = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}


def cache() -> Path:
    return Path(os.environ.get("INTERNBOX_TEST_CACHE", "/var/cache/internbox-tests"))


def build(tree: Path) -> None:
    """The release with its engine; CalledProcessError when there is no way to its packages."""
    mirror = os.environ.get("INTERNBOX_DEBIAN_MIRROR", "")
    run(["debootstrap", "--variant=minbase", RELEASE, str(tree), *filter(None, [mirror])])
    (tree / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")  # starts no service
    (tree / "usr/sbin/policy-rc.d").chmod(0o755)
    shutil.copy("/etc/resolv.conf", tree / "etc/resolv.conf")
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *PACKAGES]
    run(["chroot", str(tree), *install])
    run(["chroot", str(tree), "apt-get", "clean"])


def run(command: list[str]) -> None:
    subprocess.run(
        command,
        env={**os.environ, **QUIET},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )


@pytest.fixture(scope="module")
def tree(refuse: Callable[[str], None]) -> Path:
    """The release as a folder, kept in the cache; nothing is ever written into it again."""
    if os.geteuid() != 0:
        pytest.skip("only root can make a tree of another release")
    kept = cache() / f"{RELEASE}-engine"
    kept.parent.mkdir(parents=True, exist_ok=True)
    with (kept.parent / f"{kept.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.is_dir():
            if not shutil.which("debootstrap"):
                refuse("a tree of another release needs debootstrap")
            draft = Path(tempfile.mkdtemp(prefix=f"{kept.name}.", dir=kept.parent))
            draft.chmod(0o755)
            try:
                build(draft)
                draft.rename(kept)
            except subprocess.CalledProcessError as error:
                refuse(f"{error}: {error.stdout[-2000:]}")
            finally:
                shutil.rmtree(draft, ignore_errors=True)
    return kept


@pytest.fixture(scope="module", params=["", "2"], ids=["cgroup as here", "cgroup v2 alone"])
def newer(new_engine: Callable[..., Any], tree: Path, request: pytest.FixtureRequest) -> Any:
    return new_engine(tree=tree, cgroup=request.param)


def test_the_whole_loop(newer: Any, learner: Any, loop: Any, tmp_path: Path) -> None:
    with newer.runtime(tmp_path) as runtime:
        version = runtime.info().version

    seen = loop(learner(newer.by_socket()))

    assert int(version.split(".")[0]) >= 26
    assert seen["ssh"] == ["intern", "desk"]
    assert seen["check"]["score"] == 0
    assert (seen["grade"]["outcome"], seen["grade"]["score"]) == ("passed", 100)
    assert seen["grade"]["tampered"] == []
