"""Find scenario folders, read them into models, and say what is wrong with them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import msgspec

from sandbox import __version__
from sandbox.decoding import decode
from sandbox.errors import ContentError, UsageError, near
from sandbox.models import (
    Company,
    Content,
    Expectation,
    FilesToml,
    HintsToml,
    NoteToml,
    Scenario,
    Solution,
)
from sandbox.paths import ScenarioFiles, builtin_content, files_below
from sandbox.scenarios.consistency import check
from sandbox.scenarios.tomlfile import TomlFile

_UNHASHED = ("solutions", "rejected")  # a further solution makes no old grade another one
_NOT_DOMAINS = ("company",)


@dataclass(frozen=True)
class Loaded:
    """A scenario that was read and is consistent in itself; `lint` looks deeper."""

    id: str
    files: ScenarioFiles
    settings: Scenario
    hints: HintsToml
    note: NoteToml
    company: Company
    sources: dict[str, TomlFile] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def content_hash(self) -> str:
        """16 hexadecimal digits over all that a start and a grade depend on."""
        folders = [self.files.root, company_folder(self.files)]
        folders += _image_folders(self.files, {host.image for host in self.settings.hosts.values()})
        digest = hashlib.sha256()
        for label, path in _hashed(self.files, folders):
            executable = path.stat().st_mode & 0o100
            digest.update(f"{label}\0{executable}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
        return digest.hexdigest()[:16]

    @property
    def learner_hosts(self) -> list[str]:
        """The hosts a learner may log in to, the one `ssh` opens first."""
        seen = [name for name, host in self.settings.hosts.items() if not is_hidden(host)]
        return sorted(seen, key=lambda name: name != self.settings.learner)

    @property
    def doors(self) -> dict[str, bool]:
        """Of each host, whether learners may log in to it."""
        return {name: not is_hidden(host) for name, host in self.settings.hosts.items()}


def is_hidden(host: Any) -> bool:
    """Whether learners cannot log in to this `models.Host`."""
    return bool(host.hidden or host.fresh)


def nics(host: Any) -> list[str]:
    """The NIC names of a `models.Host`, one a plug: its own, or lan0, lan1, … by position."""
    return [plug.nic or f"lan{index}" for index, plug in enumerate(host.wires)]


def load(files: ScenarioFiles) -> Loaded:
    """Read one scenario. ContentError: `scenario.toml:14: hosts.web.memori: unknown key; …`."""
    if not files.settings.is_file():
        raise ContentError(
            f"scenarios/{files.id}: there is no scenario.toml", hint=f"looked in {files.root}"
        )
    sources = {
        path.name: TomlFile(path, shown(files, path))
        for path in (files.settings, files.hints, files.note)
    }
    company = load_company(files)
    settings = sources["scenario.toml"].into(Scenario)
    hints = sources["hints.toml"].into(HintsToml)
    note = sources["note.toml"].into(NoteToml)
    check(sources, settings, hints, note, company)
    return Loaded(files.id, files, settings, hints, note, company, sources)


def load_company(files: ScenarioFiles) -> Company:
    """The employer of a content folder: its own, or the built-in one."""
    path = company_folder(files) / "company.toml"
    changed = path.stat().st_mtime_ns if path.exists() else 0
    return _read_company(path, changed)


@lru_cache(maxsize=8)
def _read_company(path: Path, changed: int) -> Company:
    return TomlFile(path, f"scenarios/company/{path.name}").into(Company)


def company_folder(files: ScenarioFiles) -> Path:
    """`scenarios/company` of the content folder, or the built-in one where it has none."""
    own = files.company
    return own if own.is_dir() else builtin_content() / "scenarios" / "company"


def image_folder(files: ScenarioFiles, name: str) -> Path:
    """`images/<name>` of the content folder, or the built-in one where it has none."""
    own = files.images / name
    return own if own.is_dir() else builtin_content() / "images" / name


def overlays(files: ScenarioFiles, host: str, fault: str, *, hidden: bool) -> list[Path]:
    """The overlay folders of a host, later ones over earlier ones; only those that exist."""
    candidates = [
        files.root / "hosts" / host,
        files.root / "faults" / fault / host,
    ]
    if not hidden:
        candidates.insert(0, company_folder(files) / "overlay")
    return [folder for folder in candidates if folder.is_dir()]


def shown(files: ScenarioFiles, path: Path) -> str:
    """How a file is called in messages: relative to its content folder."""
    try:
        return str(path.relative_to(files.content))
    except ValueError:
        return str(path)


# --- finding ----------------------------------------------------------------------------------


def found(content: Sequence[Path]) -> Iterator[ScenarioFiles]:
    """All scenario folders in order of content folder and id; an id's first folder wins."""
    seen: set[str] = set()
    for folder in content:
        for settings in sorted(folder.glob("scenarios/*/*/scenario.toml")):
            domain, slug = settings.parts[-3:-1]
            if domain not in _NOT_DOMAINS and f"{domain}/{slug}" not in seen:
                seen.add(f"{domain}/{slug}")
                yield ScenarioFiles(folder, f"{domain}/{slug}")


