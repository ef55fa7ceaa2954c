"""What happened, in SQLite: attempts, their grades, hints, notes and events.

What runs is asked of the engine by label; this only remembers. Every public write is one
transaction, so a kill at any line leaves the state before it or after it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from contextlib import AbstractContextManager
from typing import Any

import msgspec

from sandbox.errors import UsageError
from sandbox.store import lock
from sandbox.store.database import Database
from sandbox.store.rows import (
    LIVING,
    AttemptRow,
    EventRow,
    GradeRow,
    HintRow,
    NoteRow,
    State,
)

__all__ = [
    "LIVING",
    "AttemptRow",
    "EventRow",
    "GradeRow",
    "HintRow",
    "NoteRow",
    "State",
    "Store",
]


class Store(Database):
    """The database of one state folder. Open one a process and thread; close it at the end.

    Every method raises InternboxError, with the cure, when the file cannot be read or written.
    """

    # --- attempts ---

    def add(self, row: AttemptRow) -> AttemptRow:
        """Record a new attempt; `created` and `used` default to now, `pid` to this process."""
        now = time.time()
        created = row.created or now
        row = msgspec.structs.replace(
            row, created=created, used=row.used or created, pid=row.pid or os.getpid()
        )
        columns = row.__struct_fields__
        marks = ", ".join("?" * len(columns))
        with self._writing():
            taken = self._db.execute("SELECT 1 FROM attempts WHERE id = ?", (row.id,)).fetchone()
            if taken:
                raise UsageError(
                    f"attempt {row.id} exists already", hint="use another name, or stop it first"
                )
            self._db.execute(
                f"INSERT INTO attempts ({', '.join(columns)}) VALUES ({marks})",  # noqa: S608
                [getattr(row, column) for column in columns],
            )
        return row

    def get(self, attempt: str) -> AttemptRow | None:
        """The attempt with exactly this id."""
        rows = self._rows(AttemptRow, "FROM attempts WHERE id = ?", attempt)
        return rows[0] if rows else None

    def attempts(self, states: Collection[State] | None = None) -> list[AttemptRow]:
        """All attempts, or those in `states`; the last used comes first."""
        if states is None:
            return self._rows(AttemptRow, "FROM attempts ORDER BY used DESC, rowid DESC")
        marks = ", ".join("?" * len(states))
        where = f"FROM attempts WHERE state IN ({marks}) ORDER BY used DESC, rowid DESC"
        return self._rows(AttemptRow, where, *states)

    def living(self) -> list[AttemptRow]:
        """Attempts that may own something on the engine; the last used comes first."""
        return self.attempts(LIVING)

    def ids(self) -> list[str]:
        """The ids of all attempts, the last used first: for completion and near names."""
        with self._errors():
            found = self._db.execute("SELECT id FROM attempts ORDER BY used DESC, rowid DESC")
            return [row[0] for row in found.fetchall()]

    def move(self, attempt: str, to: State, *, come_from: Collection[State] = ()) -> bool:
        """Set the state, if it is now one of `come_from` (empty: any). Says whether it did.

        Starting and grading remember this process; stopped and given-up set the end.
        """
        now = time.time()
        pid = os.getpid() if to in ("starting", "grading") else None
        ended = now if to in ("stopped", "given-up") else None
        guard = f" AND state IN ({', '.join('?' * len(come_from))})" if come_from else ""
        statement = f"UPDATE attempts SET state=?, pid=?, ended=?, used=? WHERE id=?{guard}"  # noqa: S608
        with self._writing():
            done = self._db.execute(statement, (to, pid, ended, now, attempt, *come_from))
            return done.rowcount == 1

    def touch(self, attempt: str) -> None:
        """The attempt was used just now: it becomes the default of the next command."""
        self._write("UPDATE attempts SET used = ? WHERE id = ?", time.time(), attempt)

    def save_lab(self, attempt: str, lab: Any) -> None:
        """Remember `lab` (anything that msgspec encodes as JSON), where the machines are."""
        body = msgspec.json.encode(lab).decode()
        self._write("UPDATE attempts SET lab = ? WHERE id = ?", body, attempt)

    def save_variant(self, attempt: str, variant: str) -> None:
        """Remember the variant's JSON text."""
        self._write("UPDATE attempts SET variant = ? WHERE id = ?", variant, attempt)

    def forget(self, attempt: str) -> None:
        """Remove an attempt and all that belongs to it."""
        self._write("DELETE FROM attempts WHERE id = ?", attempt)

    # --- grades ---

    def record_grade(
        self, attempt: str, grade: Any, *, kind: str = "grade", then: State = "running"
    ) -> GradeRow:
        """Record a grade (anything that msgspec encodes) and the state after it, or neither."""
        now = time.time()
        body = msgspec.json.encode(grade).decode()
        with self._writing():
            number = self._db.execute(
                "INSERT INTO grades (attempt, kind, at, body) VALUES (?, ?, ?, ?)",
                (attempt, kind, now, body),
            ).lastrowid
            self._db.execute(
                "UPDATE attempts SET state = ?, used = ?, pid = NULL WHERE id = ?",
                (then, now, attempt),
            )
            self._event(attempt, kind, "")
        return GradeRow(number=number or 0, attempt=attempt, kind=kind, at=now, body=body)

    def grades(self, attempt: str, *, kind: str | None = None) -> list[GradeRow]:
        """Recorded grades, the oldest first."""
        if kind is None:
            return self._rows(GradeRow, "FROM grades WHERE attempt=? ORDER BY number", attempt)
        where = "FROM grades WHERE attempt=? AND kind=? ORDER BY number"
        return self._rows(GradeRow, where, attempt, kind)

    def last_grade(self, attempt: str) -> GradeRow | None:
        found = "FROM grades WHERE attempt=? ORDER BY number DESC LIMIT 1"
        rows = self._rows(GradeRow, found, attempt)
        return rows[0] if rows else None

    # --- hints, notes, events ---

    def give_hint(self, attempt: str, step: int, cost: int) -> bool:
        """Record that a hint was given; the same step twice costs once. Says whether it is new."""
        with self._writing():
            done = self._db.execute(
                "INSERT OR IGNORE INTO hints (attempt, step, cost, at)"
                " SELECT id, ?, ?, ? FROM attempts WHERE id = ?",
                (step, cost, time.time(), attempt),
            )
            return done.rowcount == 1

    def hints(self, attempt: str) -> list[HintRow]:
        """The hints given, by step."""
        return self._rows(HintRow, "FROM hints WHERE attempt=? ORDER BY step", attempt)

    def save_note(self, attempt: str, text: str) -> None:
        """Keep a version of the note; the last one counts."""
        statement = "INSERT INTO notes (attempt, text, at) VALUES (?, ?, ?)"
        self._write(statement, attempt, text, time.time())

    def note(self, attempt: str) -> NoteRow | None:
        """The note as last written."""
        last = "FROM notes WHERE attempt=? ORDER BY number DESC LIMIT 1"
        rows = self._rows(NoteRow, last, attempt)
        return rows[0] if rows else None

    def event(self, attempt: str, name: str, detail: str = "") -> None:
        """Remember that something happened: reset, rebooted, opened the debrief …"""
        with self._writing():
            self._event(attempt, name, detail)

    def events(self, attempt: str) -> list[EventRow]:
        """What happened, the oldest first."""
        return self._rows(EventRow, "FROM events WHERE attempt=? ORDER BY number", attempt)

    # --- one command at a time ---

    def lock(self, attempt: str) -> AbstractContextManager[None]:
        """Hold the attempt for one command. Raises Busy, naming the process that holds it."""
        return lock.held(self.home.attempt(attempt).lock, attempt)

    def locked(self, attempt: str) -> bool:
        """Whether a command works on the attempt at this moment."""
        return lock.is_held(self.home.attempt(attempt).lock)

    def _event(self, attempt: str, name: str, detail: str) -> None:
        self._db.execute(
            "INSERT INTO events (attempt, at, name, detail) VALUES (?, ?, ?, ?)",
            (attempt, time.time(), name, detail),
        )
