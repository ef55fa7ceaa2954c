"""A batch of regraded submissions as files: CSV for a gradebook, JUnit XML for a pipeline, JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from xml.etree import ElementTree as Xml

import msgspec

from sandbox.grading import safe
from sandbox.handin.batch import Regraded, RegradeReport

FORMS = ("json", "csv", "junit")
FIELDS = (
    *("file", "student", "learner", "attempt", "scenario", "seed", "status"),
    *("handed_in", "regraded", "max", "counts", "difference", "outcome", "note", "hints_cost"),
    *("tampered", "same_as", "reason", "remarks", "graded_at", "sha256"),
)


def render(report: RegradeReport, form: str) -> str:
    """The report in one of FORMS."""
    if form == "csv":
        return as_csv(report)
    if form == "junit":
        return as_junit(report)
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n"


def as_csv(report: RegradeReport) -> str:
    """A line a submission; lists are joined by semicolons, no cell is a formula."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(FIELDS)
    for one in report.submissions:
        writer.writerow([_cell(getattr(one, name)) for name in FIELDS])
    return text.getvalue()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        value = "; ".join(map(str, value))
    return safe.csv(str(value))


def as_junit(report: RegradeReport) -> str:
    """One suite, a case a submission: refused or different is a failure, ungraded an error."""
    cases = list(map(_case, report.submissions))
    count = {
        kind: sum(case.find(kind) is not None for case in cases) for kind in ("failure", "error")
    }
    suite = Xml.Element(
        "testsuite",
        name="internbox regrade",
        tests=str(len(cases)),
        failures=str(count["failure"]),
        errors=str(count["error"]),
        skipped="0",
        time=f"{sum(one.seconds for one in report.submissions):.3f}",
    )
    suite.extend(cases)
    root = Xml.Element("testsuites")
    root.append(suite)
    Xml.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + Xml.tostring(root, "unicode") + "\n"


def _case(one: Regraded) -> Xml.Element:
    scenario = safe.xml(one.scenario or "unknown").replace("/", ".")
    who = one.student or one.learner or one.file
    case = Xml.Element(
        "testcase", classname=scenario, name=safe.line(who), time=f"{one.seconds:.3f}"
    )
    if one.status == "ungraded":
        Xml.SubElement(case, "error", type="ungraded", message=safe.line(one.reason))
    elif one.status in ("refused", "differs"):
        told = one.reason or f"handed in {one.handed_in}, regraded {one.regraded} of {one.max}"
        failure = Xml.SubElement(case, "failure", type=one.status, message=safe.line(told))
        failure.text = safe.xml("\n".join(one.remarks), limit=20_000)
    Xml.SubElement(case, "system-out").text = safe.xml("\n".join(_told(one)), limit=20_000)
    return case


def _told(one: Regraded) -> Iterator[str]:
    yield one.file
    if one.grade:
        yield f"{one.outcome}: {one.regraded} of {one.max}, note {one.note}"
        for check in one.grade.checks:
            yield f"{check.earned}/{check.points} {check.title}" + (
                f": {check.message}" if check.message else ""
            )
    yield from one.remarks
