"""What a grader claims: its checks and guards, read from the markers and found consistent."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

FULL = 100
REFUSED = ("skip", "skipif", "xfail", "parametrize")


class BrokenGraderError(Exception):
    """The grader cannot be believed; `where` is file:line, `log` a traceback."""

    def __init__(self, message: str, *, where: str = "", log: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.log = log


@dataclass(frozen=True)
class Statement:
    """One check (`points`) or guard (`cap`), with the test function that decides it."""

    id: str
    title: str
    where: str
    guard: bool
    value: int  # a check's points, a guard's cap
    within: float
    seconds: float = 0.0  # the longest that it may take; 0: as long as others
    needs: tuple[str, ...] = ()


def read(items: Sequence[pytest.Item]) -> dict[str, Statement]:
    """The statements by pytest's node id, in the order of the file. Raises BrokenGraderError."""
    if not items:
        raise BrokenGraderError("there are no checks in it")
    statements = {item.nodeid: _statement(item) for item in items}
    _consistent(list(statements.values()))
    return statements


def location(item: pytest.Item) -> str:
    """`file:line` of a test function."""
    path, line, _ = item.location
    return f"{item.path if item.path else path}:{(line or 0) + 1}"


def _statement(item: pytest.Item) -> Statement:
    where = location(item)
    for name in REFUSED:
        if item.get_closest_marker(name):
            raise BrokenGraderError(f"{name} has no place in a grader", where=where)
    check, guard = item.get_closest_marker("check"), item.get_closest_marker("guard")
    if (check is None) == (guard is None):
        message = "a test is a check or a guard: give it one of the two markers"
        raise BrokenGraderError(message, where=where)
    reader = _check_values if check else _guard_values
    try:
        values = reader(*(check or guard).args, **(check or guard).kwargs)  # type: ignore[union-attr]
    except TypeError as error:
        said = str(error).removeprefix(f"{reader.__name__}() ")
        raise BrokenGraderError(f"the marker is wrong: {said}", where=where) from None
    title = inspect.getdoc(getattr(item, "function", None)) or ""
    if not title.strip():
        raise BrokenGraderError("no docstring, whose first line is the title", where=where)
    return Statement(title=title.splitlines()[0].strip().rstrip("."), where=where, **values)


def _check_values(
    id: str,
    *,
    points: int,
    within: float = 0,
    needs: str | Sequence[str] | None = None,
    seconds: float = 0,
) -> dict[str, Any]:
    needed = (needs,) if isinstance(needs, str) else tuple(needs or ())
    if type(points) is not int or not 0 < points <= FULL:
        raise TypeError(f"points is {points!r}, not a whole number from 1 to {FULL}")
    return _common(id, within, seconds) | {"guard": False, "value": points, "needs": needed}


def _guard_values(id: str, *, cap: int, within: float = 0, seconds: float = 0) -> dict[str, Any]:
    if type(cap) is not int or not 0 <= cap < FULL:
        raise TypeError(f"cap is {cap!r}, not a whole number from 0 to {FULL - 1}")
    return _common(id, within, seconds) | {"guard": True, "value": cap}


def _common(id: str, within: float, seconds: float) -> dict[str, Any]:
    if not isinstance(id, str) or not id:
        raise TypeError("the first argument is the id, a text")
    for name, value in (("within", within), ("seconds", seconds)):
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise TypeError(f"{name} is {value!r}, not a number of seconds")
    return {"id": id, "within": float(within), "seconds": float(seconds)}


def _consistent(statements: Sequence[Statement]) -> None:
    seen: dict[str, Statement] = {}
    for one in statements:
        if one.id in seen:
            raise BrokenGraderError(f"{one.id} is there twice", where=one.where)
        seen[one.id] = one
    checks = {one.id: one for one in statements if not one.guard}
    if not checks:
        raise BrokenGraderError("there are no checks in it, only guards", where=statements[0].where)
    total = sum(one.value for one in checks.values())
    if total != FULL:
        last = list(checks.values())[-1]
        raise BrokenGraderError(f"the points sum to {total}, not {FULL}", where=last.where)
    for one in checks.values():
        for needed in one.needs:
            if needed not in checks:
                raise BrokenGraderError(f"{one.id} needs {needed}, no check of it", where=one.where)
        if one.id in _all_needs(one.id, checks):
            raise BrokenGraderError(f"{one.id} needs itself", where=one.where)


def _all_needs(id: str, checks: dict[str, Statement]) -> set[str]:
    """What a check needs, directly or through others."""
    found: set[str] = set()
    todo = list(checks[id].needs)
    while todo:
        needed = todo.pop()
        if needed in checks and needed not in found:
            found.add(needed)
            todo.extend(checks[needed].needs)
    return found
