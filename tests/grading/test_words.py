"""Notes as sentences and words; spelling."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.grading.spelling import matches, one_edit
from sandbox.grading.words import Word, count, sentences


def texts(note: str) -> list[list[str]]:
    return [[word.text for word in sentence.words] for sentence in sentences(note)]


def word(text: str) -> Word:
    return sentences(text)[0].words[0]


@pytest.mark.parametrize(
    ("note", "expected"),
    [
        ("One two. Three!", [["one", "two"], ["three"]]),
        ("Wrapped over\ntwo lines.", [["wrapped", "over", "two", "lines"]]),
        ("- one item\n- two items", [["one", "item"], ["two", "items"]]),
        ("1. first\n2) second", [["first"], ["second"]]),
        ("# Cause\nThe port.", [["cause"], ["the", "port"]]),
        ("At 10.20.0.5 it is.", [["at", "10.20.0.5", "it", "is"]]),
        ("See e.g. the log.", [["see", "e.g", "the", "log"]]),
        ("It was on 14. March at 7.", [["it", "was", "on", "14", "march", "at", "7"]]),
        ("It was on Mar. 14.", [["it", "was", "on", "mar", "14"]]),
        ("It took 14. Mara saw it.", [["it", "took", "14"], ["mara", "saw", "it"]]),
        ("a\r\n\r\nb", [["a"], ["b"]]),
        ("> quoted\nmine", [["mine"]]),
        ("```\nls -l\nid\n```", [["ls", "-l"], ["id"]]),
        ("**bold** _and_ `code`", [["bold", "and", "code"]]),
        (
            "It isn't, can't, cannot, didnt",
            [["it", "is", "not", "ca", "not", "can", "not", "did", "not"]],
        ),
        ("[the docs](http://wiki.example/x)", [["the", "docs", "http://wiki.example/x"]]),
        ("| a | b |\n|---|---|", [["a", "b", "---", "---"]]),
    ],
)
def test_markdown_becomes_sentences(note: str, expected: list[list[str]]) -> None:
    assert texts(note) == expected


def test_a_question_is_known() -> None:
    assert [one.question for one in sentences("Is it? It is.")] == [True, False]


def test_words_are_counted_without_marks() -> None:
    assert count("- one, two — 3 …\n\n* * *") == 3


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        ("port", "Port,"),
        ("8080", "8080/tcp"),
        ("8080", ":8080"),
        ("8080", "listen=8080"),
        ("10.20.0.5", "10.20.0.5:80"),
        ("80", "10.20.0.5:80"),
        ("nginx", "nginx.service"),
        ("/srv/www", "/srv/www/"),
        ("/etc/nginx/nginx.conf", "`/etc/nginx/nginx.conf`."),
        ("anna", "Anna's"),
        ("time-zone", "timezone"),
        ("timezone", "time-zone"),
        ("restart*", "restarting"),
        ("restart*", "restrated"),
        ("a|port|b", "port"),
        ("configuration", "configuraton"),
        ("permission", "permissions"),
        ("resume", "résumé"),
        ("max_connections", "max_connections=100"),
        ("2026-03-04t02:14*", "2026-03-04T02:14:05+01:00"),
        ("restart*", "restarted+reloaded"),
        ("bruteforce*", "brute forced"),
        ("timezone", "time zone"),
    ],
)
def test_a_wanted_word_is_found(wanted: str, text: str) -> None:
    assert matches(wanted.split("|"), word(text))


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        ("port", "port8"),
        ("port", "part"),
        ("80", "8080"),
        ("8080", "8081"),
        ("10.20.0.5", "10.20.0.50"),
        ("20", "10.20.0.5"),
        ("nginx", "/etc/nginx/nginx.conf"),
        ("/etc/nginx", "/etc/nginx/nginx.conf"),
        ("enable", "unable"),
        ("restart", "restore"),
        ("web-01", "web-02"),
    ],
)
def test_another_word_is_not(wanted: str, text: str) -> None:
    assert not matches([wanted], word(text))


def test_two_words_may_be_one() -> None:
    assert matches(["timezone"], word("time zone"))
    assert matches(["time-zone"], word("time zone"))


letters = st.text(string.ascii_lowercase, min_size=6, max_size=12)


@given(letters, st.data())
def test_one_slip_in_a_long_word_costs_nothing(right: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(1, len(right) - 1))
    letter = data.draw(st.sampled_from(string.ascii_lowercase))
    slips = [
        right[:at] + right[at + 1 :],
        right[:at] + letter + right[at:],
        right[:at] + letter + right[at + 1 :],
    ]
    for slip in slips:
        assert one_edit(right, slip)
        assert matches([right], Word(slip, frozenset({slip})))


@given(st.text("abc", max_size=6), st.text("abc", max_size=6))
def test_one_edit_is_symmetric_and_bounded(one: str, other: str) -> None:
    assert one_edit(one, other) == one_edit(other, one)
    assert one_edit(one, one)
    if one_edit(one, other):
        assert abs(len(one) - len(other)) <= 1


@given(st.text(max_size=400))
def test_any_text_is_split_without_losing_its_plain_words(note: str) -> None:
    assert all(one.text for sentence in sentences(note) for one in sentence.words)
