"""Where everything lies: the content folders, the state folder, the cache.

$INTERNBOX_HOME, or the platform's state folder for internbox/
├── internbox.db            attempts, grades, hints, notes (SQLite)
├── home-id                 the label value that marks what this folder owns on the engine
├── trusted                 folders whose graders the user agreed to run
├── logs/                   one file per bug, with what to paste into an issue; image builds
├── locks/                  held while images are built, or the tools volume is filled
├── regrades/               results of submissions that were graded anew
└── attempts/<id>/          0700
    ├── lock                held while a command works on the attempt
    ├── ssh_config          0600; `ssh -F …/ssh_config <host>`
    ├── known_hosts
    ├── learner, learner.pub   the learner's key
    └── grader              the grader's key
the platform's cache folder for internbox/
├── index.json              the list of scenarios, by modification time
├── manifests/<image id>    what a clean image holds, for the tamper check
├── listings/<image id>     every path of an image, for hand-in
├── artifacts/              downloaded files that images need
└── proof/                  cells already proven
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CONTENT_FOLDERS = ("scenarios", "graders", "images")


def builtin_content() -> Path:
    """The folder that holds `scenarios/`, `graders/` and `images/`: the checkout or the wheel."""
    package = Path(__file__).resolve().parent
    bundled = package / "builtin"
    return bundled if bundled.is_dir() else package.parent


def files_below(folder: str | Path) -> Iterator[tuple[str, str]]:
    """Path and place of every file below, in the order of the places' parts: `web/Dockerfile` is
    the place of a file in `folder`. Folders that are links are not entered."""
    yield from _files_below(os.fspath(folder), "")


def _files_below(folder: str, place: str) -> Iterator[tuple[str, str]]:
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _files_below(entry.path, f"{place}{entry.name}/")
        elif entry.is_file():
            yield entry.path, f"{place}{entry.name}"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A draft beside `path` that takes its place at the end. A kill, or an error, leaves what was
    there before."""
    draft = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        yield draft
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _base(variable: str, mac: str, unix: str) -> Path:
    if set_by_user := os.environ.get(variable):
        return Path(set_by_user)
    return Path.home() / (mac if sys.platform == "darwin" else unix)


@dataclass(frozen=True)
class Home:
    """The state and cache folders of one user; all paths of the state are spelled here."""

    root: Path
    cache: Path

    @classmethod
    def from_environment(cls) -> Home:
        """`$INTERNBOX_HOME` holds state and cache; otherwise the XDG (or macOS) folders do."""
        if own := os.environ.get("INTERNBOX_HOME"):
            return cls(Path(own), Path(own) / "cache")
        state = _base("XDG_STATE_HOME", "Library/Application Support", ".local/state")
        cache = _base("XDG_CACHE_HOME", "Library/Caches", ".cache")
        return cls(state / "internbox", cache / "internbox")

    @property
    def database(self) -> Path:
        return self.root / "internbox.db"

    @property
    def home_id(self) -> Path:
        return self.root / "home-id"

    @property
    def trusted(self) -> Path:
        return self.root / "trusted"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def locks(self) -> Path:
        return self.root / "locks"

    @property
    def artifacts(self) -> Path:
        return self.cache / "artifacts"

    @property
    def index(self) -> Path:
        return self.cache / "index.json"

    @property
    def manifests(self) -> Path:
        return self.cache / "manifests"

    @property
    def listings(self) -> Path:
        return self.cache / "listings"

    @property
    def regrades(self) -> Path:
        return self.root / "regrades"

    @property
    def proof(self) -> Path:
        return self.cache / "proof"

    def attempt(self, attempt_id: str) -> AttemptFiles:
        """The files of one attempt."""
        return AttemptFiles(self.root / "attempts" / attempt_id)


@dataclass(frozen=True)
class AttemptFiles:
    """The folder of one attempt."""

    root: Path

    @property
    def lock(self) -> Path:
        return self.root / "lock"

    @property
    def ssh_config(self) -> Path:
        return self.root / "ssh_config"

    @property
    def known_hosts(self) -> Path:
        return self.root / "known_hosts"

    @property
    def learner_key(self) -> Path:
        return self.root / "learner"

    @property
    def grader_key(self) -> Path:
        return self.root / "grader"


@dataclass(frozen=True)
class ScenarioFiles:
    """One scenario's folder, `scenarios/<domain>/<slug>/`, and its grader beside it.

    scenario.toml  ticket.md.j2  debrief.md.j2  hints.toml  note.toml
    hosts/<host>/      the overlay of a host; files.toml, offline.sh[.j2], online.sh[.j2] at its top
    faults/<fault>/<host>/   the same for one fault
    solutions/<name>/  solution.toml, note.md.j2, scripts
    rejected/<name>/   the same with expect.toml
    """

    content: Path  # the folder that holds scenarios/, graders/, images/
    id: str

    @property
    def root(self) -> Path:
        return self.content / "scenarios" / self.id

    @property
    def settings(self) -> Path:
        return self.root / "scenario.toml"

    @property
    def ticket(self) -> Path:
        return self.root / "ticket.md.j2"

    @property
    def debrief(self) -> Path:
        return self.root / "debrief.md.j2"

    @property
    def hints(self) -> Path:
        return self.root / "hints.toml"

    @property
    def note(self) -> Path:
        return self.root / "note.toml"

    @property
    def grader(self) -> Path:
        domain, _, slug = self.id.partition("/")
        return self.content / "graders" / domain / f"test_{slug.replace('-', '_')}.py"

    @property
    def images(self) -> Path:
        return self.content / "images"

    @property
    def company(self) -> Path:
        return self.content / "scenarios" / "company"

    def solution(self, name: str) -> Path:
        return self.root / "solutions" / name

    def rejected(self, name: str) -> Path:
        return self.root / "rejected" / name
