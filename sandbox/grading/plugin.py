"""The pytest plugin of the grader's child: runs each check and guard, and says what it saw."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from sandbox.decoding import decode
from sandbox.errors import Unreachable
from sandbox.grading import limits, safe, statements
from sandbox.grading.machine import Clock, Host, HungError
from sandbox.grading.results import (
    Broken,
    CheckRun,
    ChildReport,
    GuardRun,
    PhaseResult,
    Request,
)
from sandbox.grading.statements import BrokenGraderError, Statement

if TYPE_CHECKING:
    from sandbox.variants import Variant

MESSAGE_LIMIT = 600
SHORT_PATIENCE_SECONDS = 3.0  # its points are lost already; only the message may change
GRACE_SECONDS = 10.0  # commands end on their own deadline; this much later the grader is stuck
MACHINES_DOING = (
    AssertionError,
    RuntimeError,
    ValueError,
    OSError,
    IndexError,
    NotImplementedError,
)

MARKERS = (
    "scenario(id): the scenario that this module grades",
    "check(id, points, within=0, needs=None, seconds=60): a graded statement",
    "guard(id, cap, within=0, seconds=60): a statement that must stay true",
)


class GraderPlugin:
    """Registered with pytest in the child. `next_request` blocks until the parent says go."""

    def __init__(self, grader: Path, results: Path, next_request: Callable[[], bytes]) -> None:
        self._grader = grader
        self._results = results
        self._next_request = next_request
        self._statements: dict[str, Statement] = {}
        self._failures: dict[str, str] = {}  # statement id → message, the last phase of it wins
        self._seconds: dict[str, float] = {}
        self._ended: set[str] = set()
        self._broken: Broken | None = None
        self._started = 0.0
        self._clock = Clock()
        self._hosts: dict[str, Host] = {}
        self._request: Request
        self._variant: Variant

    # --- what pytest calls --------------------------------------------------------------------

    def pytest_configure(self, config: pytest.Config) -> None:
        for marker in MARKERS:
            config.addinivalue_line("markers", marker)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if not report.passed:
            self._break("it cannot be read", where=str(self._grader), log=str(report.longrepr))

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        if self._broken:
            return
        try:
            self._statements = statements.read(session.items)
        except BrokenGraderError as error:
            self._break(error.message, where=error.where or str(self._grader), log=error.log)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        line = self._next_request()
        if self._broken:
            return True
        self._begin(decode(line, Request))
        return None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> None:
        statement = self._statements[item.nodeid]
        longest = statement.seconds or self._request.statement_seconds
        self._clock.deadline = time.monotonic() + self._within(statement) + longest

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool:
        statement = self._statements[pyfuncitem.nodeid]
        wanted = pyfuncitem._fixtureinfo.argnames
        values = {name: pyfuncitem.funcargs[name] for name in wanted}
        began = time.monotonic()
        left = self._clock.left(float("inf"))
        try:
            with limits.alarm(left + GRACE_SECONDS):
                limits.until_it_holds(
                    lambda: pyfuncitem.obj(**values),
                    within=self._within(statement),
                    retried=(AssertionError, HungError),
                )
        finally:
            self._seconds[statement.id] = time.monotonic() - began
        return True

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        if call.excinfo:
            self._judge(item, call.when, call.excinfo.value)
        if call.when == "teardown":
            self._ended.add(self._statements[item.nodeid].id)
        report = yield
        if self._broken:
            item.session.shouldstop = "the grader is broken"
        return report

    # --- fixtures -----------------------------------------------------------------------------

    @pytest.fixture(scope="session")
    def hosts(self) -> dict[str, Host]:
        """The machines by name, hidden and fresh ones included."""
        return self._hosts

    @pytest.fixture(scope="session")
    def params(self) -> Any:
        """The variant's values, by attribute."""
        return self._variant.values

    @pytest.fixture(scope="session")
    def company(self) -> Any:
        """The employer, as in company.toml."""
        return self._request.company

    @pytest.fixture(scope="session")
    def anchor(self) -> Any:
        """The instant of the start: an aware datetime in the scenario's zone."""
        return self._variant.anchor

    @pytest.fixture(scope="session")
    def fault(self) -> str:
        """The name of the fault."""
        return self._variant.fault

    @pytest.fixture(scope="session")
    def phase(self) -> str:
        """`before` or `after` the reboot."""
        return self._request.phase

    @pytest.fixture(scope="session")
    def hidden(self) -> bool:
        """True in a grade, where inputs are drawn from `salt`; False in a check."""
        return self._request.hidden

    @pytest.fixture(scope="session")
    def salt(self) -> str:
        """What hidden inputs are drawn from; `sample` in a check."""
        return self._request.salt

    @pytest.fixture(scope="session")
    def rng(self) -> Any:
        """Random values fixed by `salt`; `rng.child("orders")` has a stream of its own."""
        from sandbox.variants.drbg import Drbg

        return Drbg(self._request.salt.encode(), self._request.scenario)

    @pytest.fixture(scope="session")
    def generate(self) -> Callable[..., Any]:
        """Tables and logs as the scenario draws them, but from `salt`.

        `generate("orders", count=200, start="-1d", end="0m", stream="second", …)`: the same call
        gives the same in every phase of a grade; `stream` tells two of one name apart.
        """

        def make(
            name: str,
            count: int,
            *,
            start: str = "-1d",
            end: str = "0m",
            stream: str = "",
            **options: Any,
        ) -> Any:
            from sandbox.variants import generators
            from sandbox.variants.drbg import Drbg
            from sandbox.variants.instants import shifted

            message = "\0".join((self._request.scenario, name, stream))
            return generators.generate(
                name,
                Drbg(self._request.salt.encode(), message),
                start=shifted(self._variant.anchor, start),
                end=shifted(self._variant.anchor, end),
                count=count,
                options=options,
                company=self._request.company,
            )

        return make

    # --- the work -----------------------------------------------------------------------------

    def write(self) -> None:
        """Leaves the results for the parent, whole or not at all."""
        for statement in self._statements.values():
            if statement.id not in self._ended:
                self._break(f"it ended before {statement.id} was asked", where=statement.where)
        if not self._statements:
            self._break("it ended before its checks were read", where=str(self._grader))
        result = None if self._broken else self._all()
        report = ChildReport(broken=self._broken, result=result)
        draft = self._results.with_suffix(".draft")
        draft.write_bytes(msgspec.json.encode(report))
        draft.replace(self._results)

    def _begin(self, request: Request) -> None:
        from sandbox.variants import parse

        self._started = time.monotonic()
        self._request = request
        self._variant = parse(request.variant)
        self._hosts = {
            access.name: Host(access, self._clock, request.connect_seconds)
            for access in request.hosts
        }

    def _within(self, statement: Statement) -> float:
        """How much longer a statement may take to come true: `within` counts from the beginning of
        the phase, for all at once. There is no waiting for what earns nothing, because a need of it
        has failed, and little for what has failed before the reboot."""
        if any(need in self._failures for need in statement.needs):
            return 0.0
        within = min(statement.within, self._request.patience_seconds)
        if statement.id in self._request.failed_before:
            within = min(within, SHORT_PATIENCE_SECONDS)
        return max(0.0, self._started + within - time.monotonic())

    def _judge(self, item: pytest.Item, when: str, error: BaseException) -> None:
        """A failure of the learner's, or a broken grader."""
        statement = self._statements[item.nodeid]
        if isinstance(error, Unreachable | HungError):
            self._fail(statement, str(error))
        elif when == "call" and isinstance(error, AssertionError):
            self._fail(statement, str(error) or f"not so: {statement.title}")
        elif isinstance(error, MACHINES_DOING) and _raised_in_testinfra(error):
            self._fail(statement, f"the machine gave no sensible answer: {error}")
        else:
            self._break(_described(error, when), where=_where(error, statement), log=_trace(error))

    def _fail(self, statement: Statement, message: str) -> None:
        paragraph = message.strip().split("\n\n")[0]
        shown = self._variant.redact(safe.text(paragraph, limit=MESSAGE_LIMIT))
        self._failures[statement.id] = shown

    def _break(self, message: str, *, where: str, log: str = "") -> None:
        if self._broken is None:
            self._broken = Broken(message=message, where=where, log=log)

    def _all(self) -> PhaseResult:
        seen = self._statements.values()
        return PhaseResult(
            checks=[self._check(one) for one in seen if not one.guard],
            guards=[self._guard(one) for one in seen if one.guard],
            unreachable=[name for name, host in self._hosts.items() if host.gone],
            seconds=round(time.monotonic() - self._started, 3),
        )

    def _check(self, one: Statement) -> CheckRun:
        return CheckRun(
            id=one.id,
            title=one.title,
            points=one.value,
            passed=one.id not in self._failures,
            message=self._failures.get(one.id, ""),
            needs=list(one.needs),
            seconds=round(self._seconds.get(one.id, 0.0), 3),
        )

    def _guard(self, one: Statement) -> GuardRun:
        return GuardRun(
            id=one.id,
            title=one.title,
            cap=one.value,
            held=one.id not in self._failures,
            message=self._failures.get(one.id, ""),
            seconds=round(self._seconds.get(one.id, 0.0), 3),
        )


def import_early() -> None:
    """What the first check would wait for otherwise."""
    import sandbox.grading.facts
    import sandbox.variants  # noqa: F401
    from sandbox import ssh

    ssh.library()


def _raised_in_testinfra(error: BaseException) -> bool:
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and "testinfra" in Path(frames[-1].filename).parts


def _described(error: BaseException, when: str) -> str:
    if isinstance(error, limits.Stuck):
        return str(error)
    kind = type(error).__name__
    if kind in ("Skipped", "XFailed", "Exit"):
        return f"{kind.lower()}: {error}; a grader must not skip"
    part = {"setup": "in a fixture, ", "teardown": "while cleaning up, "}.get(when, "")
    return f"{part}{kind}: {error}"


def _where(error: BaseException, statement: Statement) -> str:
    """The deepest line in the grader's own file, or the test function's."""
    file = statement.where.rpartition(":")[0]
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename == file:
            return f"{file}:{frame.lineno}"
    return statement.where


def _trace(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))
