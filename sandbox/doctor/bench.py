"""What the checks look at: this computer and the engine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from sandbox.errors import EngineError, InternboxError
from sandbox.paths import builtin_content

if TYPE_CHECKING:
    from sandbox.paths import Home
    from sandbox.runtime.base import EngineInfo, ImageState, Runtime

STANDARD_SOCKET = "unix:///var/run/docker.sock"

State = Literal["ok", "warn", "bad", "fixable"]


class Finding(Struct, frozen=True, kw_only=True):
    """What one check saw. `cure` says what to do; `fix` names what `--fix` would run, and `asks`
    is what it must be allowed first."""

    name: str
    state: State
    found: str
    required: str = ""
    cure: str = ""
    fix: str = ""
    asks: str = ""


class Bench:
    """This computer, and the engine behind `runtime`. A test puts a made-up one in its place.

    `root` is where /proc, /etc and so on are looked for.
    """

    root = Path("/")

    def __init__(
        self,
        runtime: Callable[[], Runtime],
        home: Home,
        content: Sequence[Path] = (),
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._runtime = runtime
        self.home = home
        self.content = content
        self.progress = progress
        self._asked: EngineInfo | InternboxError | None = None

    @property
    def runtime(self) -> Runtime:
        """Raises EngineError when the endpoint itself is badly set."""
        return self._runtime()

    def engine(self, *, anew: bool = False) -> EngineInfo | InternboxError:
        """What the engine says of itself, or why it does not; asked once, unless `anew`."""
        if self._asked is None or anew:
            try:
                self._asked = self.runtime.info()
            except InternboxError as error:
                self._asked = error
        return self._asked

    def info(self) -> EngineInfo | None:
        found = self.engine()
        return None if isinstance(found, InternboxError) else found

    def images(self) -> list[tuple[Path, ImageState]]:
        """The images of the listed scenarios, and the machine image that every machine needs, each
        with its content folder."""
        from sandbox import scenarios
        from sandbox.runtime.sources import TOOLS_IMAGE

        by_folder: dict[Path, set[str]] = {builtin_content(): {TOOLS_IMAGE}}
        for row in scenarios.summaries(self.content, self.home.index):
            if row.status == "ready":
                by_folder.setdefault(Path(row.content), set()).update(row.images)
        return [
            (folder, state)
            for folder, names in by_folder.items()
            for state in self.runtime.image_states(folder, sorted(names))
        ]

    # --- this computer ---

    @property
    def platform(self) -> str:
        return sys.platform

    @property
    def is_root(self) -> bool:
        return hasattr(os, "geteuid") and os.geteuid() == 0

    def read(self, path: str) -> str:
        """A small file, without the newline at its end; empty when there is none."""
        try:
            return (self.root / path.lstrip("/")).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            return ""

    def exists(self, path: str) -> bool:
        return (self.root / path.lstrip("/")).exists()

    def which(self, program: str) -> str | None:
        return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")

    def groups(self) -> list[str]:
        """The groups that this process has, by name."""
        import grp

        known = {entry.gr_gid: entry.gr_name for entry in grp.getgrall()}
        return [known[gid] for gid in os.getgroups() if gid in known]

    def free_gib(self, path: str) -> float | None:
        """Free space where `path` lies; None when it does not exist."""
        try:
            return shutil.disk_usage(self.root / path.lstrip("/")).free / 2**30
        except OSError:
            return None

    def inotify_used(self) -> int:
        """How many inotify instances root's processes have, as far as one can see; only root sees
        them all."""
        used = 0
        for process in (self.root / "proc").glob("[0-9]*") if self.is_root else ():
            with suppress(OSError):  # it has just ended
                if process.stat().st_uid == 0:
                    found = (str(fd.readlink()) for fd in (process / "fd").iterdir())
                    used += sum(target == "anon_inode:inotify" for target in found)
        return used

    def run(self, command: Sequence[str], *, timeout: float = 600) -> str:
        """Run a command, with sudo when that is needed; its output. Raises EngineError."""
        line = [*([] if self.is_root else ["sudo"]), *command]
        try:
            done = subprocess.run(
                line,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=timeout,
                env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise EngineError(f"{' '.join(line)}: {error}") from error
        if done.returncode:
            last = "\n".join(done.stdout.splitlines()[-5:])
            raise EngineError(f"{' '.join(line)} ended with {done.returncode}:\n{last}")
        return done.stdout

    @property
    def engine_is_here(self) -> bool:
        """Whether the engine runs on this very kernel, not in a virtual machine or elsewhere."""
        if self.platform != "linux":
            return False
        info = self.info()
        where = info.endpoint if info else os.environ.get("DOCKER_HOST", STANDARD_SOCKET)
        return where.startswith(("unix:///run/", "unix:///var/run/"))
