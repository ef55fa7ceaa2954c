"""Rules about what learners read: ticket, hints, debrief, and the facts of a note."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sandbox.errors import ContentError
from sandbox.lint.finding import Finding, Subject, of_error, rule
from sandbox.rendering import debrief, text
from sandbox.scenarios.tomlfile import Keys

SHORTEST, LONGEST = 10, 30  # lines of a ticket
_STEPS = 2  # hints a fault, beside the first one for all


@rule("renders")
def renders(subject: Subject) -> Iterator[Finding]:
    """Ticket, debrief, hints and wordings can be rendered for every fault and seed."""
    loaded = subject.loaded
    yield from (found for found in subject.broken if found.rule == "renders")
    for variant in subject.variants:
        try:
            debrief(loaded, variant)
        except ContentError as error:
            yield of_error(error, "renders")
            break
    for variant in subject.first.values():
        for source, keys, template in _templates(subject, variant.fault):
            try:
                text(template, loaded, variant)
            except ContentError as error:
                message = error.message.partition(": ")[2]
                yield subject.at(source, keys, message, hint=error.hint, rule="renders")


def _templates(subject: Subject, fault: str) -> Iterator[tuple[str, Keys, str]]:
    hints, note = subject.loaded.hints, subject.loaded.note
    yield "hints.toml", ("first", "text"), hints.first.text
    for index, hint in enumerate(hints.faults[fault].steps if fault in hints.faults else ()):
        yield "hints.toml", ("faults", fault, "steps", index, "text"), hint.text
    for index, fact in enumerate(note.facts):
        yield "note.toml", ("facts", index, "says"), fact.says
        for wording in fact.accept:
            yield "note.toml", ("facts", index, "accept"), wording


@rule("ticket-length")
def ticket_length(subject: Subject) -> Iterator[Finding]:
    """A ticket has 10 to 30 lines."""
    for variant, said in subject.tickets:
        count = len(said.strip().splitlines())
        if not SHORTEST <= count <= LONGEST:
            yield subject.in_file(
                subject.files.ticket,
                f"the ticket has {count} lines (seed {variant.seed}, fault {variant.fault})",
                hint=f"say symptom, who asks, how urgent, what done means in {SHORTEST} to "
                f"{LONGEST} lines",
                rule="ticket-length",
            )
            return


@rule("forbidden-words")
def forbidden_words(subject: Subject) -> Iterator[Finding]:
    """The ticket has none of the scenario's `forbidden_words`, in any of its variants."""
    words = subject.loaded.settings.forbidden_words
    yield from _unsaid(subject, dict.fromkeys(words, "it is a forbidden word"), "forbidden-words")


@rule("ticket-keeps-the-secret")
def keeps_secret(subject: Subject) -> Iterator[Finding]:
    """The ticket has no fault's title, nor the name of one where that is more than one word."""
    words = {}
    for name, fault in subject.loaded.settings.faults.items():
        words[fault.title] = f"it is the title of the fault {name}"
        if "-" in name:
            words[name] = words[name.replace("-", " ")] = "it is the name of a fault"
    yield from _unsaid(subject, words, "ticket-keeps-the-secret")


def _unsaid(subject: Subject, words: dict[str, str], name: str) -> Iterator[Finding]:
    patterns = {
        word: re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE) for word in words
    }
    found: set[str] = set()
    for variant, said in subject.tickets:
        for word, pattern in patterns.items():
            if word not in found and (match := pattern.search(said)):
                found.add(word)
                line = said.count("\n", 0, match.start()) + 1
                yield subject.in_file(
                    subject.files.ticket,
                    f"line {line} of the ticket says '{match[0]}': {words[word]} "
                    f"(seed {variant.seed}, fault {variant.fault})",
                    hint="tell the symptom, never the cause",
                    rule=name,
                )


@rule("hints")
def hints(subject: Subject) -> Iterator[Finding]:
    """Every fault has two hints of its own, and a later hint costs no less than an earlier one."""
    written = subject.loaded.hints
    for fault in subject.faults:
        steps = written.faults[fault].steps if fault in written.faults else []
        keys: Keys = ("faults", fault)
        if len(steps) != _STEPS:
            yield subject.at(
                "hints.toml",
                keys,
                f"the fault {fault} has {len(steps)} hints of its own, not {_STEPS}",
                hint=f"write [[faults.{fault}.steps]] with text and cost",
                rule="hints",
            )
        costs = [written.first.cost, *(step.cost for step in steps)]
        if costs != sorted(costs):
            yield subject.at(
                "hints.toml",
                keys,
                f"the hints cost {', '.join(map(str, costs))}",
                hint="what says more costs more",
                rule="hints",
            )


@rule("debrief-differs")
def debrief_differs(subject: Subject) -> Iterator[Finding]:
    """The debrief of every fault is another one."""
    seen: dict[str, str] = {}
    for fault, variant in subject.first.items():
        try:
            said = debrief(subject.loaded, variant)
        except ContentError:
            return
        if said in seen:
            yield subject.in_file(
                subject.files.debrief,
                f"the faults {seen[said]} and {fault} have the same debrief",
                hint='tell them apart with {% if fault == "…" %}',
                rule="debrief-differs",
            )
        seen.setdefault(said, fault)


@rule("note-facts")
def note_facts(subject: Subject) -> Iterator[Finding]:
    """A note has facts with wordings; among several faults, each has a fact of its own."""
    facts = subject.loaded.note.facts
    for index, fact in enumerate(facts):
        if not fact.accept:
            yield subject.at(
                "note.toml",
                ("facts", index),
                f"the fact {fact.id} accepts no wording",
                hint='accept = ["words in any order", "other|words"]',
                rule="note-facts",
            )
    ids = [fact.id for fact in facts]
    for name in sorted({one for one in ids if ids.count(one) > 1}):
        yield subject.at(
            "note.toml",
            ("facts", ids.index(name)),
            f"the fact {name} is there twice",
            hint="rename one",
            rule="note-facts",
        )
    for fault in subject.faults:
        own = [fact for fact in facts if fault in fact.fault or len(subject.faults) == 1]
        if not own:
            yield subject.at(
                "note.toml",
                ("facts",),
                f"no fact is the fault {fault}'s own",
                hint=f'add the cause, with fault = ["{fault}"]',
                rule="note-facts",
            )
