"""The store remembers, for several processes at once and through a kill at any moment."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from sandbox.errors import Busy, InternboxError, UsageError
from sandbox.paths import Home
from sandbox.store import LIVING, AttemptRow, Store


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home", tmp_path / "cache")


@pytest.fixture
def store(home: Home):
    with Store(home) as opened:
        yield opened


def row(name: str = "first-day-k7f", **changes: object) -> AttemptRow:
    values: dict[str, object] = {
        "id": name,
        "scenario": "linux/first-day",
        "content": "/content",
        "version": 1,
        "content_hash": "0123456789abcdef",
        "seed": "abcd2345",
    }
    return AttemptRow(**(values | changes))  # type: ignore[arg-type]


def python(home: Home, code: str, *arguments: str) -> subprocess.Popen[str]:
    """A process of its own that has `store` open and runs `code`."""
    start = f"""
        import os, sys, time
        from pathlib import Path
        from sandbox.paths import Home
        from sandbox.store import AttemptRow, Store
        home = Home(Path({str(home.root)!r}), Path({str(home.cache)!r}))
    """
    whole = textwrap.dedent(start) + textwrap.dedent(code)
    return subprocess.Popen(
        [sys.executable, "-c", whole, *arguments], stdout=subprocess.PIPE, text=True
    )


def ended(process: subprocess.Popen[str]) -> int:
    process.communicate(timeout=60)
    return process.returncode


# --- attempts


def test_an_added_attempt_comes_back_whole(store: Store) -> None:
    added = store.add(row(variant='{"seed": 1}'))

    assert store.get("first-day-k7f") == added
    assert added.created == added.used > 0
    assert added.pid == os.getpid()
    assert added.state == "starting"


def test_an_unknown_attempt_is_none(store: Store) -> None:
    assert store.get("nothing") is None


def test_the_same_id_twice_is_refused(store: Store) -> None:
    store.add(row())

    with pytest.raises(UsageError, match="exists already"):
        store.add(row())


def test_the_last_used_comes_first(store: Store) -> None:
    store.add(row("one", used=10.0))
    store.add(row("two", used=20.0))
    assert store.ids() == ["two", "one"]

    store.touch("one")

    assert [found.id for found in store.attempts()] == ["one", "two"]


def test_living_leaves_out_what_has_ended(store: Store) -> None:
    for state in ("running", "stopped", "given-up", "interrupted"):
        store.add(row(state, state=state))

    assert {found.id for found in store.living()} == {"running", "interrupted"}
    assert {found.state for found in store.living()} <= set(LIVING)


def test_moving_to_stopped_sets_the_end(store: Store) -> None:
    store.add(row())

    assert store.move("first-day-k7f", "stopped")

    after = store.get("first-day-k7f")
    assert after is not None
    assert after.state == "stopped"
    assert after.ended is not None
    assert after.pid is None


def test_moving_from_another_state_than_expected_does_nothing(store: Store) -> None:
    store.add(row(state="stopped"))

    assert not store.move("first-day-k7f", "grading", come_from=["running"])

    unmoved = store.get("first-day-k7f")
    assert unmoved is not None
    assert unmoved.state == "stopped"


def test_the_lab_is_decoded_as_asked(store: Store) -> None:
    store.add(row())

    store.save_lab("first-day-k7f", {"web": 2222})

    saved = store.get("first-day-k7f")
    assert saved is not None
    assert saved.lab_as(dict[str, int]) == {"web": 2222}


def test_forgetting_takes_everything_along(store: Store) -> None:
    store.add(row())
    store.give_hint("first-day-k7f", 1, 5)
    store.record_grade("first-day-k7f", {"score": 1})

    store.forget("first-day-k7f")

    assert store.hints("first-day-k7f") == []
    assert store.grades("first-day-k7f") == []


# --- grades, hints, notes, events


def test_a_grade_is_recorded_with_the_state_after_it(store: Store) -> None:
    store.add(row(state="grading"))

    store.record_grade("first-day-k7f", {"score": 60})

    last = store.last_grade("first-day-k7f")
    after = store.get("first-day-k7f")
    assert last is not None
    assert last.body_as(dict[str, int]) == {"score": 60}
    assert after is not None
    assert (after.state, after.pid) == ("running", None)


def test_a_grade_of_an_unknown_attempt_is_refused(store: Store) -> None:
    with pytest.raises(UsageError, match="no such attempt"):
        store.record_grade("nothing", {"score": 100})


def test_grades_are_told_apart_by_kind(store: Store) -> None:
    store.add(row())
    store.record_grade("first-day-k7f", 1)
    store.record_grade("first-day-k7f", 2, kind="regrade")

    assert [found.body for found in store.grades("first-day-k7f")] == ["1", "2"]
    assert [found.body for found in store.grades("first-day-k7f", kind="regrade")] == ["2"]


def test_a_hint_costs_once(store: Store) -> None:
    store.add(row())

    assert store.give_hint("first-day-k7f", 1, 5)
    assert not store.give_hint("first-day-k7f", 1, 5)

    assert [(hint.step, hint.cost) for hint in store.hints("first-day-k7f")] == [(1, 5)]


def test_the_last_note_counts(store: Store) -> None:
    store.add(row())
    assert store.note("first-day-k7f") is None

    store.save_note("first-day-k7f", "draft")
    store.save_note("first-day-k7f", "fixed: é")

    note = store.note("first-day-k7f")
    assert note is not None
    assert note.text == "fixed: é"


def test_events_keep_their_order(store: Store) -> None:
    store.add(row())
    store.event("first-day-k7f", "reset")
    store.event("first-day-k7f", "debrief", "after giving up")

    told = [(event.name, event.detail) for event in store.events("first-day-k7f")]

    assert told == [("reset", ""), ("debrief", "after giving up")]


# --- several processes


def test_processes_that_open_a_new_store_at_once_all_succeed(home: Home) -> None:
    code = """
    name = sys.argv[1]
    with Store(home) as store:
        for number in range(10):
            store.add(AttemptRow(id=f"{name}-{number}", scenario="a/b", content="", version=1,
                                 content_hash="", seed=""))
    """
    started = [python(home, code, name) for name in ("a", "b", "c", "d")]

    assert [ended(process) for process in started] == [0, 0, 0, 0]
    with Store(home) as store:
        assert len(store.ids()) == 40


def test_a_kill_between_two_writes_leaves_the_grade_or_nothing(home: Home) -> None:
    """The child dies by SIGKILL after the grade's insert and before its commit."""
    code = """
    import signal
    store = Store(home)
    store.add(AttemptRow(id="x", scenario="a/b", content="", version=1, content_hash="", seed="",
                         state="grading"))
    store._event = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    store.record_grade("x", {"score": 100})
    """
    assert ended(python(home, code)) == -signal.SIGKILL

    with Store(home) as store:
        assert store.grades("x") == []
        left = store.get("x")
        assert left is not None
        assert left.state == "grading"


