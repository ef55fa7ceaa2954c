"""Turns what was seen before and after the reboot into a grade."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal

from sandbox.grading.results import (
    CheckResult,
    CheckRun,
    Grade,
    GuardResult,
    GuardRun,
    NoteResult,
    Outcome,
    PhaseResult,
)

ONLY_BEFORE = "held before the reboot, not after: it was not made permanent"
ONLY_AFTER = "holds after the reboot, but did not before: something was not restarted or reloaded"


def combine(
    before: PhaseResult,
    after: PhaseResult | None,
    *,
    attempt: str,
    scenario: str,
    seed: str,
    version: int,
    content_hash: str,
    kind: Literal["check", "grade"],
    learner: str = "",
    salt: str = "",
    hints_cost: int = 0,
    debrief_read: bool = False,
    note: NoteResult | None = None,
    tampered: Sequence[str] = (),
    lost: Mapping[str, str] | None = None,
    redact: Callable[[str], str] = lambda text: text,
) -> Grade:
    """The grade of one attempt; `after` is None for a quick check.

    A check earns its points when it, and every check it needs, held in each phase. The lowest cap
    of a broken guard bounds their sum, then hints are taken off, never below 0. *Passed* means
    that every check earned its points and every guard held: the score may be below 100 by what
    hints cost. *Tampered* stands above both; its score is shown and counts 0.
    """
    phases = [before] if after is None else [before, after]
    checks = _checks(before, after, dict(lost or {}), redact)
    guards = _guards(phases, redact)
    caps = [guard.cap for guard in guards if not guard.held]
    earned = min([sum(check.earned for check in checks), *caps])
    score = max(0, earned - hints_cost)
    all_held = not caps and all(check.earned == check.points for check in checks)
    outcome: Outcome = "tampered" if tampered else "passed" if all_held else "failed"
    return Grade(
        attempt=attempt,
        scenario=scenario,
        seed=seed,
        version=version,
        content_hash=content_hash,
        kind=kind,
        outcome=outcome,
        score=score,
        max=sum(check.points for check in checks),
        counts=0 if tampered else score,
        checks=checks,
        guards=guards,
        hints_cost=hints_cost,
        debrief_read=debrief_read,
        note=note,
        tampered=list(tampered),
        lost=dict(lost or {}),
        learner=learner,
        salt=salt,
        graded_at=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=round(sum(phase.seconds for phase in phases), 3),
    )


def _checks(
    before: PhaseResult,
    after: PhaseResult | None,
    lost: Mapping[str, str],
    redact: Callable[[str], str],
) -> list[CheckResult]:
    second = {run.id: run for run in after.checks} if after else {}
    pairs = {run.id: (run, second.get(run.id)) for run in before.checks}
    held = {id for id, pair in pairs.items() if all(run.passed for run in pair if run)}
    titles = {run.id: run.title for run in before.checks}
    needs = {run.id: run.needs for run in before.checks}
    results = []
    for id, (first, last) in pairs.items():
        unmet = [need for need in _with_needs(id, needs) if need != id and need not in held]
        earns = id in held and not unmet
        message = _message(first, last, [titles[need] for need in unmet], lost)
        results.append(
            CheckResult(
                id=id,
                title=first.title,
                points=first.points,
                earned=first.points if earns else 0,
                before=first.passed,
                after=last.passed if last else None,
                message=redact(message),
                seconds=_seconds([first, last]),
            )
        )
    return results


def _message(
    first: CheckRun, last: CheckRun | None, unmet: Iterable[str], lost: Mapping[str, str]
) -> str:
    """What the learner reads beside a check; empty when it earned its points."""
    if last and not last.passed and lost:
        return last.message
    if last and first.passed and not last.passed:
        return _with_detail(ONLY_BEFORE, last.message)
    if last and last.passed and not first.passed:
        return _with_detail(ONLY_AFTER, first.message)
    if not first.passed:
        return first.message
    titles = ", ".join(f"“{title}”" for title in unmet)
    return f"holds, but earns nothing until {titles} does" if titles else ""


def _with_detail(what: str, detail: str) -> str:
    return f"{what} ({detail})" if detail else what


def _with_needs(id: str, needs: Mapping[str, Sequence[str]]) -> list[str]:
    """The check and all it needs, directly or through others; a cycle ends by itself."""
    found = [id]
    for known in found:
        found.extend(need for need in needs.get(known, ()) if need not in found)
    return found


def _seconds(runs: Iterable[CheckRun | GuardRun | None]) -> float:
    return round(sum(run.seconds for run in runs if run), 3)


def _guards(phases: Sequence[PhaseResult], redact: Callable[[str], str]) -> list[GuardResult]:
    """Broken in any phase is broken; the first phase that saw it says how."""
    results = []
    for guard in phases[0].guards:
        runs = [run for phase in phases for run in phase.guards if run.id == guard.id]
        messages = [run.message for run in runs if not run.held]
        results.append(
            GuardResult(
                id=guard.id,
                title=guard.title,
                cap=guard.cap,
                held=all(run.held for run in runs),
                before=runs[0].held,
                after=runs[1].held if len(runs) > 1 else None,
                message=redact(messages[0]) if messages else "",
                seconds=_seconds(runs),
            )
        )
    return results
