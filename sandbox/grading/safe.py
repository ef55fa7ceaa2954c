"""Makes text that comes from a machine safe to show: in a terminal, XML, CSV, HTML and Markdown."""

from __future__ import annotations

import html as _html
import re

LIMIT = 2_000

# CSI and OSC sequences, the other string sequences, and two-character escapes; all in linear time.
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]?"
    r"|\x1b[\]PX^_][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x9b[0-?]*[ -/]*[@-~]?"
    r"|\x1b[ -/]*[0-~]?"
)
# C0 and C1 controls but for tab and newline, bidirectional controls, invisible separators, tags.
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff"
    "\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_NOT_TEXT = re.compile("[\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_MARKUP = re.compile(r"[\\`*_{}\[\]()<>#|~:$]|^[-+=]|(?<=\bwww)\.")
_NUMBERED = re.compile(r"^(\d+)\.")
_MENTION = re.compile(r"@(?=\w)")


def text(value: str, *, limit: int = LIMIT) -> str:
    """`value` without escape codes, controls (but tab and newline), bidi controls and surrogates.

    Longer text is cut to `limit` characters and ends in `…`.
    """
    value = value[: limit * 8 + 8].replace("\r\n", "\n")
    value = _ESCAPES.sub("", value)
    value = _CONTROLS.sub("", value)
    value = _NOT_TEXT.sub("\ufffd", value)
    return value if len(value) <= limit else value[: limit - 1].rstrip() + "…"


def line(value: str, *, limit: int = LIMIT) -> str:
    """The same on one line: every run of white space is one blank."""
    return text(" ".join(text(value, limit=limit * 2).split()), limit=limit)


def xml(value: str, *, limit: int = LIMIT) -> str:
    """Only characters that XML 1.0 allows; markup is escaped by whoever writes the document."""
    return text(value, limit=limit)


def csv(value: str, *, limit: int = LIMIT) -> str:
    """A cell that no spreadsheet takes for a formula."""
    value = line(value, limit=limit)
    return f"'{value}" if value[:1] in ("=", "+", "-", "@", "|", "%") else value


def html(value: str, *, limit: int = LIMIT) -> str:
    """Text for an HTML element or a quoted attribute."""
    return _html.escape(text(value, limit=limit), quote=True)


def markdown(value: str, *, limit: int = LIMIT) -> str:
    """One line of plain words in Markdown: nothing in it is markup, a link or a mention."""
    escaped = _MARKUP.sub(r"\\\g<0>", line(value, limit=limit).replace("&", "\0"))
    escaped = _NUMBERED.sub(r"\1\\.", escaped)
    return _MENTION.sub("@&#8203;", escaped).replace("\0", "&amp;")
