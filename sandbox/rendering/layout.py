"""What is laid on a machine before its first boot: overlay over overlay, rules applied."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import Literal

from sandbox.errors import ContentError
from sandbox.models import FileRule, FilesToml
from sandbox.rendering.offline import neighbours, offline_script
from sandbox.rendering.patterns import fits, is_pattern
from sandbox.rendering.personality import Personality, personality_files
from sandbox.rendering.templates import script
from sandbox.scenarios import Loaded, is_hidden, overlays, shown
from sandbox.scenarios.tomlfile import read
from sandbox.variants import Variant, rng
from sandbox.variants.instants import distance, shifted

SCRIPTS = ("offline.sh", "online.sh")
RESERVED = frozenset({"files.toml"} | {name + suffix for name in SCRIPTS for suffix in ("", ".j2")})
# Programs and libraries are the image's; what the kernel or the engine mounts is nobody's.
REFUSED = (
    *("/bin", "/sbin", "/lib", "/lib32", "/lib64"),
    *("/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib32", "/usr/lib64"),
    *("/proc", "/sys", "/dev", "/run", "/tmp", "/var/run", "/var/lock"),  # noqa: S108
    *("/opt/internbox", "/.internbox"),
)


@dataclass(frozen=True)
class LaidFile:
    """One path of a machine. `owner` is `user` or `user:group`, by name or number; `mtime` is in
    epoch seconds; `source` says where it comes from."""

    path: str
    source: str
    kind: Literal["file", "directory", "link", "delete"] = "file"
    data: bytes = b""
    link: str = ""
    mode: int = 0o644
    owner: str = "root"
    mtime: int = 0


@dataclass(frozen=True)
class Layout:
    """The files of a machine by path, the script before init and the one with services up."""

    files: list[LaidFile]
    offline: str
    neighbours: list[str]  # folders whose entries get a fresh ctime, so that none stands out by it
    online: str


def layout(loaded: Loaded, variant: Variant, host: str, own: Personality) -> Layout:
    """What is laid on `host`: the personality, the company, the host, the fault, later ones over
    earlier ones. ContentError names the overlay file or rule that cannot be laid."""
    laid = {file.path: file for file in _personality(variant, host, own)}
    steps: dict[str, list[tuple[str, str]]] = {name: [] for name in SCRIPTS}
    hidden = is_hidden(loaded.settings.hosts[host])
    for folder in overlays(loaded.files, host, variant.fault, hidden=hidden):
        overlay = _Overlay(loaded, variant, host, folder)
        for file in overlay.files():
            _lay(laid, file)
        for name, collected in steps.items():
            collected += overlay.script(name)
    files = [laid[path] for path in sorted(laid)]
    _nested(files)
    times = rng(variant.seed, variant.scenario, f"folders\0{host}")
    touched = shifted(variant.anchor, f"-{times.between(10, 90)}d")
    offline = offline_script(files, own.password_hash, steps["offline.sh"], touched)
    seen = [] if hidden else neighbours(files)  # learners do not look about on a hidden host
    return Layout(files, offline, seen, _online_script(steps["online.sh"]))


def idle_rules(loaded: Loaded, variant: Variant, host: str) -> Iterator[tuple[str, str]]:
    """The rules of a host's overlays that fit nothing: the files.toml and the rule's path."""
    hidden = is_hidden(loaded.settings.hosts[host])
    for folder in overlays(loaded.files, host, variant.fault, hidden=hidden):
        yield from _Overlay(loaded, variant, host, folder).idle_rules()


def _online_script(steps: list[tuple[str, str]]) -> str:
    if not steps:
        return ""
    parts = [f"# {name}\n(\n{text.rstrip()}\n)\n" for name, text in steps]
    return "#!/bin/bash\nset -euo pipefail\n" + "".join(parts)


def _lay(laid: dict[str, LaidFile], file: LaidFile) -> None:
    """Put `file` over what is there; a deletion takes away what earlier overlays laid."""
    if file.kind == "delete":
        below = file.path.rstrip("/") + "/"
        for path in [path for path in laid if fits(file.path, path) or path.startswith(below)]:
            del laid[path]
    laid[file.path] = file


def _nested(files: Iterable[LaidFile]) -> None:
    """Refuse what lies below a file or a link."""
    flat = {file.path: file for file in files if file.kind in ("file", "link")}
    for file in flat.values():
        for parent in map(str, PurePosixPath(file.path).parents):
            if above := flat.get(parent):
                raise ContentError(
                    f"{file.source}: {file.path} lies below {parent}, "
                    f"a {above.kind} by {above.source}",
                    hint="lay it at the link's target, or take one of them out",
                )


def _personality(variant: Variant, host: str, own: Personality) -> Iterator[LaidFile]:
    for path, (text, mode) in personality_files(own).items():
        file = LaidFile(
            path,
            "engine",
            owner=_default_owner(path),
            mtime=_drawn_time(variant, host, path),
        )
        if mode:
            yield replace(file, data=text.encode(), mode=mode)
        else:
            yield replace(file, kind="link", link=text, mode=0o777)


def _default_owner(path: str) -> str:
    return "intern" if path.startswith("/home/intern/") else "root"


def _drawn_time(variant: Variant, host: str, path: str) -> int:
    """Weeks to months before the anchor, on a working day's hours: nothing is of today."""
    draw = rng(variant.seed, variant.scenario, f"mtime\0{host}\0{path}")
    day = variant.anchor - timedelta(days=draw.between(12, 260))
    day -= timedelta(days=max(0, day.weekday() - 4))
    hour, minute, second = draw.between(8, 17), draw.below(60), draw.below(60)
    return int(day.replace(hour=hour, minute=minute, second=second).timestamp())