def test_what_was_committed_survives_a_kill(home: Home) -> None:
    code = """
    store = Store(home)
    store.add(AttemptRow(id="x", scenario="a/b", content="", version=1, content_hash="", seed=""))
    store.record_grade("x", {"score": 100})
    os.kill(os.getpid(), 9)
    """
    assert ended(python(home, code)) == -signal.SIGKILL

    with Store(home) as store:
        assert [found.body for found in store.grades("x")] == ['{"score":100}']


def test_an_attempt_is_locked_for_one_command(home: Home, store: Store) -> None:
    code = """
    with Store(home).lock("x"):
        print(os.getpid(), flush=True)
        time.sleep(60)
    """
    other = python(home, code)
    assert other.stdout is not None
    pid = other.stdout.readline().strip()
    try:
        assert store.locked("x")
        with pytest.raises(Busy, match=pid), store.lock("x"):
            pass
    finally:
        other.kill()
        other.communicate()

    assert not store.locked("x")
    with store.lock("x"):
        pass


def test_an_attempt_that_was_never_locked_is_free(home: Home, store: Store) -> None:
    assert not store.locked("never")
    assert not home.attempt("never").root.exists()


# --- the file itself


def test_the_folder_is_private(home: Home, store: Store) -> None:
    assert home.root.stat().st_mode & 0o777 == 0o700


def test_a_damaged_database_says_what_to_do(home: Home) -> None:
    home.root.mkdir(parents=True)
    home.database.write_bytes(b"this is no database, but it is long enough to be read as one" * 20)

    with pytest.raises(InternboxError, match="damaged") as caught:
        Store(home)

    assert f"mv {home.database}" in caught.value.hint


def test_a_newer_database_is_left_alone(home: Home) -> None:
    Store(home).close()
    with sqlite3.connect(home.database) as plain:
        plain.execute("PRAGMA user_version = 999")
    plain.close()

    with pytest.raises(InternboxError, match="newer internbox") as caught:
        Store(home)

    assert "update internbox" in caught.value.hint


def test_an_older_database_is_brought_up_to_date(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(home) as store:
        store.add(row())
    monkeypatch.setattr(
        "sandbox.store.schema.MIGRATIONS",
        (*_migrations(), "ALTER TABLE attempts ADD COLUMN mood TEXT; CREATE TABLE extra (a)"),
    )

    with Store(home) as store:
        assert store.ids() == ["first-day-k7f"]
        assert store._db.execute("SELECT mood FROM attempts").fetchall() == [(None,)]


def test_attempts_of_the_first_version_belong_to_no_learner(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = row()
    monkeypatch.setattr("sandbox.store.schema.MIGRATIONS", _migrations()[:1])
    with Store(home) as store:
        columns = [name for name in whole.__struct_fields__ if name != "learner"]
        marks = ", ".join("?" * len(columns))
        store._db.execute(
            f"INSERT INTO attempts ({', '.join(columns)}) VALUES ({marks})",
            [getattr(whole, name) for name in columns],
        )
    monkeypatch.undo()

    with Store(home) as store:
        assert store.get(whole.id) == whole
        store.add(row("other", learner="s1"))
        assert store.get("other").learner == "s1"  # type: ignore[union-attr]


def test_a_migration_that_breaks_changes_nothing(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    Store(home).close()
    broken = (*_migrations(), "CREATE TABLE extra (a); NONSENSE")
    monkeypatch.setattr("sandbox.store.schema.MIGRATIONS", broken)
    with pytest.raises(InternboxError):
        Store(home)
    monkeypatch.undo()

    with Store(home) as store:
        names = store._db.execute("SELECT name FROM sqlite_master").fetchall()
    assert ("extra",) not in names


def test_a_folder_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(InternboxError) as caught:
        Store(Home(tmp_path / "file" / "home", tmp_path))

    assert "INTERNBOX_HOME" in caught.value.hint


def _migrations() -> tuple[str, ...]:
    from sandbox.store.schema import MIGRATIONS

    return MIGRATIONS
