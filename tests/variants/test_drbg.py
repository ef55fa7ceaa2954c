"""The random generator whose results never change."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.variants.drbg import Drbg


def fresh() -> Drbg:
    return Drbg(b"key", "message")


def test_the_stream_is_hmac_sha256_in_counter_mode() -> None:
    key = hmac.digest(b"key", b"message", "sha256")
    first = hmac.new(key, (0).to_bytes(8, "big"), hashlib.sha256).digest()
    second = hmac.new(key, (1).to_bytes(8, "big"), hashlib.sha256).digest()

    assert fresh().bytes(64) == first + second


def test_the_stream_does_not_depend_on_how_it_is_taken() -> None:
    whole, parts = fresh(), fresh()

    assert whole.bytes(3000) == b"".join(parts.bytes(size) for size in (1, 1500, 999, 500))


def test_results_are_those_of_always() -> None:
    rng = fresh()

    assert [rng.below(1000) for _ in range(5)] == [39, 361, 112, 745, 932]
    assert rng.shuffled("abcdef") == ["d", "f", "e", "b", "a", "c"]


@given(limit=st.integers(1, 1 << 70), message=st.text(max_size=5))
def test_below_stays_below(limit: int, message: str) -> None:
    assert 0 <= Drbg(b"k", message).below(limit) < limit


def test_nothing_lies_below_zero() -> None:
    with pytest.raises(ValueError, match="nothing lies below 0"):
        fresh().below(0)


def test_every_number_comes_about_as_often() -> None:
    rng = fresh()
    counts = [0] * 6
    for _ in range(6000):
        counts[rng.below(6)] += 1

    assert max(counts) - min(counts) < 200


def test_between_reaches_both_ends() -> None:
    rng = fresh()

    assert {rng.between(3, 5) for _ in range(60)} == {3, 4, 5}


def test_uniform_is_below_one() -> None:
    rng = fresh()
    drawn = [rng.uniform() for _ in range(1000)]

    assert 0 <= min(drawn) < 0.05
    assert 0.95 < max(drawn) < 1


def test_a_weight_of_nothing_is_never_drawn() -> None:
    rng = fresh()

    assert {rng.weighted("abc", (1, 0, 2)) for _ in range(100)} == {"a", "c"}


def test_a_sample_has_each_place_once() -> None:
    assert sorted(fresh().sample(range(9), 9)) == list(range(9))


def test_a_sample_larger_than_its_source_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot take 3 of 2"):
        fresh().sample("ab", 3)


def test_a_child_neither_moves_nor_repeats_its_parent() -> None:
    parent = fresh()
    first = parent.child("one").bytes(16)

    assert parent.bytes(16) == fresh().bytes(16)
    assert first == fresh().child("one").bytes(16)
    assert first != fresh().child("two").bytes(16)