def resolve(name: str, content: Sequence[Path]) -> ScenarioFiles:
    """The scenario called `name`: an id, a slug that only one has, or the path of a folder.

    UsageError names what is near.
    """
    known = {files.id: files for files in found(content)}
    if name in known:
        return known[name]
    slugs = [one for one in known if one.partition("/")[2] == name]
    if len(slugs) == 1:
        return known[slugs[0]]
    if slugs:
        raise UsageError(
            f"'{name}' may be any of {', '.join(slugs)}", hint="give the name with its area"
        )
    if (path := Path(name)).joinpath("scenario.toml").is_file():
        return _by_path(path.resolve())
    words = [*known, *(one.partition("/")[2] for one in known)]
    raise UsageError(
        f"there is no scenario '{name}'{near(name, words)}",
        hint="`internbox list` shows all of them",
    )


def _by_path(path: Path) -> ScenarioFiles:
    if path.parts[-3:-2] != ("scenarios",):
        raise UsageError(
            f"{path} does not lie in a content folder",
            hint="a scenario lies at CONTENT/scenarios/<area>/<name>, its grader below "
            "CONTENT/graders",
        )
    return ScenarioFiles(path.parents[2], "/".join(path.parts[-2:]))


# --- solutions and rejected cases -------------------------------------------------------------


def solutions(loaded: Loaded) -> dict[str, Solution]:
    """The ways to mend it by name, `reference` first."""
    return dict(_cases(loaded.files, "solutions"))


def rejected(loaded: Loaded) -> dict[str, tuple[Solution, Expectation]]:
    """The near-misses and cheats by name, each with what it must get."""
    cases = {}
    for name, solution in _cases(loaded.files, "rejected"):
        path = loaded.files.rejected(name) / "expect.toml"
        expected = TomlFile(path, shown(loaded.files, path)).into(Expectation)
        cases[name] = (solution, expected)
    return cases


def _cases(files: ScenarioFiles, kind: str) -> Iterator[tuple[str, Solution]]:
    folders = (folder for folder in files.root.glob(f"{kind}/*") if folder.is_dir())
    for folder in sorted(folders, key=lambda one: (one.name != "reference", one.name)):
        path = folder / "solution.toml"
        yield folder.name, TomlFile(path, shown(files, path)).into(Solution)


# --- listing -------------------------------------------------------------------------------------


class Summary(msgspec.Struct, frozen=True):
    """What a list shows of a scenario. `status` is ready, draft or broken; the summary of a broken
    one says why."""

    id: str
    title: str
    summary: str
    area: str
    level: int
    minutes: int
    skills: list[str]
    hosts: list[str]  # those a learner sees
    images: list[str]  # all that must be there to start it
    status: str
    content: str  # the content folder


class _Entry(msgspec.Struct, array_like=True):
    stamp: tuple[int, int]  # modification time in ns, size
    summary: Summary


