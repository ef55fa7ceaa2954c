"""Start codes: what is written is read, and what is mistyped is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import codes, scenarios, variants
from sandbox.errors import InternboxError, UsageError
from sandbox.paths import builtin_content

LOADED = scenarios.load(scenarios.resolve("linux/first-day", [builtin_content()]))
CODE = codes.make(LOADED, seed="abcd2345", learner="s1234567")
learners = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=16)


@given(
    learners,
    st.binary(min_size=3, max_size=3),
    st.text("abcdefghijklmnopqrstuvwxyz234567", min_size=8, max_size=8),
)
def test_what_is_written_is_read(learner: str, mark: bytes, seed: str) -> None:
    code = codes.StartCode(mark.hex(), mark[::-1].hex(), seed, learner)

    assert codes.read(codes.write(code)) == code


@pytest.mark.parametrize(
    "typed",
    [
        CODE.lower(),
        CODE.replace("-", ""),
        CODE.replace("-", " "),
        f"  {CODE}\n",
        CODE.replace("-", "–"),  # noqa: RUF001
        CODE.replace("0", "O").replace("1", "l"),
    ],
)
def test_a_code_may_be_typed_in_many_ways(typed: str) -> None:
    assert codes.read(typed).learner == "s1234567"


def test_every_wrong_letter_is_noticed() -> None:
    plain = CODE.replace("-", "")
    for place, letter in enumerate(plain):
        other = "7" if letter != "7" else "8"
        with pytest.raises((UsageError, InternboxError)):
            codes.read(plain[:place] + other + plain[place + 1 :])


def test_two_letters_in_the_wrong_order_are_noticed() -> None:
    plain = CODE.replace("-", "")
    for place in range(len(plain) - 1):
        one, two = plain[place : place + 2]
        if one != two:
            with pytest.raises(InternboxError):
                codes.read(plain[:place] + two + one + plain[place + 2 :])


@given(st.text(max_size=80))
def test_any_other_text_is_refused_in_words(text: str) -> None:
    with pytest.raises(InternboxError, match="start code"):
        codes.read(text)


def test_a_code_finds_its_scenario() -> None:
    code = codes.read(CODE)

    assert codes.find(code, [builtin_content()]).id == "linux/first-day"
    codes.require_edition(code, LOADED)


def test_a_code_of_another_edition_says_to_update() -> None:
    other = codes.read(codes.of(LOADED.id, "f" * 16, "abcd2345", ""))

    with pytest.raises(InternboxError, match="another edition") as raised:
        codes.require_edition(other, LOADED)
    assert raised.value.exit_code == 3
    assert "update" in raised.value.hint


def test_a_code_of_an_unknown_scenario_says_to_update() -> None:
    with pytest.raises(InternboxError, match="not here") as raised:
        codes.find(
            codes.read(codes.of("linux/none", "f" * 16, "abcd2345", "")), [builtin_content()]
        )
    assert raised.value.exit_code == 3


def test_learners_have_seeds_of_their_own() -> None:
    seeds = {codes.seed_for("course", f"s{number}") for number in range(300)}

    assert len(seeds) == 300
    assert codes.seed_for("course", "s1") == codes.seed_for("course", "s1")
    assert codes.seed_for("other", "s1") not in seeds
    assert all(len(seed) == len(variants.new_seed()) for seed in seeds)


@pytest.mark.parametrize("learner", ["x" * 65, "a\nb", "a\x1b[2Jb", "\u202eb"])
def test_a_learner_id_is_short_and_printable(learner: str) -> None:
    with pytest.raises(UsageError):
        codes.checked_learner(learner)
