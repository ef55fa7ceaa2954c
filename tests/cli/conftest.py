"""A command line that acts on made-up attempts: no engine, no machines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sandbox.attempts import (
    Attempt,
    AttemptHost,
    GivenHint,
    HintState,
    HistoryRow,
    Listed,
    SshAccess,
    StatusRow,
)
from sandbox.errors import UsageError
from sandbox.grading.results import (
    CheckResult,
    Grade,
    GuardResult,
    Missing,
    NoteResult,
)
from sandbox.paths import ScenarioFiles, builtin_content
from sandbox.runtime.base import ImageState, Leftover

ATTEMPT = "web-service-down-k7f2"


def listed(name: str = "linux/web-service-down", **changes: Any) -> Listed:
    values: dict[str, Any] = {
        "id": name,
        "title": "The intranet does not open",
        "summary": "The web server is up, the intranet is not. Colleagues stand in the door.",
        "area": "Linux administration",
        "level": 1,
        "minutes": 35,
        "hosts": ["web"],
        "skills": ["systemd units", "nginx"],
        "available": True,
        "why_not": "",
    }
    return Listed(**(values | changes))


def attempt(**changes: Any) -> Attempt:
    access = SshAccess("127.0.0.1", 40022, "intern", "/home/x/learner")
    values: dict[str, Any] = {
        "attempt": ATTEMPT,
        "scenario": "linux/web-service-down",
        "title": "The intranet does not open",
        "version": 1,
        "seed": "abcd2345",
        "state": "running",
        "minutes": 35,
        "created": 1_700_000_000.0,
        "learner_host": "web",
        "hosts": [AttemptHost("web", False, access), AttemptHost("desk", True, None)],
        "ssh_config": "/home/x/ssh_config",
    }
    return Attempt(**(values | changes))


def check(
    name: str = "page-served", *, before: bool = True, after: bool | None = True
) -> CheckResult:
    good = before and after is not False
    return CheckResult(
        id=name,
        title="Colleagues get the intranet page from their own machines",
        points=60,
        earned=60 if good else 0,
        before=before,
        after=after,
        message="" if good else "a desk machine cannot reach home.quillhaven.example",
    )


def grade(**changes: Any) -> Grade:
    values: dict[str, Any] = {
        "attempt": ATTEMPT,
        "scenario": "linux/web-service-down",
        "seed": "abcd2345",
        "version": 1,
        "content_hash": "0123456789abcdef",
        "kind": "grade",
        "outcome": "passed",
        "score": 100,
        "max": 100,
        "counts": 100,
        "checks": [check(), check("starts-by-itself")],
        "guards": [GuardResult(id="wiki", title="The wiki still answers", cap=40, held=True)],
        "note": note(),
    }
    return Grade(**(values | changes))


def note(*, accepted: bool = True) -> NoteResult:
    missing = [] if accepted else [Missing("cause", "what was wrong")]
    return NoteResult(accepted=accepted, facts=["change", "verified"], missing=missing, words=30)


@dataclass
class FakeLabs:
    """What commands call, remembered in `calls`; tests change the answers."""

    home: Any = None
    content: list[Path] = field(default_factory=lambda: [builtin_content()])
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    rows: list[Listed] = field(default_factory=lambda: [listed(), listed("linux/first-day")])
    current: Attempt | None = field(default_factory=attempt)
    result: Grade = field(default_factory=grade)
    told: NoteResult = field(default_factory=note)
    kept_note: str | None = None
    raises: BaseException | None = None
    running: list[StatusRow] = field(
        default_factory=lambda: [
            StatusRow(ATTEMPT, "linux/web-service-down", "running", 3700.0, 42.4)
        ]
    )
    folder: Path = field(default_factory=builtin_content)
    unused: list[Attempt] = field(default_factory=list)
    removed: list[Leftover] = field(default_factory=list)
    progress: Callable[[str], None] = print

    def did(self, *call: Any) -> None:
        self.calls.append(call)
        if self.raises is not None:
            raise self.raises

    def catalogue(self) -> list[Listed]:
        self.did("catalogue")
        return self.rows

    def resolve(self, name: str) -> ScenarioFiles:
        return ScenarioFiles(self.folder, name)

    def attempt(self, ref: str | None = None) -> Attempt:
        if self.current is None:
            raise UsageError("nothing was started yet", hint="internbox start")
        if ref not in (None, self.current.id):
            raise UsageError(f"there is no attempt {ref}", hint="internbox status")
        return self.current

    def start(self, name: str | None = None, **options: Any) -> Attempt:
        self.did("start", name, options)
        return attempt()

    def reset(self, ref: str | None = None) -> Attempt:
        self.did("reset", ref)
        return attempt()

    def idle(self) -> list[Attempt]:
        return self.unused

    def ticket(self, ref: str | None = None) -> str:
        self.did("ticket", ref)
        return "# The intranet is down\n\nSince *this* morning nothing opens.\n"

    def debrief(self, ref: str | None = None) -> str:
        self.did("debrief", ref)
        return "# What it was\n\nA semicolon.\n"

    def ssh_args(self, ref: str | None = None, host: str | None = None) -> list[str]:
        self.did("ssh", ref, host)
        return ["ssh", "-F", "/home/x/ssh_config", host or "web"]

    def check(self, ref: str | None = None, process: Any = None) -> Grade:
        self.did("check", ref)
        return self.result

    def grade(self, ref: str | None = None, process: Any = None) -> Grade:
        self.did("grade", ref)
        return self.result

    def hints(self, ref: str | None = None) -> HintState:
        return HintState(["Look at the service."], 5, 2)

    def hint(self, ref: str | None = None) -> GivenHint:
        self.did("hint", ref)
        return GivenHint("Look at `nginx -t`.", 5, 2, 1)

    def saved_note(self, ref: str | None = None) -> str | None:
        return self.kept_note

    def note(self, ref: str | None, text: str) -> NoteResult:
        self.did("note", ref, text)
        return self.told

    def give_up(self, ref: str | None = None) -> Attempt:
        self.did("give_up", ref)
        return attempt(state="given-up")

    def stop(self, refs: list[str] | None = None, *, everything: bool = False) -> list[str]:
        self.did("stop", refs, everything)
        return refs or [ATTEMPT]

    def forget(self, attempt: str) -> None:
        self.did("forget", attempt)

    def status(self) -> list[StatusRow]:
        self.did("status")
        return self.running

    def history(self) -> list[HistoryRow]:
        self.did("history")
        return [HistoryRow(ATTEMPT, "linux/web-service-down", "stopped", 1.7e9, "failed", 40, 2)]

    def gc(self) -> list[Leftover]:
        self.did("gc")
        return self.removed

    def images(self) -> list[ImageState]:
        return [ImageState("web", "internbox/web:0123", True, 214.0)]


@dataclass
class Answer:
    code: int
    out: str
    err: str


@pytest.fixture
def labs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeLabs:
    fake = FakeLabs()
    monkeypatch.setenv("INTERNBOX_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("INTERNBOX_CONTENT", raising=False)

    def opened(home: Any, content: Any, progress: Callable[[str], None]) -> FakeLabs:
        fake.home, fake.progress = home, progress
        return fake

    monkeypatch.setattr("sandbox.cli.app.open_labs", opened)
    return fake


@pytest.fixture
def call(labs: FakeLabs, capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """Run a command line: exit code, stdout, stderr."""
    from sandbox.cli.main import run

    def called(*arguments: str) -> Answer:
        code = run(arguments)
        captured = capsys.readouterr()
        return Answer(code, captured.out, captured.err)

    return called


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Somebody is there, and answers every question with yes or no."""

    def answer(yes: bool) -> None:
        monkeypatch.setattr("sandbox.cli.output.Output.interactive", True)
        monkeypatch.setattr("click.confirm", lambda *_, **__: yes)

    return answer
