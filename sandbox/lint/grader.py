"""Rules about graders, which are read and never imported here."""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sandbox.lint.finding import Finding, Subject, rule
from sandbox.paths import ScenarioFiles

FULL = 100
_REFUSED = ("skip", "skipif", "xfail", "parametrize")
_CLOCKS = {"now", "today", "utcnow"}


@dataclass(frozen=True)
class Statement:
    """A test function with its marker, as it is written."""

    line: int  # of the marker
    kind: str  # check, guard
    id: str
    value: int | None  # points of a check, cap of a guard; None when not a plain number
    needs: tuple[str, ...]


def tree(files: ScenarioFiles) -> ast.Module | None:
    """The grader parsed, or None when there is none or it is not Python."""
    try:
        return ast.parse(files.grader.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return None


def statements(files: ScenarioFiles) -> list[Statement]:
    """The checks and guards in the order they are written; what has no good marker is left out."""
    found = []
    for function in _tests(tree(files)):
        for kind, call in _markers(function):
            if kind in ("check", "guard") and (one := _statement(kind, call)):
                found.append(one)
    return found


def grader_ids(files: ScenarioFiles) -> list[str]:
    """The ids of a grader's checks and guards."""
    return [one.id for one in statements(files)]


def _tests(parsed: ast.Module | None) -> Iterator[ast.FunctionDef]:
    for node in parsed.body if parsed else ():
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
            yield node


def _markers(function: ast.FunctionDef) -> Iterator[tuple[str, ast.Call | None]]:
    """Name and call of each `pytest.mark.<name>` of a function."""
    for decorator in function.decorator_list:
        call = decorator if isinstance(decorator, ast.Call) else None
        named = call.func if call else decorator
        if isinstance(named, ast.Attribute) and ast.unparse(named.value) == "pytest.mark":
            yield named.attr, call


def _statement(kind: str, call: ast.Call | None) -> Statement | None:
    given = [_literal(argument) for argument in call.args] if call else []
    if call is None or not given or not isinstance(given[0], str):
        return None
    named = {one.arg: _literal(one.value) for one in call.keywords}
    value = named.get("points" if kind == "check" else "cap")
    needs = named.get("needs") or ()
    return Statement(
        call.lineno,
        kind,
        given[0],
        value if type(value) is int else None,
        (needs,) if isinstance(needs, str) else tuple(needs),
    )


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


def _finding(subject: Subject, line: int, message: str, hint: str, name: str) -> Finding:
    return subject.in_file(subject.files.grader, message, hint=hint, line=line, rule=name)


@rule("grader")
def grader(subject: Subject) -> Iterator[Finding]:
    """There is a grader, it is Python, it says what it is about and whose it is."""
    path, scenario = subject.files.grader, subject.loaded.id
    try:
        parsed = ast.parse(path.read_text(encoding="utf-8"))
    except OSError:
        yield _finding(subject, 0, "there is no grader", "a pytest module of its own", "grader")
        return
    except SyntaxError as error:
        message = f"not Python: {error.msg}"
        yield _finding(subject, error.lineno or 0, message, "mend the syntax", "grader")
        return
    if not ast.get_docstring(parsed):
        hint = '"""<name>: what must be true in the end."""'
        yield _finding(subject, 1, "the module has no docstring", hint, "grader")
    marked = [
        node
        for node in parsed.body
        if isinstance(node, ast.Assign)
        and ast.unparse(node) == f"pytestmark = pytest.mark.scenario({scenario!r})"
    ]
    if not marked:
        hint = f'write pytestmark = pytest.mark.scenario("{scenario}")'
        yield _finding(subject, 1, f"it is not marked as the grader of {scenario}", hint, "grader")


@rule("grader-imports")
def imports(subject: Subject) -> Iterator[Finding]:
    """A grader imports pytest and Python's own library; all else comes as fixtures."""
    for node in ast.walk(tree(subject.files) or ast.Module([], [])):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or "."]
        for name in names:
            top = name.partition(".")[0]
            if top not in ("pytest", "__future__") and top not in sys.stdlib_module_names:
                hint = "use the fixtures hosts, params, company, anchor, rng, generate"
                yield _finding(subject, node.lineno, f"it imports {name}", hint, "grader-imports")  # type: ignore[attr-defined]


