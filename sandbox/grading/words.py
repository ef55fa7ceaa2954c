"""Notes as sentences of words: what Markdown, quotes, lists and contractions stand for."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

ABBREVIATIONS = frozenset(
    ("e.g", "i.e", "etc", "approx", "vs", "mr", "mrs", "ms", "dr", "nr", "resp", "incl", "ca", "cf")
)

_QUOTES = str.maketrans("‘’‛′´“”„«»–—−‐‑", "'''''\"\"\"\"\"-----")  # noqa: RUF001
_FENCE = re.compile(r"^\s*(?:```|~~~)")
_BULLET = re.compile(r"^\s*(?:[-*+•]|\d{1,3}[.)]|#{1,6}|\[[ xX]\])\s+")
_RULE = re.compile(r"^\s*(?:[-=_*]\s*){3,}$")
_LINK = re.compile(r"!?\[([^\]\n]{0,500})\]\(([^)\s]{0,500})[^)\n]{0,200}\)")
_MONTH = (
    "(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sep(?:t(?:ember)?)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b"
)
_DATE = re.compile(rf"\d{{1,2}}\. {_MONTH}|{_MONTH}\. \d")  # 14. march, mar. 14
_END = re.compile(r"[.!?…]+[\"')\]*_]*(?=\s|$)")
_SPACE = re.compile(r"[\s,;\"()\[\]{}<>|*]+")
_CLAUSE_ENDS = re.compile(r"[,;:)]$|^-+$")
_EDGES = "'\"`.,:;!?_()[]{}<>*"
_PARTS = re.compile(r"[:/=@.\-_+%#]+")


@dataclass(frozen=True)
class Word:
    """A word of a note, and all the ways it may be read. `starts`: a clause begins with it."""

    text: str
    forms: frozenset[str]
    starts: bool = False


@dataclass(frozen=True)
class Sentence:
    words: tuple[Word, ...]
    question: bool = False


def fold(text: str) -> str:
    """Lower case without accents, with straight quotes and plain dashes."""
    plain = unicodedata.normalize("NFKD", text.translate(_QUOTES))
    return "".join(char for char in plain if not unicodedata.combining(char)).casefold()


def sentences(note: str) -> list[Sentence]:
    """The sentences of a note, folded. Lines quoted with `>` are somebody else's and left out."""
    return [
        _sentence(piece)
        for block in _blocks(fold(note.replace("\r\n", "\n").replace("\r", "\n")))
        for piece in _split(block)
    ]


def count(note: str) -> int:
    """How many words a note has: what holds a letter or a digit, between white space."""
    return sum(any(char.isalnum() for char in piece) for piece in note.split())


# --- into sentences -----------------------------------------------------------------------------


def _blocks(note: str) -> Iterator[str]:
    """Paragraphs, list items, headings and lines of code, each as one line."""
    held: list[str] = []
    code = False
    for line in [*note.split("\n"), ""]:
        fence = bool(_FENCE.match(line))
        alone = code or fence or not line.strip() or bool(_RULE.match(line))
        bullet = _BULLET.match(line)
        quoted = not code and line.lstrip().startswith(">")
        if (alone or bullet or quoted) and held:
            yield " ".join(held)
            held = []
        if fence:
            code = not code
        elif code:
            yield line
        elif not alone and not quoted:
            held.append(line[bullet.end() :] if bullet else line)
            if bullet and "#" in bullet.group():  # a heading ends with its line
                yield held.pop()


def _split(block: str) -> Iterator[str]:
    """Sentences of a block; the stop of a number, a date, a name or an abbreviation ends none."""
    block = _LINK.sub(r"\1 \2", block)
    start = 0
    for end in _END.finditer(block):
        last = block[start : end.start()].rsplit(None, 1)[-1:] or [""]
        word = last[0].strip("(\"'")
        if end.group().startswith(".") and (
            word in ABBREVIATIONS or _DATE.match(f"{word}. {block[end.end() :].lstrip()}")
        ):
            continue
        yield block[start : end.end()]
        start = end.end()
    if block[start:].strip():
        yield block[start:]


# --- into words ---------------------------------------------------------------------------------

_CONTRACTED = re.compile(
    r"\b(is|are|was|were|do|does|did|has|have|had|could|would|should|must|need|ca|wo)n'?t\b"
)
_CANNOT = re.compile(r"\bcannot\b")


def uncontracted(word: str) -> str:
    """`not` for `couldn't`, `cannot` and their like; any other word is itself."""
    return "not" if _CONTRACTED.fullmatch(word) or _CANNOT.fullmatch(word) else word


def _sentence(text: str) -> Sentence:
    spread = _CANNOT.sub("can not", _CONTRACTED.sub(r"\1 not", text))
    words: list[Word] = []
    starts = True
    for piece in re.split(r"\s+|(?<=[,;)])|(?=\()", spread):
        starts = starts or piece.startswith("(")
        for part in _SPACE.split(piece):
            bare = part.strip(_EDGES)
            if bare:
                words.append(Word(bare, _forms(bare), starts))
                starts = False
        starts = starts or bool(_CLAUSE_ENDS.search(piece))
    joined = [_joined(word, words[at + 1 : at + 2]) for at, word in enumerate(words)]
    return Sentence(tuple(joined), text.rstrip(" *_)\"'").endswith("?"))


def _forms(bare: str) -> frozenset[str]:
    """A word, and what it is made of: `8080/tcp`, `port=8080`, `nginx.service`, `start-up`.

    A path is itself and nothing else.
    """
    whole = bare.rstrip("/") or bare
    forms = {whole}
    if whole[:1] not in "/~" and not whole.startswith("./"):
        # the parts of an address are not numbers of their own
        coarse = [part for part in re.split(r"[:/=@%]+", whole) if part]
        forms.update(coarse)
        for part in coarse:
            forms.update(piece for piece in _PARTS.split(part) if piece.isalpha())
        forms.add(whole.replace("-", ""))
    if whole.endswith("'s"):
        forms.add(whole[:-2])
    return frozenset(forms)


def _joined(word: Word, after: list[Word]) -> Word:
    """`time zone` may be read as `timezone`: the form `time zone` says so."""
    if not after or not (word.text.isalpha() and after[0].text.isalpha()):
        return word
    return Word(word.text, word.forms | {f"{word.text} {after[0].text}"}, word.starts)
