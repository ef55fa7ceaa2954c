"""A grade as JUnit XML (xunit1), as Jenkins, GitLab, GitHub actions and LMSs read it."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree as Xml

from sandbox.grading import safe
from sandbox.grading.results import CheckResult, Grade, GuardResult

TOOLS = "The machines' own tools are as they were"


def render(grade: Grade) -> str:
    """One suite; a case for each check, each guard, and one for the tools when tampered with.

    A case fails when it earned no points. Score, seed, version and hash are properties.
    """
    cases = list(_cases(grade))
    failures = sum(case.find("failure") is not None for case in cases)
    suite = Xml.Element(
        "testsuite",
        name=safe.xml(grade.scenario),
        tests=str(len(cases)),
        failures=str(failures),
        errors="0",
        skipped="0",
        time=f"{grade.seconds:.3f}",
        timestamp=safe.xml(grade.graded_at).removesuffix("+00:00"),
        hostname="internbox",
    )
    properties = Xml.SubElement(suite, "properties")
    for name, value in _properties(grade).items():
        Xml.SubElement(properties, "property", name=name, value=safe.xml(str(value)))
    suite.extend(cases)
    root = Xml.Element("testsuites")
    root.append(suite)
    Xml.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + Xml.tostring(root, "unicode") + "\n"


def _properties(grade: Grade) -> dict[str, object]:
    return {
        "attempt": grade.attempt,
        "scenario": grade.scenario,
        "seed": grade.seed,
        "version": grade.version,
        "content_hash": grade.content_hash,
        "kind": grade.kind,
        "outcome": grade.outcome,
        "score": grade.score,
        "counts": grade.counts,
        "max": grade.max,
        "hints_cost": grade.hints_cost,
        "note": "none" if grade.note is None else "accepted" if grade.note.accepted else "refused",
    }


def _cases(grade: Grade) -> Iterator[Xml.Element]:
    for check in grade.checks:
        case = _case(grade, check.title, check.seconds)
        if check.earned < check.points:
            _fail(case, check.message or "it earned no points", _detail(check))
        yield case
    for guard in grade.guards:
        case = _case(grade, guard.title, guard.seconds)
        if not guard.held:
            _fail(case, guard.message or "it no longer holds", _capped(guard))
        yield case
    if grade.tampered:
        case = _case(grade, TOOLS, 0.0)
        _fail(case, "tools were changed: the score counts 0", "\n".join(grade.tampered))
        yield case


def _case(grade: Grade, title: str, seconds: float) -> Xml.Element:
    classname = safe.xml(grade.scenario).replace("/", ".")
    return Xml.Element("testcase", classname=classname, name=safe.xml(title), time=f"{seconds:.3f}")


def _fail(case: Xml.Element, message: str, detail: str) -> None:
    failure = Xml.SubElement(case, "failure", type="failed", message=safe.line(message))
    failure.text = safe.xml(detail, limit=20_000)


def _detail(check: CheckResult) -> str:
    words = {True: "held", False: "failed", None: "not asked"}
    after = "" if check.after is None else f", after the reboot: {words[check.after]}"
    return (
        f"{check.message}\n{check.earned} of {check.points} points; "
        f"before: {words[check.before]}{after}"
    )


def _capped(guard: GuardResult) -> str:
    return f"{guard.message}\nThe score is at most {guard.cap}."