@rule("grader-clock")
def clock(subject: Subject) -> Iterator[Finding]:
    """A grader asks for the time in a zone, and for other times the anchor."""
    for node in ast.walk(tree(subject.files) or ast.Module([], [])):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in _CLOCKS
            and not (node.args or node.keywords)
        ):
            message = f"{ast.unparse(node)} is this computer's time, in its zone"
            hint = "use anchor, or datetime.now(anchor.tzinfo)"
            yield _finding(subject, node.lineno, message, hint, "grader-clock")


@rule("grader-points")
def points(subject: Subject) -> Iterator[Finding]:
    """The points of the checks sum to 100; a cap is below that."""
    found = statements(subject.files)
    checks = [one for one in found if one.kind == "check"]
    for one in found:
        lowest, highest = (1, FULL) if one.kind == "check" else (0, FULL - 1)
        if one.value is None or not lowest <= one.value <= highest:
            what = "points" if one.kind == "check" else "cap"
            message = f"{one.id}: {what} is not a number from {lowest} to {highest}"
            hint = f"write {what}={highest // 2}"
            yield _finding(subject, one.line, message, hint, "grader-points")
    total = sum(one.value or 0 for one in checks)
    if tree(subject.files) and total != FULL:
        said = " + ".join(str(one.value) for one in checks) or "no checks"
        message = f"the points sum to {total}, not {FULL}"
        line = checks[-1].line if checks else 0
        yield _finding(subject, line, message, f"{said}: share out {FULL}", "grader-points")


@rule("grader-tests")
def tests(subject: Subject) -> Iterator[Finding]:
    """Each test is one check or one guard with an id of its own, and its docstring says which
    statement it decides."""
    for function in _tests(tree(subject.files)):
        marks = [name for name, _ in _markers(function)]
        line, name = function.lineno, function.name
        if len([mark for mark in marks if mark in ("check", "guard")]) != 1:
            hint = "mark it with pytest.mark.check(id, points=…) or pytest.mark.guard(id, cap=…)"
            message = f"{name} is not one check or one guard"
            yield _finding(subject, line, message, hint, "grader-tests")
        for mark in set(marks) & set(_REFUSED):
            hint = "a grader answers every question"
            yield _finding(subject, line, f"{name}: {mark} is refused", hint, "grader-tests")
        if not ast.get_docstring(function):
            hint = "its first line is the check's title: what is true when it holds"
            yield _finding(subject, line, f"{name} has no docstring", hint, "grader-tests")
    counts = Counter(grader_ids(subject.files))
    for one in statements(subject.files):
        if counts[one.id] > 1:
            message = f"the id '{one.id}' is there {counts[one.id]} times"
            yield _finding(subject, one.line, message, "rename one", "grader-tests")


@rule("grader-needs")
def needs(subject: Subject) -> Iterator[Finding]:
    """`needs` names other checks, and not in a circle."""
    checks = {one.id: one for one in statements(subject.files) if one.kind == "check"}
    for one in checks.values():
        line = one.line
        for other in one.needs:
            if other not in checks:
                hint = f"checks: {', '.join(checks)}"
                message = f"{one.id} needs '{other}', which is no check"
                yield _finding(subject, line, message, hint, "grader-needs")
        if one.id in _all_needs(one.id, checks):
            hint = "break the circle"
            yield _finding(subject, line, f"{one.id} needs itself", hint, "grader-needs")


def _all_needs(name: str, checks: dict[str, Statement]) -> set[str]:
    found: set[str] = set()
    waiting = list(checks[name].needs)
    while waiting:
        other = waiting.pop()
        if other in checks and other not in found:
            found.add(other)
            waiting += checks[other].needs
    return found
