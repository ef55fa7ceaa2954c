"""From what was seen to a grade."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from sandbox.grading.results import CheckRun, Grade, GuardRun, PhaseResult
from sandbox.grading.score import ONLY_AFTER, ONLY_BEFORE, combine


def check(id: str, points: int, passed: bool = True, **more: Any) -> CheckRun:
    message = "" if passed else f"{id} fails"
    return CheckRun(
        id=id, title=id.title(), points=points, passed=passed, **({"message": message} | more)
    )


def guard(held: bool = True, cap: int = 40, id: str = "wiki") -> GuardRun:
    message = "" if held else f"{id} is gone"
    return GuardRun(id=id, title=id.title(), cap=cap, held=held, message=message)


def phase(*runs: CheckRun | GuardRun, unreachable: tuple[str, ...] = ()) -> PhaseResult:
    return PhaseResult(
        checks=[run for run in runs if isinstance(run, CheckRun)],
        guards=[run for run in runs if isinstance(run, GuardRun)],
        unreachable=list(unreachable),
        seconds=1.5,
    )


def grade(before: PhaseResult, after: PhaseResult | None = None, **more: Any) -> Grade:
    identity: dict[str, Any] = {
        "attempt": "a1",
        "scenario": "linux/demo",
        "seed": "abcdefgh",
        "version": 2,
        "content_hash": "0123456789abcdef",
        "kind": "grade" if after else "check",
    }
    return combine(before, after, **(identity | more))


def test_all_that_holds_in_both_phases_scores_100() -> None:
    seen = phase(check("a", 60), check("b", 40), guard())
    result = grade(seen, seen)
    assert (result.outcome, result.score, result.max, result.counts) == ("passed", 100, 100, 100)
    assert [found.message for found in result.checks] == ["", ""]


def test_a_quick_check_has_no_after() -> None:
    result = grade(phase(check("a", 60), check("b", 40, False)))
    assert [found.after for found in result.checks] == [None, None]
    assert (result.outcome, result.score) == ("failed", 60)


def test_only_before_was_not_made_permanent() -> None:
    result = grade(phase(check("a", 100)), phase(check("a", 100, False)))
    assert result.checks[0].message == f"{ONLY_BEFORE} (a fails)"
    assert (result.checks[0].before, result.checks[0].after) == (True, False)
    assert (result.score, result.outcome) == (0, "failed")


def test_only_after_was_not_restarted() -> None:
    result = grade(phase(check("a", 100, False)), phase(check("a", 100)))
    assert result.checks[0].message == f"{ONLY_AFTER} (a fails)"
    assert result.score == 0


def test_what_a_check_needs_directly_or_through_others_must_hold() -> None:
    seen = phase(
        check("a", 20, False),
        check("b", 30, needs=["a"]),
        check("c", 30, needs=["b"]),
        check("d", 20),
    )
    result = grade(seen, seen)
    assert [found.earned for found in result.checks] == [0, 0, 0, 20]
    assert result.checks[2].message == "holds, but earns nothing until “A” does"


def test_a_need_that_held_in_one_phase_only_is_not_met() -> None:
    before = phase(check("a", 50), check("b", 50, needs=["a"]))
    after = phase(check("a", 50, False), check("b", 50, needs=["a"]))
    assert grade(before, after).score == 0


def test_a_guard_broken_in_either_phase_caps_the_score() -> None:
    for broken_first in (True, False):
        phases = [phase(check("a", 100), guard(held)) for held in (not broken_first, broken_first)]
        result = grade(*phases)
        assert (result.score, result.outcome) == (40, "failed")
        assert (result.guards[0].held, result.guards[0].message) == (False, "wiki is gone")


def test_the_lowest_cap_counts() -> None:
    seen = phase(check("a", 100), guard(False, 40), guard(False, 10, "mail"))
    assert grade(seen, seen).score == 10


def test_hints_cost_points_but_not_the_pass() -> None:
    seen = phase(check("a", 100))
    result = grade(seen, seen, hints_cost=15)
    assert (result.score, result.outcome, result.hints_cost) == (85, "passed", 15)


def test_the_score_is_never_below_zero() -> None:
    seen = phase(check("a", 10), check("b", 90, False))
    assert grade(seen, seen, hints_cost=25).score == 0


def test_tampering_shows_the_score_and_counts_nothing() -> None:
    seen = phase(check("a", 100))
    result = grade(seen, seen, tampered=["/usr/bin/dig"])
    assert (result.outcome, result.score, result.counts) == ("tampered", 100, 0)
    assert result.tampered == ["/usr/bin/dig"]


def test_a_machine_that_does_not_come_back_scores_nothing_and_says_so() -> None:
    before = phase(check("a", 60), check("b", 40), guard())
    why = "web did not come back after the reboot"
    after = PhaseResult.unanswered(before, {"web": why})
    result = grade(before, after, lost={"web": why})
    assert (result.score, result.outcome, result.lost) == (0, "failed", {"web": why})
    assert [found.message for found in result.checks] == [why, why]
    assert result.guards[0].held


def test_secrets_are_redacted() -> None:
    seen = phase(check("a", 100, False, message="saw hunter2"), guard(False))
    result = grade(seen, redact=lambda text: text.replace("hunter2", "••••"))
    assert result.checks[0].message == "saw ••••"


def test_a_grade_as_json_has_the_promised_keys() -> None:
    seen = phase(check("a", 100), guard())
    plain = msgspec.to_builtins(grade(seen, seen))
    promised = (
        "attempt scenario seed outcome score max checks guards hints_cost note tampered version "
        "content_hash graded_at kind"
    )
    assert set(promised.split()) <= set(plain)
    assert {"id", "title", "points", "earned", "before", "after", "message"} <= set(
        plain["checks"][0]
    )
    assert {"id", "cap", "held", "message"} <= set(plain["guards"][0])


runs = st.lists(st.booleans(), min_size=4, max_size=4)


@given(before=runs, after=runs, held=st.booleans(), cost=st.integers(0, 60))
def test_the_score_follows_its_rules_whatever_was_seen(
    before: list[bool], after: list[bool], held: bool, cost: int
) -> None:
    def seen(passed: list[bool]) -> PhaseResult:
        needs = [[], ["c0"], ["c1"], []]
        numbered = enumerate(zip(passed, needs, strict=True))
        return phase(*(check(f"c{n}", 25, p, needs=need) for n, (p, need) in numbered), guard(held))

    result = grade(seen(before), seen(after), hints_cost=cost)
    assert 0 <= result.score <= 100
    assert (result.outcome == "passed") == (all(before) and all(after) and held)
    for number, found in enumerate(result.checks):
        assert found.earned in (0, 25)
        if found.earned:
            assert before[number]
            assert after[number]
        else:
            assert found.message
    assert result.score <= (100 if held else 40)