class _Index(msgspec.Struct):
    version: str
    entries: dict[str, _Entry]  # by path of scenario.toml


def summaries(content: Sequence[Path], index: Path | None = None) -> list[Summary]:
    """All scenarios of the content folders by id; only files that changed are read again."""
    known = _remembered(index)
    entries: dict[str, _Entry] = {}
    for files in found(content):
        status = files.settings.stat()
        stamp = (status.st_mtime_ns, status.st_size)
        entry = known.get(str(files.settings))
        if entry is None or entry.stamp != stamp:
            entry = _Entry(stamp, _summary(files))
        entries[str(files.settings)] = entry
    if index is not None and entries != known:
        _remember(index, entries)
    return sorted((entry.summary for entry in entries.values()), key=lambda one: one.id)


def _remembered(index: Path | None) -> dict[str, _Entry]:
    if index is None:
        return {}
    try:
        read_back = decode(index.read_bytes(), _Index)
    except (OSError, msgspec.MsgspecError):
        return {}  # none yet, or of another version
    return read_back.entries if read_back.version == __version__ else {}


def _remember(index: Path, entries: dict[str, _Entry]) -> None:
    """Written beside and renamed; a cache that cannot be written is only slower."""
    beside = index.with_name(f"{index.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        index.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(msgspec.json.encode(_Index(__version__, entries)))
        beside.replace(index)


def _summary(files: ScenarioFiles) -> Summary:
    content = str(files.content)
    try:
        settings = TomlFile(files.settings, shown(files, files.settings)).into(Scenario)
    except ContentError as error:
        domain = files.id.partition("/")[0]
        return Summary(
            files.id, files.id, error.message, domain, 0, 0, [], [], [], "broken", content
        )
    return Summary(
        id=files.id,
        title=settings.title,
        summary=settings.summary,
        area=settings.area,
        level=settings.level,
        minutes=settings.minutes,
        skills=settings.skills,
        hosts=[name for name, host in settings.hosts.items() if not is_hidden(host)],
        images=sorted({host.image for host in settings.hosts.values()}),
        status=settings.status,
        content=content,
    )


# --- identity ---------------------------------------------------------------------------------


def _image_folders(files: ScenarioFiles, names: Iterable[str]) -> list[Path]:
    """The sources of images and of the images they stand on (`ARG BASE=` and `FROM`)."""
    folders: dict[str, Path] = {}
    waiting = sorted(names)
    while waiting:
        name = waiting.pop()
        folder = image_folder(files, name)
        if name in folders or not folder.is_dir():
            continue
        folders[name] = folder
        recipe = folder / "Dockerfile"
        text = recipe.read_text(encoding="utf-8") if recipe.is_file() else ""
        waiting += re.findall(r"^(?:ARG BASE=|FROM\s+)([a-z][a-z0-9-]*)\s*(?:AS\b.*)?$", text, re.M)
    return [folders[name] for name in sorted(folders)]


def _hashed(files: ScenarioFiles, folders: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    for folder in folders:
        for path, place in files_below(folder):
            parts = place.split("/")
            left_out = folder == files.root and parts[0] in _UNHASHED
            if not left_out and "__pycache__" not in parts:
                yield f"{folder.name}/{place}", Path(path)
    if files.grader.is_file():
        yield "grader", files.grader


# --- schemas ----------------------------------------------------------------------------------

_SCHEMAS: dict[str, type[Content]] = {
    "scenario.toml": Scenario,
    "files.toml": FilesToml,
    "hints.toml": HintsToml,
    "note.toml": NoteToml,
    "solution.toml": Solution,
    "expect.toml": Expectation,
    "company.toml": Company,
}


def schemas() -> dict[str, dict[str, Any]]:
    """A JSON Schema (2020-12) of every TOML file an author writes, by file name."""
    return {
        name: {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": name,
            **msgspec.json.schema(model),
        }
        for name, model in _SCHEMAS.items()
    }