@dataclass(frozen=True)
class _Overlay:
    """One overlay folder, rendered for a variant."""

    loaded: Loaded
    variant: Variant
    host: str
    folder: Path

    def script(self, name: str) -> list[tuple[str, str]]:
        """Name and text of its offline.sh or online.sh; none when there is none."""
        for path in (self.folder / name, self.folder / f"{name}.j2"):
            if path.is_file():
                text = script(path, self.loaded, self.variant)
                first = text.split("\n", 1)[0]
                if first.startswith("#!") and "bash" not in first:
                    raise ContentError(
                        f"{self._shown(path)}:1: {first} is not bash",
                        hint="this script is run by bash; call other programs from it",
                    )
                return [(self._shown(path), text)]
        return []

    def files(self) -> Iterator[LaidFile]:
        """Deletions first, then files, then what rules alone make."""
        rules = self._rules()
        for rule in rules:
            if rule.delete:
                yield LaidFile(rule.path, self._toml, kind="delete")
        for path in sorted(self.folder.rglob("*")):
            inner = path.relative_to(self.folder)
            if path.is_symlink():
                raise ContentError(
                    f"{self._shown(path)}: an overlay holds no symbolic links",
                    hint="write a rule with `link` in files.toml",
                )
            if path.is_file() and str(inner) not in RESERVED and inner.name != ".gitkeep":
                yield self._file(path, inner, rules)
        for rule in rules:
            if rule.link or rule.directory:
                yield self._made(rule)

    def idle_rules(self) -> Iterator[tuple[str, str]]:
        """The rules that set attributes and fit no file here."""
        targets = [
            "/" + self.variant.format(path.relative_to(self.folder).as_posix()).removesuffix(".j2")
            for path in self.folder.rglob("*")
            if path.is_file()
        ]
        for rule in self._rules():
            stands_alone = rule.link or rule.directory or rule.delete
            if not stands_alone and not any(fits(rule.path, target) for target in targets):
                yield self._toml, rule.path

    @property
    def _toml(self) -> str:
        return self._shown(self.folder / "files.toml")

    def _shown(self, path: Path) -> str:
        return shown(self.loaded.files, path)

    def _rules(self) -> list[FileRule]:
        path = self.folder / "files.toml"
        if not path.is_file():
            return []
        rules = []
        for written in read(path, FilesToml, self._toml).files:
            rule = _filled(written, self.variant)
            if not rule.path.startswith("/"):
                raise ContentError(
                    f"{self._toml}: '{rule.path}' is not absolute", hint=f"write /{rule.path}"
                )
            if is_pattern(rule.path) and (rule.link or rule.directory):
                raise ContentError(
                    f"{self._toml}: '{rule.path}' stands for several paths",
                    hint="a link or a directory needs one path",
                )
            self._permitted(rule.path, self._toml)
            self._timed(rule)
            rules.append(rule)
        return rules

    def _timed(self, rule: FileRule) -> None:
        try:
            distance(rule.mtime or "0m")
        except ContentError as error:
            raise ContentError(
                f"{self._toml}: '{rule.path}': mtime: {error.message}", hint=error.hint
            ) from None

    def _file(self, path: Path, inner: Path, rules: list[FileRule]) -> LaidFile:
        target = "/" + self.variant.format(inner.as_posix())
        if path.suffix == ".j2":
            target = target.removesuffix(".j2")
            data = script(path, self.loaded, self.variant).encode()
        else:
            data = path.read_bytes()
        self._permitted(target, self._shown(path))
        rule = next((one for one in rules if fits(one.path, target) and not one.delete), None)
        rule = rule or FileRule(path=target)
        if rule.gzip:
            data = gzip.compress(data, 6, mtime=0)
            target = target if target.endswith(".gz") else f"{target}.gz"
        plain = 0o755 if path.stat().st_mode & 0o100 else 0o644
        file = LaidFile(target, self._shown(path), data=data, mode=plain)
        return self._ruled(file, rule)

    def _made(self, rule: FileRule) -> LaidFile:
        if rule.link:
            file = LaidFile(rule.path, self._toml, kind="link", link=rule.link, mode=0o777)
        else:
            file = LaidFile(rule.path.rstrip("/"), self._toml, kind="directory", mode=0o755)
        return self._ruled(file, rule)

    def _ruled(self, file: LaidFile, rule: FileRule) -> LaidFile:
        mtime = _drawn_time(self.variant, self.host, file.path)
        if rule.mtime:
            mtime = int(shifted(self.variant.anchor, rule.mtime).timestamp())
        return replace(
            file,
            mode=int(rule.mode, 8) if rule.mode else file.mode,
            owner=rule.owner or _default_owner(file.path),
            mtime=mtime,
        )

    def _permitted(self, path: str, source: str) -> None:
        if ".." in PurePosixPath(path).parts:
            raise ContentError(f"{source}: '{path}' leads upwards", hint="write the plain path")
        for top in REFUSED:
            if path == top or path.startswith(f"{top}/"):
                raise ContentError(
                    f"{source}: nothing may be laid below {top}",
                    hint="programs go to /usr/local or /opt, units to /etc/systemd/system, "
                    "software into the image",
                )


def _filled(rule: FileRule, variant: Variant) -> FileRule:
    """The rule with its formats filled."""
    return FileRule(
        path=variant.format(rule.path),
        owner=variant.format(rule.owner),
        mode=rule.mode,
        mtime=variant.format(rule.mtime),
        link=variant.format(rule.link),
        delete=rule.delete,
        directory=rule.directory,
        gzip=rule.gzip,
    )
