"""What things look like as text: lists, a scenario, a grade, a note."""

from __future__ import annotations

import shlex
import textwrap
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sandbox.cli.output import Output, safe

if TYPE_CHECKING:
    from sandbox.attempts import Attempt, HintState, HistoryRow, Listed, StatusRow
    from sandbox.cli.rendered import Rendered
    from sandbox.doctor import Finding
    from sandbox.grading.results import Grade, NoteResult
    from sandbox.lint import Finding as LintFinding
    from sandbox.proof import ProofReport
    from sandbox.runtime.base import ImageState, Leftover

LEVELS = {1: "1 easy", 2: "2", 3: "3", 4: "4 hard"}


def scenarios(out: Output, rows: Sequence[Listed]) -> None:
    """The table of `list`, and below it what is not available."""
    if not rows:
        out.talk("no scenario fits")
        return
    cells = [
        [row.id, row.title + ("" if row.available else " *"), str(row.level), str(row.minutes)]
        for row in rows
    ]
    out.table(["SCENARIO", "TITLE", "LEVEL", "MIN"], cells, wraps=1)
    for row in rows:
        if not row.available:
            out.talk(f"* {row.id} is not available here: {row.why_not}")


def scenario(out: Output, row: Listed) -> None:
    out.data(out.style(row.title, bold=True))
    out.data()
    out.data(_wrapped(out, safe(row.summary)))
    out.data()
    facts = {
        "scenario": row.id,
        "area": row.area,
        "level": f"{row.level} of 4",
        "time": f"about {row.minutes} minutes",
        "machines": ", ".join(row.hosts),
        "skills": ", ".join(row.skills),
        "not available here": row.why_not,
    }
    _facts(out, facts)


def ready(attempt: Attempt) -> str:
    """One line: what runs, and how long it may take."""
    hosts = [host.name for host in attempt.hosts if not host.hidden]
    machines = "machine" if len(hosts) == 1 else "machines"
    return (
        f"{attempt.id} is ready: {machines} {', '.join(hosts)}; "
        f"plan about {attempt.minutes} minutes"
    )


def plain_ssh(attempt: Attempt) -> str:
    """The same way in for OpenSSH and all that reads its settings."""
    line = shlex.join(["ssh", "-F", attempt.ssh_config, attempt.learner_host])
    return f"for plain ssh, scp and editors: {line}"


def hints(out: Output, state: HintState) -> None:
    if out.is_json:
        out.dump(state)
        return
    for number, text in enumerate(state.given, 1):
        out.data(f"hint {number}")
        out.markdown(text)
        out.data()
    if not state.given:
        out.talk("you have had no hint yet")
    out.talk(
        f"{state.left} left; the next one costs {state.next_cost} points"
        if state.left
        else "there are no more hints"
    )


def status(out: Output, rows: Sequence[StatusRow]) -> None:
    if not rows:
        out.talk("nothing runs")
        return
    cells = [
        [
            row.attempt,
            row.scenario,
            row.state,
            age(row.age_s),
            "-" if row.memory_mib is None else f"{row.memory_mib:.0f} MiB",
        ]
        for row in rows
    ]
    out.table(["ATTEMPT", "SCENARIO", "STATE", "AGE", "MEMORY"], cells, wraps=1)


def history(out: Output, rows: Sequence[HistoryRow]) -> None:
    if not rows:
        out.talk("you have not started anything yet")
        return
    cells = [
        [
            row.attempt,
            time.strftime("%Y-%m-%d %H:%M", time.localtime(row.created)),
            row.state,
            row.outcome or "-",
            "-" if row.score is None else str(row.score),
            str(row.hints),
        ]
        for row in rows
    ]
    out.table(["ATTEMPT", "STARTED", "STATE", "OUTCOME", "SCORE", "HINTS"], cells, wraps=1)


# --- a grade ------------------------------------------------------------------------------------


def grade(out: Output, result: Grade) -> None:
    """The checks with their columns, what failed in words, the guards, and the sum."""
    _check_table(out, result)
    for check in result.checks:
        if check.message:
            remark(out, check.title, check.message)
    for guard in result.guards:
        if not guard.held:
            remark(out, guard.title, f"{guard.message}\nThe score is at most {guard.cap}.")
    for host, why in result.lost.items():
        remark(out, host, why)
    if result.tampered:
        _tampered(out, result.tampered)
    if result.note and not result.note.accepted:
        lacking = [f"missing: {fact.says}" for fact in result.note.missing]
        remark(out, "The note", "\n".join([*lacking, *result.note.problems]))
    out.data()
    _facts(out, _sums(result))


def _check_table(out: Output, result: Grade) -> None:
    rebooted = any(check.after is not None for check in result.checks)
    headings = ["CHECK", *(["BEFORE", "AFTER"] if rebooted else ["NOW"]), "POINTS"]
    rows = []
    for check in result.checks:
        after = [_word(check.after)] if rebooted else []
        points = f"{check.earned}/{check.points}"
        rows.append([check.title, _word(check.before), *after, points])
    for guard in result.guards:
        seen = ["held" if guard.held else "BROKEN"]
        filler = [""] if rebooted else []
        rows.append([guard.title, *seen, *filler, "" if guard.held else f"≤ {guard.cap}"])
    out.table(headings, rows, wraps=0)


def _word(passed: bool | None) -> str:
    return {True: "ok", False: "FAILED", None: "-"}[passed]


def remark(out: Output, title: str, message: str) -> None:
    out.data()
    out.data(out.style(safe(title), bold=True))
    out.data(_wrapped(out, safe(message.strip()), indent="  "))


def _tampered(out: Output, paths: Sequence[str]) -> None:
    shown = "\n".join(paths[:20]) + ("\n…" if len(paths) > 20 else "")
    remark(
        out,
        "The machines' own tools were changed",
        f"{shown}\nPut them back and grade again; until then the score does not count.",
    )


