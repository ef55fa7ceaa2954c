"""Text from machines, made safe to show."""

from __future__ import annotations

import csv
import io
import unicodedata
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.grading import safe

# Every code point, lone surrogates included, with what does harm well represented.
WILD = st.text(
    st.one_of(
        st.characters(),
        st.integers(0xD800, 0xDFFF).map(chr),
        st.sampled_from(
            "\x00\x07\x08\x1b\x7f\x9b\x9d[];m=+-@\t\r\n|&<>\"'`*_#\u202e\u2066\ufeff\ufffe"
        ),
    ),
    max_size=200,
)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b2Jtext", "text"),
        ("\x1bPq#0\x1b\\text", "text"),
        ("a\rb\x08c", "abc"),
        ("a\r\nb\tc", "a\nb\tc"),
        ("\u202eabc\u2069", "abc"),
        ("x\ud800y", "x\ufffdy"),
        ("naïve – ✓ 日本 👍", "naïve – ✓ 日本 👍"),  # noqa: RUF001
    ],
)
def test_text_loses_what_a_terminal_would_obey(raw: str, shown: str) -> None:
    assert safe.text(raw) == shown


@given(WILD)
def test_text_holds_no_controls(raw: str) -> None:
    shown = safe.text(raw)
    kinds = {unicodedata.category(char) for char in shown if char not in "\n\t"}
    assert not kinds & {"Cc", "Cs"}
    assert not set(shown) & set(
        "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f"
    )
    assert safe.text(shown) == shown
    shown.encode()


@given(WILD, st.integers(1, 50))
def test_text_keeps_its_limit(raw: str, limit: int) -> None:
    assert len(safe.text(raw, limit=limit)) <= limit


def test_a_flood_is_cut_quickly() -> None:
    assert len(safe.text("\x1b[" * 5_000_000, limit=100)) <= 100
    assert safe.text("x" * 5000, limit=10) == "xxxxxxxxx…"


@given(WILD)
def test_a_line_is_one_line(raw: str) -> None:
    assert len(safe.line(raw).splitlines()) <= 1


@given(WILD)
def test_xml_can_be_parsed_and_says_the_same(raw: str) -> None:
    element = ElementTree.Element("a", b=safe.xml(raw))
    element.text = safe.xml(raw)
    parsed = ElementTree.fromstring(ElementTree.tostring(element))
    assert (parsed.text or "") == safe.xml(raw)


@pytest.mark.parametrize("raw", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\x1b[m=1", " =1"])
def test_no_cell_is_a_formula(raw: str) -> None:
    assert safe.csv(raw).startswith("'")


@given(WILD)
def test_a_cell_survives_csv(raw: str) -> None:
    file = io.StringIO()
    csv.writer(file).writerow([safe.csv(raw), "next"])
    [row] = csv.reader(io.StringIO(file.getvalue()))
    assert row == [safe.csv(raw), "next"]
    assert not row[0].startswith(("=", "+", "-", "@", "|", "%"))


@given(WILD)
def test_html_holds_no_markup(raw: str) -> None:
    assert not set(safe.html(raw)) & set("<>\"'")


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("<script>x</script>", r"\<script\>x\</script\>"),
        ("[a](http://b)", r"\[a\]\(http\://b\)"),
        ("a | b\n# c", r"a \| b \# c"),
        ("- item", r"\- item"),
        ("1. item", r"1\. item"),
        ("a & b", "a &amp; b"),
        ("&lt;", "&amp;lt;"),
        ("ask @anna", "ask @&#8203;anna"),
        ("linux/first-day works.", "linux/first-day works."),
    ],
)
def test_markdown_is_plain_words(raw: str, shown: str) -> None:
    assert safe.markdown(raw) == shown


@given(WILD)
def test_markdown_holds_no_bare_markup(raw: str) -> None:
    shown = safe.markdown(raw)
    assert "\n" not in shown
    for at, char in enumerate(shown):
        if char in "<>|`*_[]":
            assert shown[at - 1 : at] == "\\"
