"""Who is said to be locked out of a machine, and when nothing can be said; no engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sandbox import ssh
from sandbox.errors import EngineError, Unreachable
from sandbox.running import applying
from sandbox.running.applying import Applier
from sandbox.running.plan import Action, Script
from sandbox.running.playbooks import Started
from sandbox.steps import Program
from sandbox.topology import Bringer

KEY = "ssh-ed25519 AAAAours"
NEW_KEY = "ssh-ed25519 AAAAnew"


@dataclass
class Link:
    """A login; its shell answers."""

    said: str = "in\n"

    def __enter__(self) -> Link:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def run(self, command: str, **_: Any) -> ssh.Result:
        return ssh.Result(0, self.said, "")


@dataclass
class Engine:
    """With the machine `c1`, and the control, which answers or not."""

    control: bool | EngineError = True
    state: str = "running"
    cut: set[str] = field(default_factory=set)
    asked: int = 0
    attempt: str = "first-day-1234"
    files: Any = field(default_factory=lambda: SimpleNamespace(learner_key=Path("key")))
    variant: Any = field(default_factory=lambda: SimpleNamespace(redact=lambda text: text))

    @property
    def runtime(self) -> Any:
        return SimpleNamespace(
            machines=lambda _: [SimpleNamespace(id="c1", state=self.state)],
            cut_off=lambda _: self.cut,
        )

    def has(self, hosts: Any) -> bool:
        itself: Any = self
        return Bringer.has(itself, hosts)

    def probe(self, record: Any) -> bool:
        self.asked += 1
        if isinstance(self.control, EngineError):
            raise self.control
        return self.control


@dataclass
class Steps:
    """Of one machine; nobody can log in to do a step."""

    bringer: Engine
    record: Any
    seconds: float = 5.0

    def settle(self) -> None:
        pass

    def boot(self, host: str) -> str:
        return "1"

    def log_in(self, host: str) -> Link:
        raise Unreachable("no answer", host=host)


def applier(engine: Engine) -> Applier:
    place = SimpleNamespace(connect="127.0.0.1", learner_port=1)
    desk = SimpleNamespace(host="desk", container="c1", place=place, learner_host_key=KEY)
    steps: Any = Steps(engine, SimpleNamespace(hosts={"desk": desk}))
    return Applier(steps, Started(), lambda _: None)


@pytest.fixture
def logins(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What each try to log in gets; the last one again and again."""
    monkeypatch.setattr(applying, "LAST_LOGIN_SECONDS", 0.05)
    monkeypatch.setattr(applying, "ONCE_MORE_SECONDS", 0.05)
    monkeypatch.setattr(applying, "PAUSE_SECONDS", 0.01)
    answers: list[Any] = []

    def connect(endpoint: ssh.Endpoint, *, deadline: float) -> Any:
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if answer == "new keys":
            if endpoint.host_key != NEW_KEY:
                raise ssh.Stranger(endpoint, NEW_KEY)
            return Link()
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(applying.ssh, "connect", connect)
    return answers


SILENT = Unreachable("no answer", host="desk")
SLOW = ssh.CommandTimeout("no end after 1 s")


def test_a_machine_that_lets_its_learner_in_is_not_shut(logins: list[Any]) -> None:
    logins += [Link()]
    engine = Engine()

    assert applier(engine).locked_out({"desk"}) == {}
    assert engine.asked == 0


@pytest.mark.parametrize("first", [SILENT, SLOW, Link("This account is not available.\n")])
def test_a_slow_machine_is_asked_again(logins: list[Any], first: Any) -> None:
    logins += [first, Link()]

    assert applier(Engine()).locked_out({"desk"}) == {}


@pytest.mark.parametrize("answer", [SILENT, Link("This account is not available.\n")])
def test_nobody_gets_in_while_the_control_answers(logins: list[Any], answer: Any) -> None:
    logins += [answer]
    engine = Engine()

    assert "lets nobody in over SSH" in applier(engine).locked_out({"desk"})["desk"]
    assert engine.asked == 1


@pytest.mark.parametrize(
    "engine",
    [
        Engine(control=False),
        Engine(control=EngineError("no answer")),
        Engine(state="asleep"),
        Engine(cut={"c1"}),
    ],
    ids=["silent", "refuses", "asleep", "cut off"],
)
def test_an_engine_that_lets_nobody_in_is_not_the_fixs_doing(
    logins: list[Any], engine: Engine
) -> None:
    logins += [SILENT]

    with pytest.raises(EngineError, match=r"desk cannot be logged in to.* nothing was graded"):
        applier(engine).locked_out({"desk"})


def test_a_machine_that_answers_once_the_control_did_is_not_shut(
    logins: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    logins += [SILENT]
    engine = Engine()

    def probe(record: Any) -> bool:
        logins[:] = [Link()]
        return True

    monkeypatch.setattr(engine, "probe", probe)

    assert applier(engine).locked_out({"desk"}) == {}


def test_new_host_keys_lock_nobody_out(logins: list[Any]) -> None:
    logins += ["new keys"]

    assert applier(Engine()).locked_out({"desk"}) == {}


STEP: tuple[Action, ...] = (Script("desk", Program("desk.sh", b"true\n", "bash")),)


def test_a_step_that_cannot_begin_ends_the_fix_while_the_control_answers() -> None:
    failed = applier(Engine()).apply(STEP).failed

    assert failed
    assert failed.why == "could not begin: nobody can log in over SSH"


def test_a_step_that_cannot_begin_on_a_silent_engine_is_no_failure() -> None:
    with pytest.raises(EngineError, match="nothing was graded"):
        applier(Engine(control=False)).apply(STEP)
