"""What a sentence mentions without asserting it: denials, guesses, false leads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sandbox.grading.words import Word


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


NEGATORS = _set("not never neither nor no without nothing")
_BE = _set("is are was were be been being it's that's")
_PERSONS = _set("i we")
_SEEMING = _set("be turn prove look seem appear")
_SOFT = _set("longer only just doubt sooner")  # "no longer": it once was so
_CAUSES = _set(
    "problem problems cause reason culprit issue issues fault trouble explanation error errors "
    "sign signs trace evidence it that case"
)
_GUESSES = _set("maybe perhaps possibly probably presumably might")
_BELIEVING = _set("thought suspected suspect assumed assume supposed")
_GUESSING = _BELIEVING | _set("guessed guess")  # "was guessed" is done to a password
_BESIDE = _set("had have first also only both all even still wrongly initially originally briefly")
_DOUBTED = _set("caused related linked due")  # "could be caused by" is a guess
_DONE = _set("read run set put sent found got made kept left lost shut shown known")
_CONTRASTS = _set("but instead rather")
_BREAKS = _CONTRASTS | _set(
    "because since as so therefore however although though while whereas which who that after "
    "before until when where if then and yet still"
)


@dataclass(frozen=True)
class Said:
    """A word in its sentence: its clause, counted from 0, and whether it is asserted there.

    `contrasted`: it is denied, but the next clause says what held instead. `doubtful`: its clause
    denies something, though not this word.
    """

    word: Word
    clause: int
    denied: bool = False
    contrasted: bool = False
    doubtful: bool = False


def said(words: Sequence[Word]) -> list[Said]:
    """The words of a sentence, those that it denies or merely supposes marked.

    "It was not the port" denies what follows, up to the next clause; "the port was not the cause"
    what stands before it too; "nginx could not bind port 80" only the verb, for port 80 is there.
    """
    clauses = list(_clauses(words))
    result: list[Said] = []
    supposed = False
    for number, clause in enumerate(clauses):
        texts = [word.text for word in clause]
        supposed = _is_supposed(texts) or (supposed and texts[0] == "that")
        denied = set(range(len(clause))) if supposed else _denied(texts)
        after = clauses[number + 1][0].text if number + 1 < len(clauses) else ""
        for at, word in enumerate(clause):
            contrasted = at in denied and after in _CONTRASTS
            result.append(Said(word, number, at in denied, contrasted, bool(denied)))
    return result


def _clauses(words: Sequence[Word]) -> Iterator[list[Word]]:
    clause: list[Word] = []
    for word in words:
        if clause and (word.starts or word.text in _BREAKS):
            yield clause
            clause = []
        clause.append(word)
    if clause:
        yield clause


def _is_supposed(texts: Sequence[str]) -> bool:
    """Does the writer guess in this clause? What others guessed is as good as any other deed."""
    if _GUESSES & set(texts):
        return True
    for place, text in enumerate(texts):
        before = [one for one in texts[:place] if one not in _BESIDE][-1:]
        if text in _GUESSING and _PERSONS & set(before):
            return True  # I had first suspected the disk
        if text in _BELIEVING and _BE & set(before):
            return True  # it was thought to be the disk
        if texts[place : place + 2] == ["could", "be"]:
            following = texts[place + 2 :] or [""]
            return not _is_done(following[0])
    return False


def _is_done(text: str) -> bool:
    """Is this what was done to a thing: "could be written by everybody" is no guess."""
    return text in _DONE or (text.endswith(("ed", "en")) and text not in _DOUBTED)


def _denied(texts: Sequence[str]) -> set[int]:
    """Positions in a clause of what it denies."""
    found: set[int] = set()
    for place, text in enumerate(texts):
        following = texts[place + 1] if place + 1 < len(texts) else ""
        if text in NEGATORS and following not in _SOFT:
            found.update(_scope(texts, place))
        elif (text, following) in (("rather", "than"), ("instead", "of")):
            found.update(range(place + 2, len(texts)))
        elif (text, following) == ("ruled", "out"):
            found.update(range(len(texts)))
    return found


def _scope(texts: Sequence[str], place: int) -> range:
    """What the negator at `place` denies."""
    before, after = texts[:place], texts[place + 1 :]
    whole, rest, none = range(len(texts)), range(place + 1, len(texts)), range(0)
    negator = texts[place]
    if negator == "nothing":
        return whole if {"to", "wrong"} & set(after) else none  # nothing to do with, wrong with
    if negator == "no":
        return whole if after and after[0] in _CAUSES else none  # "no space left" asserts
    if negator == "without":
        return none
    if negator in ("neither", "nor") or not before:
        return rest
    if before[-1] in _BE:
        return whole if _CAUSES & set(after) else rest  # the port was not the cause
    if _PERSONS & set(before) or _SEEMING & set(after[:2]):
        return rest  # I did not restart nginx; it did not turn out to be the port
    return range(place + 1, min(place + 2, len(texts)))
