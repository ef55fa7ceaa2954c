"""The report of a probe, to paste into an issue."""

from __future__ import annotations

import platform
from collections.abc import Sequence

from msgspec import Struct

from sandbox import __version__
from sandbox.doctor.bench import Bench, Finding
from sandbox.doctor.probe import Trial
from sandbox.errors import InternboxError


class Examined(Struct, frozen=True):
    """All that doctor says; no probes unless they were asked for."""

    findings: list[Finding]
    probes: list[Trial] = []


def report(bench: Bench, findings: Sequence[Finding], trials: Sequence[Trial]) -> str:
    """Markdown: where it ran, what was found, what was tried, and the verdict."""
    found = bench.engine()
    engine = "none" if isinstance(found, InternboxError) else f"Docker {found.version}"
    security = "" if isinstance(found, InternboxError) else ", ".join(found.security)
    lines = [
        "### internbox doctor --probe",
        "",
        f"- internbox {__version__}, Python {platform.python_version()}",
        f"- {platform.platform()}, {platform.machine()}",
        f"- engine: {engine}; security: {security or 'none'}",
        "",
        *(f"- {row.name}: {row.state}, {row.found}" for row in findings),
        "",
        *(f"- {row.name}: {row.state}, {row.found} ({row.seconds} s)" for row in trials),
        "",
        f"Verdict: {verdict(trials)}",
    ]
    return "\n".join(lines)


def verdict(trials: Sequence[Trial]) -> str:
    """Whether machines can run here: `tested`, or what failed."""
    bad = [trial.name for trial in trials if trial.state != "ok"]
    if not trials:
        return "untested"
    return f"tested, and it does not work: {', '.join(bad)}" if bad else "tested, and it works"
