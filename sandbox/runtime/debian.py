"""The Debian release that all images stand on: the registry's, or one made with debootstrap."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import IO

from sandbox import labels, scratch
from sandbox.errors import EngineError, ImageError
from sandbox.runtime import pulling
from sandbox.runtime.base import Progress
from sandbox.runtime.engine import ARCHITECTURES, Engine
from sandbox.runtime.sources import REPOSITORY, release

PULL_SECONDS = 20  # without a word from the registry


def own_reference(parent: str, architecture: str) -> str:
    """The tag of a base of our own making."""
    return f"{REPOSITORY}/debian:{release(parent)}-{architecture}"


def present(engine: Engine, parent: str) -> str:
    """The reference to `debian:<release>` that the engine has; empty where it has none."""
    known = (own_reference(parent, engine.architecture), f"debian:{release(parent)}")
    return next((name for name in known if pulling.size_mib(engine, name) is not None), "")


def ensure(engine: Engine, parent: str, log: IO[str], progress: Progress) -> str:
    """A reference to `debian:<release>`: ours, the engine's, the registry's, or a new one."""
    upstream, own = f"debian:{release(parent)}", own_reference(parent, engine.architecture)
    if there := present(engine, parent):
        return there
    for source in filter(None, (pulling.registry_name(own), upstream)):
        progress(f"pulling {source} …")
        try:
            pulling.pull(engine, source, seconds=PULL_SECONDS)
        except EngineError as error:
            log.write(f"{source} could not be pulled: {error.message}\n")
        else:
            return source
    progress(f"no registry has {upstream}; making it with debootstrap (a minute or two) …")
    _bootstrap(engine, parent, own, log)
    return own


def _bootstrap(engine: Engine, parent: str, reference: str, log: IO[str]) -> None:
    _require_debootstrap(engine, parent)
    with scratch.folder() as folder:
        root = Path(folder) / "root"
        command = ["debootstrap", "--variant=minbase", release(parent), str(root)]
        if mirror := os.environ.get("INTERNBOX_DEBIAN_MIRROR"):
            command.append(mirror)
        log.flush()
        done = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=False)
        if done.returncode:
            raise ImageError(
                f"debootstrap could not make debian:{release(parent)} "
                f"(exit {done.returncode}); see {log.name}",
                hint="does this host reach deb.debian.org? $INTERNBOX_DEBIAN_MIRROR names another",
            )
        _tidy(root)
        _import(engine, root, reference)


def _tidy(root: Path) -> None:
    """Away with packages and lists, and with what debootstrap takes from the host it runs on."""
    for pattern in ("var/cache/apt/archives/*.deb", "var/cache/apt/*.bin", "var/lib/apt/lists/*"):
        for path in root.glob(pattern):
            if path.is_file():
                path.unlink()
    for name in ("etc/hostname", "etc/resolv.conf"):
        (root / name).unlink(missing_ok=True)


def _require_debootstrap(engine: Engine, parent: str) -> None:
    unreachable = f"no registry gives debian:{release(parent)}, and it cannot be made here"
    cure = (
        f"docker pull debian:{release(parent)} where there is a network, or internbox images load"
    )
    if not shutil.which("debootstrap"):
        raise ImageError(
            f"{unreachable}: debootstrap is missing",
            hint=f"{cure}; on Debian and Ubuntu also: sudo apt-get install debootstrap",
        )
    if os.geteuid() != 0:
        raise ImageError(
            f"{unreachable}: debootstrap needs root",
            hint=f"{cure}; or once: sudo -E internbox images build",
        )
    here = ARCHITECTURES.get(platform.machine(), platform.machine())
    if here != engine.architecture:
        raise ImageError(
            f"{unreachable}: this host is {here}, the engine {engine.architecture}", hint=cure
        )


def _import(engine: Engine, root: Path, reference: str) -> None:
    command = ["tar", "--numeric-owner", "--exclude=./dev/*", "-C", str(root), "-c", "."]
    repository, _, tag = reference.rpartition(":")
    with (
        engine.doing(f"importing {reference}"),
        subprocess.Popen(command, stdout=subprocess.PIPE) as tar,
    ):
        answer = engine.patient.import_image_from_stream(
            tar.stdout,
            repository=repository,
            tag=tag,
            changes=['CMD ["bash"]', f"LABEL {labels.ROLE}=image"],
        )
    if tar.returncode or '"error"' in answer:
        raise ImageError(f"{reference} could not be imported: {answer}", hint="internbox doctor")
