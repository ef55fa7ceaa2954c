"""A grade as JUnit XML (xunit1), as Jenkins, GitLab, GitHub actions and LMSs read it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from xml.etree import ElementTree as Xml

from sandbox.grading import safe
from sandbox.grading.results import CheckResult, Grade, GuardResult
from sandbox.grading.runs import RunGrade, RunReport, Ungraded

RUNS = "The fix runs to its end"
NOT_GRADED = "could not grade"
TOOLS = "The machines' own tools are as they were"


def render(grade: Grade) -> str:
    """One suite; a case for each check, each guard, and one for the tools when tampered with.

    A case fails when it earned no points. Score, seed, version and hash are properties.
    """
    return document([suite(grade, properties(grade), list(_cases(grade)))])


def document(suites: Iterable[Xml.Element]) -> str:
    """The suites as a whole file."""
    root = Xml.Element("testsuites")
    root.extend(suites)
    Xml.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + Xml.tostring(root, "unicode") + "\n"


def run(report: RunReport) -> str:
    """A suite for each scenario, with the fix as its `file`, which GitLab links to.

    A scenario that could not be graded is an error, never a failure.
    """
    graded = [_graded(one, report) for one in report.runs]
    return document([*graded, *(_ungraded(one) for one in report.ungraded)])


def suite(
    grade: Grade, shown: Mapping[str, object], cases: list[Xml.Element], *, file: str = ""
) -> Xml.Element:
    """One grade."""
    failures = sum(case.find("failure") is not None for case in cases)
    made = _suite(grade.scenario, cases, failures=failures, errors=0, seconds=grade.seconds)
    made.set("timestamp", safe.xml(grade.graded_at).removesuffix("+00:00"))
    if file:
        _add_file([made, *cases], file)
    listed = Xml.SubElement(made, "properties")
    for name, value in shown.items():
        Xml.SubElement(listed, "property", name=name, value=safe.xml(str(value)))
    made.extend(cases)
    return made


def _graded(grade: RunGrade, report: RunReport) -> Xml.Element:
    cases = list(_cases(grade))
    for host, why in grade.lost.items():
        case = _case(grade, f"{host} can be worked on", 0.0)
        _fail(case, why, why)
        cases.append(case)
    step = grade.step_failed
    if step and not grade.reaches(report.threshold):
        case = _case(grade, RUNS, 0.0)
        _fail(case, f"{step.step} on {step.host} {step.why}", step.output)
        cases.append(case)
    shown = properties(grade) | {
        "commit": report.commit,
        "internbox": report.internbox,
        "fix": grade.fix,
        "runner_code": str(grade.runner_code).lower(),
    }
    return suite(grade, shown, cases, file=grade.fix)


def _ungraded(one: Ungraded) -> Xml.Element:
    classname = safe.xml(one.scenario).replace("/", ".")
    case = Xml.Element("testcase", classname=classname, name=NOT_GRADED, time="0.000")
    error = Xml.SubElement(case, "error", type="ungraded", message=safe.line(one.message))
    error.text = safe.xml(f"{one.message}\nhint: {one.hint}", limit=20_000)
    made = _suite(one.scenario, [case], failures=0, errors=1, seconds=0.0)
    if one.fix:
        _add_file([made, case], one.fix)
    made.append(case)
    return made


def _suite(
    scenario: str, cases: list[Xml.Element], *, failures: int, errors: int, seconds: float
) -> Xml.Element:
    return Xml.Element(
        "testsuite",
        name=safe.xml(scenario),
        tests=str(len(cases)),
        failures=str(failures),
        errors=str(errors),
        skipped="0",
        time=f"{seconds:.3f}",
        hostname="internbox",
    )


def _add_file(elements: Iterable[Xml.Element], file: str) -> None:
    for element in elements:
        element.set("file", safe.xml(file))


def properties(grade: Grade) -> dict[str, object]:
    """What identifies a grade and sums it up."""
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
        "debrief_read": grade.debrief_read,
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
