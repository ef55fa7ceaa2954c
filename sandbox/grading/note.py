"""The rubric of the note: which facts it has, what it contradicts, and how it is said."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from sandbox.grading.denial import NEGATORS, Said, said
from sandbox.grading.results import Missing, NoteResult
from sandbox.grading.spelling import matches
from sandbox.grading.words import count, fold, sentences, uncontracted
from sandbox.models import Fact, NoteToml

BYTES_LIMIT = 64 * 1024

BLAME = (
    "your fault", "his fault", "her fault", "their fault", "user's fault", "fault of the user",
    "you broke", "you should have", "you messed", "blame", "idiot", "stupid", "moron", "dumb",
    "incompetent", "careless", "clueless", "lazy", "useless", "user error", "fool", "shame",
)  # fmt: skip


@dataclass(frozen=True)
class FactText:
    """A fact with its wordings rendered to plain words."""

    id: str
    says: str
    accept: tuple[str, ...]


@dataclass(frozen=True)
class Rubric:
    """What a note is held against; contradictions are wordings that it must not assert."""

    facts: tuple[FactText, ...]
    contradictions: tuple[FactText, ...] = ()
    min_words: int = 20
    max_words: int = 400


def rubric(toml: NoteToml, fault: str, render: Callable[[str], str]) -> Rubric:
    """The rubric for one fault. The facts that only other faults have are its contradictions, but
    for wordings that are accepted here too."""
    here = [_rendered(fact, render) for fact in toml.facts if not fact.fault or fault in fact.fault]
    accepted = {_key(wording) for fact in here for wording in fact.accept}
    others = []
    for fact in toml.facts:
        if fact.fault and fault not in fact.fault:
            text = _rendered(fact, render)
            wordings = tuple(w for w in text.accept if _key(w) not in accepted)
            others.append(FactText(text.id, text.says, wordings))
    return Rubric(tuple(here), tuple(others), toml.min_words, toml.max_words)


def judge_for(note: str, toml: NoteToml, fault: str, render: Callable[[str], str]) -> NoteResult:
    """Judges `note` for one fault; `render` makes plain words of a wording's template."""
    return judge(note, rubric(toml, fault, render))


def judge(note: str, held: Rubric) -> NoteResult:
    """What the note has and lacks. The same note and rubric always get the same result.

    A fact is there when all words of one of its wordings stand in one sentence, undenied. A
    contradiction is asserted in the same way. Questions assert nothing. A note is accepted when no
    fact is missing and there is no problem.
    """
    if len(note.encode(errors="replace")) > BYTES_LIMIT:
        missing = [Missing(fact.id, fact.says) for fact in held.facts]
        problem = f"the note is longer than {BYTES_LIMIT // 1024} KiB"
        return NoteResult(accepted=False, missing=missing, problems=[problem])
    length = count(note)
    everything = [(said(sentence.words), sentence.question) for sentence in sentences(note)]
    asserted = [words for words, question in everything if not question]
    facts = [fact.id for fact in held.facts if _asserts(asserted, fact.accept)]
    missing = [Missing(fact.id, fact.says) for fact in held.facts if fact.id not in facts]
    problems = [
        *_length(length, held),
        *_blame(words for words, _ in everything),
        *_contradicted(asserted, held.contradictions),
    ]
    return NoteResult(
        accepted=not missing and not problems,
        facts=facts,
        missing=missing,
        problems=problems,
        words=length,
    )


def _rendered(fact: Fact, render: Callable[[str], str]) -> FactText:
    return FactText(fact.id, render(fact.says), tuple(render(wording) for wording in fact.accept))


def _key(wording: str) -> frozenset[str]:
    return frozenset(fold(wording).split())


def _asserts(text: Sequence[Sequence[Said]], wordings: Iterable[str]) -> bool:
    split = [_wanted(wording) for wording in wordings]
    return any(_has(sentence, wanted) for sentence in text for wanted in split if wanted)


def _wanted(wording: str) -> list[frozenset[str]]:
    """The words of a wording, each with its alternatives."""
    return [frozenset(map(uncontracted, word.split("|"))) - {""} for word in fold(wording).split()]


def _has(sentence: Sequence[Said], wanted: Sequence[frozenset[str]]) -> bool:
    """All wanted words stand in the sentence, each asserted at least once.

    A denied one will do where the next clause says what held instead, with another of the wanted
    words: "not port 80 but 81" has `port 81`. Where the wording itself denies, by `not enabled` or
    `not|unable read`, the words may be denied, and one of them stands in a clause with a negator.
    """
    found = [[one for one in sentence if matches(options, one.word)] for options in wanted]
    if not all(found):
        return False
    plain = [[one for one in places if one.word.text not in NEGATORS] for places in found]
    if all(plain) and _asserted(plain):
        return True
    denying = {one.clause for places in found for one in places if one.word.text in NEGATORS}
    return any(one.clause in denying for places in plain for one in places)


def _asserted(found: Sequence[Sequence[Said]]) -> bool:
    clauses = {one.clause for places in found for one in places if not one.denied}
    return all(
        any(not one.denied or (one.contrasted and one.clause + 1 in clauses) for one in places)
        for places in found
    )


def _length(words: int, held: Rubric) -> list[str]:
    if words < held.min_words:
        return [f"it is too short: {words} words, and {held.min_words} is the least"]
    if words > held.max_words:
        return [f"it is too long: {words} words, and {held.max_words} is the most"]
    return []


def _contradicted(text: Sequence[Sequence[Said]], contradictions: Iterable[FactText]) -> list[str]:
    """One problem however many there are: their number would help with guessing. A clause that
    denies anything contradicts nothing: "the disk was not full" has nothing on the disk."""
    sure = [[replace(one, denied=one.doubtful) for one in sentence] for sentence in text]
    if any(_asserts(sure, fact.accept) for fact in contradictions):
        return ["it names a cause that was not the one; say only what you found"]
    return []


def _blame(text: Iterable[Sequence[Said]]) -> list[str]:
    phrases = [(phrase, phrase.split()) for phrase in BLAME]
    for sentence in text:
        for at in range(len(sentence)):
            for phrase, wanted in phrases:
                if _stands(sentence[at : at + len(wanted)], wanted):
                    return [f"it blames somebody (“{phrase}”): say what happened instead"]
    return []


def _stands(run: Sequence[Said], wanted: Sequence[str]) -> bool:
    """Do these very words stand here, not denied (`not your fault`); plurals count."""
    if len(run) < len(wanted) or any(one.denied for one in run):
        return False
    texts = [one.word.text for one in run]
    return texts[:-1] == wanted[:-1] and texts[-1] in (wanted[-1], wanted[-1] + "s")