def _sums(result: Grade) -> dict[str, str]:
    facts = {}
    if result.hints_cost:
        facts["hints"] = f"-{result.hints_cost}"
    if result.debrief_read:
        facts["debrief"] = "read before this grade"
    if result.note:
        facts["note"] = _note_line(result.note)
    elif result.kind == "grade":
        facts["note"] = "not written yet"
    if result.kind == "check":
        passed = sum(check.before for check in result.checks)
        facts["now"] = f"{passed} of {len(result.checks)} checks pass"
    else:
        counts = f", counts {result.counts}" if result.counts != result.score else ""
        missed = " (passed takes every point)" if result.outcome == "failed" else ""
        facts["score"] = f"{result.score} of {result.max}, {result.outcome}{counts}{missed}"
    return facts


def _note_line(result: NoteResult) -> str:
    total = len(result.facts) + len(result.missing)
    verdict = "accepted" if result.accepted else "not accepted yet"
    return f"{verdict}, {len(result.facts)} of {total} facts"


def note(out: Output, result: NoteResult) -> None:
    out.data(f"note: {_note_line(result)}")
    for missing in result.missing:
        out.data(_wrapped(out, f"missing: {safe(missing.says)}", hanging="  "))
    for problem in result.problems:
        out.data(_wrapped(out, safe(problem), hanging="  "))


# --- upkeep and authors -------------------------------------------------------------------------


def images(out: Output, rows: Sequence[ImageState]) -> None:
    cells = [
        [
            row.name,
            row.reference,
            "yes" if row.present else (f"no: {row.why_not}" if row.why_not else "no"),
            f"{row.size_mib:.0f} MiB" if row.present else "-",
        ]
        for row in rows
    ]
    out.table(["IMAGE", "REFERENCE", "HERE", "SIZE"], cells, wraps=2)


def leftovers(out: Output, removed: Sequence[Leftover]) -> None:
    for item in removed:
        out.data(f"removed {item.kind} {item.id}")
    if not removed:
        out.talk("nothing was left over")


def findings(out: Output, rows: Sequence[Finding]) -> None:
    """What doctor saw; the cures stand below, where there is room."""
    out.table(["", "CHECK", "FOUND"], [[row.state, row.name, row.found] for row in rows], wraps=2)
    for row in rows:
        if row.state != "ok" and row.cure:
            needs = f"needs {row.required}. " if row.required else ""
            remark(out, row.name, needs + row.cure)


def proof(out: Output, report: ProofReport) -> None:
    """One row a cell; what was not as expected in words below."""
    cells = [
        [
            "ok" if cell.ok else "WRONG",
            cell.scenario,
            cell.label,
            "cached" if cell.cached else f"{cell.seconds:.1f} s",
        ]
        for cell in report.cells
    ]
    out.table(["", "SCENARIO", "CASE", "TIME"], cells, wraps=2)
    for cell in report.cells:
        if not cell.ok:
            title = f"{cell.scenario} {cell.label}"
            remark(out, title, f"expected: {cell.expected}\ngot: {cell.got}")
    for name, why in report.not_run.items():
        remark(out, f"{name}: not run here", why)
    if report.kept:
        out.data()
        rows = [[case, f"internbox ssh {attempt}"] for attempt, case in report.kept.items()]
        out.table(["KEPT", "WAY IN"], rows, wraps=0)
    good = sum(cell.ok for cell in report.cells)
    out.data()
    lacking = f"; not run here: {', '.join(report.not_run)}" if report.not_run else ""
    out.data(f"{good} of {len(report.cells)} cells as expected{lacking}")


def lint(out: Output, rows: Sequence[LintFinding]) -> None:
    """One finding: where, what, and what to do."""
    for row in rows:
        out.data(safe(str(row)))
        if row.hint:
            out.data(_wrapped(out, safe(row.hint), indent="  "))
    out.talk(f"{len(rows)} findings" if rows else "no findings")


def rendered(out: Output, result: Rendered) -> None:
    """The variant's values, its ticket, and what is laid on each host."""
    facts = {"seed": result.seed, "fault": result.fault, "anchor": result.anchor.isoformat()}
    _facts(out, facts | {name: _shortened(value) for name, value in result.values.items()})
    out.data()
    out.markdown(result.ticket)
    for host in result.hosts:
        out.data()
        rows = [[file.kind, file.mode, file.owner, file.path] for file in host.files]
        out.table([host.name.upper(), "MODE", "OWNER", "PATH"], rows, wraps=3)


def _shortened(value: object) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 120 else text[:119] + "…"


# --- pieces -------------------------------------------------------------------------------------


def age(seconds: float) -> str:
    """`40 s`, `12 min`, `3 h`, `2 d`."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def _facts(out: Output, facts: dict[str, str]) -> None:
    shown = {name: value for name, value in facts.items() if value}
    width = max(len(name) for name in shown) + 2
    for name, value in shown.items():
        label = out.style(f"{name}:".ljust(width), dim=True)
        out.data(label + _wrapped(out, safe(value), hanging=" " * width, first=width))


def _wrapped(out: Output, text: str, *, indent: str = "", hanging: str = "", first: int = 0) -> str:
    """Each line of the text on its own, wrapped to the terminal (`first`: columns already used)."""
    if out.plain:
        return text
    lines = []
    for line in text.splitlines() or [""]:
        wrapped = textwrap.fill(
            " " * first + line,
            out.width,
            initial_indent=indent,
            subsequent_indent=indent + hanging,
            break_long_words=False,
            break_on_hyphens=False,
            drop_whitespace=True,
        )
        lines.append(wrapped[first:] if first else wrapped)
    return "\n".join(lines)
