"""The note's rubric: facts, contradictions, tone, length."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.grading.note import BYTES_LIMIT, FactText, Rubric, judge, judge_for, rubric
from sandbox.models import Fact, NoteToml

RUBRIC = Rubric(
    facts=(
        FactText("cause", "what stopped the page", ("port 8081", "wrong port")),
        FactText("change", "what you changed", ("restart*|reload* nginx", "enabl* nginx")),
    ),
    contradictions=(
        FactText("disk", "", ("disk full", "no space")),
        FactText("rights", "", ("permission*|rights wrong|denied",)),
    ),
    min_words=5,
    max_words=60,
)


@pytest.mark.parametrize(
    "note",
    [
        "The page was served on the wrong port. I restarted nginx and it works.",
        "NGINX listened on port 8081, so I changed it and RELOADED nginx.",
        "It listened on 8081: that is the port nobody asks. Nginx was reloaded.",
        "It was not listening on port 8080 but on 8081. I restarted nginx.",
        "Cause:\r\n* the wrong port\r\n* nothing else\r\n\r\nI have restarted `nginx` since.",
        "**Cause**: wrong port (8081).\n\n```\nsudo systemctl restart nginx\n```\nIt answers.",
        "It wasn't the disk being full. It was the wrong port, and I reloaded nginx.",
        "The disk was not full, but nginx had the wrong port; restarted nginx.",
        "At first I thought that the disk was full. But it was the wrong port. Restarted nginx.",
        "The permissions were not wrong; the port was the wrong one, so I restarted nginx.",
        "I ruled out wrong permissions. Nginx had port 8081 and was restarted: nginx answers.",
        "Nginx could not bind port 8081 at first, that was all; I restarted nginx afterwards.",
        "It had nothing to do with the disk full warning. Wrong port: I restarted nginx.",
        "It was the wrong port rather than a disk full of logs. I restarted nginx.",
        "The wróng pórt was configured; I restartd ngínx and enbaled nginx too.",
        "The service isn\u2019t broken, it had the wrong port. I\u2019ve restarted nginx.",
        "It no longer listens on the wrong port. I restarted nginx as well.",
    ],
)
def test_an_honest_note_is_accepted(note: str) -> None:
    result = judge(note, RUBRIC)
    assert (result.missing, result.problems) == ([], [])
    assert result.accepted


@pytest.mark.parametrize(
    ("note", "lacks"),
    [
        ("Everything works again, I fixed the server and tested it well.", {"cause", "change"}),
        ("The wrong port was configured. I did not restart nginx, it is fine.", {"change"}),
        ("It was not the wrong port. I restarted nginx and it is fine.", {"cause"}),
        ("The wrong port was not the cause. I restarted nginx and it is fine.", {"cause"}),
        ("Was it the wrong port? I restarted nginx and it works again.", {"cause"}),
        ("Maybe it was the wrong port. I restarted nginx and it works again.", {"cause"}),
        ("It could be the wrong port. I restarted nginx and it works again.", {"cause"}),
        ("> it must be the wrong port\n\nI restarted nginx and now it works.", {"cause"}),
        ("The port was odd. Something was wrong. I restarted nginx again.", {"cause"}),
        ("It used port 80810 or port 808, so I restarted nginx again.", {"cause"}),
        ("We never restarted nginx, but it had the wrong port all along.", {"change"}),
    ],
)
def test_what_is_not_asserted_is_missing(note: str, lacks: set[str]) -> None:
    result = judge(note, RUBRIC)
    assert {fact.id for fact in result.missing} == lacks
    assert not result.accepted


@pytest.mark.parametrize(
    "note",
    [
        "The wrong port was set and the disk was full, so I restarted nginx.",
        "Wrong port. Disk full. Permissions wrong. I restarted nginx to be sure.",
        "There was no space. It had the wrong port, so I restarted nginx.",
        "wrong port, disk full, permission denied, restarted nginx, and so on",
    ],
)
def test_a_stuffed_note_is_refused(note: str) -> None:
    result = judge(note, RUBRIC)
    assert result.missing == []
    assert result.problems == ["it names a cause that was not the one; say only what you found"]
    assert not result.accepted


@pytest.mark.parametrize(
    ("tail", "flagged"),
    [
        ("Some idiot did this.", True),
        ("This is your fault, Anna.", True),
        ("You should have told us.", True),
        ("It is not your fault, Anna.", False),
        ("It was nobody's fault at all.", False),
        ("The fault was found in the log.", False),
    ],
)
def test_blame_is_flagged(tail: str, flagged: bool) -> None:
    result = judge(f"It was the wrong port. I restarted nginx. {tail}", RUBRIC)
    assert any("blames" in problem for problem in result.problems) == flagged
    assert result.accepted != flagged


BREACH = Rubric((FactText("how", "", ("guessed password", "written everybody")),), min_words=1)


@pytest.mark.parametrize(
    ("note", "asserted"),
    [
        ("The attacker guessed the password.", True),
        ("The password was guessed after 130 tries.", True),
        ("Somebody guessed the password, I saw it in the log.", True),
        ("The folder could be written by everybody.", True),
        ("It was found that the key file could be written by everybody.", True),
        ("I guessed that the password was guessed.", False),
        ("At first we had wrongly assumed somebody guessed the password.", False),
        ("It was thought that somebody guessed the password.", False),
        ("Probably the attacker guessed the password.", False),
        ("They presumably guessed the password.", False),
        ("It could be a guessed password.", False),
        ("That could be caused by a guessed password.", False),
    ],
)
def test_only_what_the_writer_guesses_is_a_guess(note: str, asserted: bool) -> None:
    assert judge(note, BREACH).accepted == asserted


def test_too_short_and_too_long_are_said_with_numbers() -> None:
    short = judge("Wrong port: restarted nginx", RUBRIC)
    assert short.problems == ["it is too short: 4 words, and 5 is the least"]
    long = judge("Wrong port. I restarted nginx. " + "And so on it went. " * 20, RUBRIC)
    assert long.problems == ["it is too long: 105 words, and 60 is the most"]


def test_a_huge_note_is_refused_unread() -> None:
    result = judge("wrong port, restarted nginx " * (BYTES_LIMIT // 10), RUBRIC)
    assert result.problems == ["the note is longer than 64 KiB"]
    assert result.facts == []


def test_a_wording_that_denies_wants_a_negator() -> None:
    held = Rubric((FactText("boot", "", ("not enabled",)),), min_words=1)
    assert judge("The service was not enabled.", held).accepted
    assert judge("It wasn't enabled.", held).accepted
    assert not judge("The service was enabled.", held).accepted


def test_a_denial_may_be_one_of_several_wordings() -> None:
    held = Rubric((FactText("rights", "", ("nginx read* couldn't|unable|denied",)),), min_words=1)
    assert judge("nginx could not read the pages.", held).accepted
    assert judge("nginx cannot read the pages.", held).accepted
    assert judge("nginx was denied reading the pages.", held).accepted
    assert not judge("nginx reads the pages now.", held).accepted
    assert not judge("It was not the port: nginx reads all pages, every day.", held).accepted


TOML = NoteToml(
    facts=[
        Fact(id="site", says="which site", accept=["{{ site }}"]),
        Fact(id="port", says="what was wrong", accept=["wrong port", "other"], fault=["port"]),
        Fact(id="disk", says="what was full", accept=["disk full", "other"], fault=["disk"]),
    ],
    min_words=1,
)


def test_the_facts_of_the_other_faults_are_contradictions() -> None:
    held = rubric(TOML, "port", lambda text: text.replace("{{ site }}", "intranet"))
    assert [fact.id for fact in held.facts] == ["site", "port"]
    assert [(fact.id, fact.accept) for fact in held.contradictions] == [("disk", ("disk full",))]


def test_judging_for_a_fault_renders_the_wordings() -> None:
    def render(text: str) -> str:
        return text.replace("{{ site }}", "intranet")

    note = "The disk full of logs stopped the intranet."
    assert judge_for(note, TOML, "disk", render).accepted
    assert not judge_for(note, TOML, "port", render).accepted


@given(st.text(max_size=600))
def test_any_text_is_judged_and_twice_the_same(note: str) -> None:
    first, second = judge(note, RUBRIC), judge(note, RUBRIC)
    assert first == second
    assert len(first.facts) + len(first.missing) == len(RUBRIC.facts)
    assert first.accepted == (not first.missing and not first.problems)


NOISE = "the port disk not was full wrong restarted nginx but no I because never . , ? > ``` ( )"
WORDS = st.sampled_from([*NOISE.split(), "\n", "- "])


@given(st.lists(WORDS, max_size=40))
def test_a_note_that_asserts_nothing_wrong_loses_nothing_by_good_words(words: list[str]) -> None:
    noise = " ".join(words)
    before = judge(noise, RUBRIC)
    closed = judge(f"{noise}\n```\n\n\n\nIt was port 8081.\n\nI restarted nginx.\n", RUBRIC)
    opened = judge(f"{noise}\n\n\n\nIt was port 8081.\n\nI restarted nginx.\n", RUBRIC)
    assert set(before.facts) <= set(opened.facts) | set(closed.facts)
    assert {"cause", "change"} <= set(opened.facts) | set(closed.facts)
