"""Does a word of a note mean a word of the rubric: endings, compounds and slips of spelling."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from sandbox.grading.words import Word

FUZZY_LETTERS = 6  # shorter words must be spelled right: one edit makes another word of them


def matches(options: Iterable[str], word: Word) -> bool:
    """Is one of `options` (folded, perhaps ending in `*`) this word?

    Words of six letters and more may be misspelled by one edit, but not in their first letter;
    numbers, addresses and paths must be exact.
    """
    return any(_one_matches(option, word.forms) for option in options)


@lru_cache(maxsize=50_000)
def _one_matches(wanted: str, forms: frozenset[str]) -> bool:
    stem = wanted.rstrip("*")
    prefix = stem != wanted
    if not prefix and (stem in forms or (stem.rstrip("/") or stem) in forms):
        return True
    flat = stem.replace("-", "")
    for form in forms:
        if " " in form:  # two words of the note: no other form has a space
            if _joined_matches(flat, form, prefix):
                return True
            continue
        if prefix and form.startswith(stem):
            return True
        if flat.isalpha() and form.isalpha() and _close(flat, form, prefix):
            return True
    return False


def _joined_matches(flat: str, form: str, prefix: bool) -> bool:
    """Do both words together make the wanted one: `time zones` is `timezone*`."""
    first, _, second = form.partition(" ")
    if len(flat) <= max(FUZZY_LETTERS, len(first)):
        return False
    return (first + second).startswith(flat) if prefix else first + second == flat


@lru_cache(maxsize=50_000)
def _close(wanted: str, form: str, prefix: bool) -> bool:
    if form == wanted or (prefix and form.startswith(wanted)):
        return True
    if len(wanted) < FUZZY_LETTERS or form[0] != wanted[0]:
        return False
    if not prefix:
        return one_edit(wanted, form)
    lengths = (len(wanted) - 1, len(wanted), len(wanted) + 1)
    return any(one_edit(wanted, form[:length]) for length in lengths if length <= len(form))


def one_edit(one: str, other: str) -> bool:
    """At most one letter added, left out, changed, or two neighbours swapped."""
    if len(one) > len(other):
        one, other = other, one
    if len(other) - len(one) > 1:
        return False
    at = next((i for i, char in enumerate(one) if char != other[i]), len(one))
    if len(one) != len(other):
        return one[at:] == other[at + 1 :]
    if one[at + 1 :] == other[at + 1 :]:
        return True
    return one[at : at + 2] == other[at : at + 2][::-1] and one[at + 2 :] == other[at + 2 :]
