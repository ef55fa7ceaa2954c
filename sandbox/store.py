"""What happened, in SQLite: attempts, their grades, hints, notes and events.

What runs is asked of the engine by label; this only remembers. Every public write is one
transaction, so a kill at any line leaves the state before it or after it.
"""

from __future__ import annotations

import os
import sqlite3
import time
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, Literal, TypeVar

import msgspec

from sandbox.errors import Busy, InternboxError, UsageError
from sandbox.paths import Home

State = Literal["starting", "running", "grading", "stopped", "interrupted", "given-up"]
LIVING: tuple[State, ...] = ("starting", "running", "grading", "interrupted")

T = TypeVar("T")

BUSY_SECONDS = 10.0
LOCK_PATIENCE = 0.3  # outlasts the moment for which `locked` tries a lock

# One entry a version of the schema: entry n brings user_version n to n + 1. Never edit one that
# was released; add another.
MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE attempts (
        id TEXT PRIMARY KEY,
        scenario TEXT NOT NULL,
        content TEXT NOT NULL,
        version INTEGER NOT NULL,
        content_hash TEXT NOT NULL,
        seed TEXT NOT NULL,
        variant TEXT NOT NULL,
        lab TEXT NOT NULL,
        state TEXT NOT NULL,
        created REAL NOT NULL,
        used REAL NOT NULL,
        ended REAL,
        pid INTEGER,
        purpose TEXT NOT NULL
    );
    CREATE INDEX attempts_by_use ON attempts (state, used);
    CREATE TABLE grades (
        number INTEGER PRIMARY KEY,
        attempt TEXT NOT NULL REFERENCES attempts (id) ON DELETE CASCADE,
        kind TEXT NOT NULL,
        at REAL NOT NULL,
        body TEXT NOT NULL
    );
    CREATE INDEX grades_by_attempt ON grades (attempt, kind, number);
    CREATE TABLE hints (
        attempt TEXT NOT NULL REFERENCES attempts (id) ON DELETE CASCADE,
        step INTEGER NOT NULL,
        cost INTEGER NOT NULL,
        at REAL NOT NULL,
        PRIMARY KEY (attempt, step)
    );
    CREATE TABLE notes (
        number INTEGER PRIMARY KEY,
        attempt TEXT NOT NULL REFERENCES attempts (id) ON DELETE CASCADE,
        text TEXT NOT NULL,
        at REAL NOT NULL
    );
    CREATE INDEX notes_by_attempt ON notes (attempt, number);
    CREATE TABLE events (
        number INTEGER PRIMARY KEY,
        attempt TEXT NOT NULL REFERENCES attempts (id) ON DELETE CASCADE,
        at REAL NOT NULL,
        name TEXT NOT NULL,
        detail TEXT NOT NULL
    );
    CREATE INDEX events_by_attempt ON events (attempt, number);
    """,
)


class AttemptRow(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt. Times are epoch seconds; `variant` and `lab` are JSON text."""

    id: str
    scenario: str
    content: str  # path of the content folder it came from
    version: int
    content_hash: str
    seed: str
    variant: str = "{}"
    lab: str = "{}"  # placement, container ids, host keys: whatever attempts puts there
    state: State = "starting"
    created: float = 0.0
    used: float = 0.0
    ended: float | None = None
    pid: int | None = None  # the process that starts or grades it
    purpose: str = "learn"  # or "prove": never listed among the learner's attempts

    def lab_as(self, shape: type[T]) -> T:
        """The lab decoded as `shape` (dataclass, Struct, dict …)."""
        return msgspec.json.decode(self.lab, type=shape)


class GradeRow(msgspec.Struct, frozen=True, kw_only=True):
    """A recorded grade; `body` is its JSON text."""

    number: int
    attempt: str
    kind: str  # grade, regrade, …
    at: float
    body: str

    def body_as(self, shape: type[T]) -> T:
        return msgspec.json.decode(self.body, type=shape)


class HintRow(msgspec.Struct, frozen=True, kw_only=True):
    attempt: str
    step: int
    cost: int
    at: float


class NoteRow(msgspec.Struct, frozen=True, kw_only=True):
    number: int
    attempt: str
    text: str
    at: float


class EventRow(msgspec.Struct, frozen=True, kw_only=True):
    number: int
    attempt: str
    at: float
    name: str
    detail: str


Row = TypeVar("Row", AttemptRow, GradeRow, HintRow, NoteRow, EventRow)


def home_id(home: Home) -> str:
    """The label value that marks what this state folder owns; made at the first call."""
    with suppress(FileNotFoundError):
        return home.home_id.read_text().strip()
    _private_folder(home)
    draft = home.root / f".home-id.{os.getpid()}"
    draft.write_text(uuid.uuid4().hex[:12] + "\n")
    with suppress(FileExistsError):
        os.link(draft, home.home_id)  # whoever links first decides, for everybody
    draft.unlink()
    return home.home_id.read_text().strip()


class Store:
    """The database of one state folder. Open one a process and thread; close it at the end.

    Every method raises InternboxError, with the cure, when the file cannot be read or written.
    """

    def __init__(self, home: Home) -> None:
        self.home = home
        _private_folder(home)
        with self._errors():
            self._db = sqlite3.connect(home.database, timeout=BUSY_SECONDS, isolation_level=None)
            try:
                self._prepare()
            except BaseException:
                self._db.close()
                raise

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._db.close()

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

    @contextmanager
    def lock(self, attempt: str) -> Iterator[None]:
        """Hold the attempt for one command; ends with the process, however that ends.

        Raises Busy, naming the process, when another command holds it.
        """
        path = self.home.attempt(attempt).lock
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.open("a+") as file:
            if not _flock(file, LOCK_PATIENCE):
                file.seek(0)
                holder = file.read().strip() or "unknown"
                raise Busy(
                    f"another command works on {attempt} (process {holder})",
                    hint="wait until it has finished, then try again",
                )
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    def locked(self, attempt: str) -> bool:
        """Whether a command works on the attempt at this moment."""
        path = self.home.attempt(attempt).lock
        if not path.exists():
            return False
        with path.open("a+") as file:
            return not _flock(file, patience=0.0)

    # --- inside ---

    def _prepare(self) -> None:
        self._db.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")
        self._use_wal()
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA foreign_keys = ON")
        if self._version() != len(MIGRATIONS):
            self._migrate()

    def _use_wal(self) -> None:
        """Switching is refused at once, without waiting, while another process switches."""
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            else:
                return

    def _version(self) -> int:
        return int(self._db.execute("PRAGMA user_version").fetchone()[0])

    def _migrate(self) -> None:
        with self._writing():
            version = self._version()  # again: another process may have been quicker
            if version > len(MIGRATIONS):
                raise InternboxError(
                    f"{self.home.database} was written by a newer internbox"
                    f" (its version is {version}, this one knows {len(MIGRATIONS)})",
                    hint="update internbox, or set INTERNBOX_HOME to another folder",
                )
            for migration in MIGRATIONS[version:]:
                for statement in migration.split(";"):
                    self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")

    def _rows(self, shape: type[Row], rest: str, *values: object) -> list[Row]:
        columns = shape.__struct_fields__
        with self._errors():
            found = self._db.execute(f"SELECT {', '.join(columns)} {rest}", values).fetchall()
        return [shape(**dict(zip(columns, row, strict=True))) for row in found]

    def _write(self, statement: str, *values: object) -> None:
        with self._writing():
            self._db.execute(statement, values)

    def _event(self, attempt: str, name: str, detail: str) -> None:
        self._db.execute(
            "INSERT INTO events (attempt, at, name, detail) VALUES (?, ?, ?, ?)",
            (attempt, time.time(), name, detail),
        )

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._errors():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError as error:
            raise UsageError(
                f"no such attempt ({error})", hint="internbox history lists what there was"
            ) from error
        except sqlite3.Error as error:
            raise self._explained(error) from error

    def _explained(self, error: sqlite3.Error) -> InternboxError:
        path, text = self.home.database, str(error)
        if "not a database" in text or "malformed" in text:
            return InternboxError(
                f"{path} is damaged: {text}",
                hint=f"move it away, which forgets all attempts: mv {path} {path}.damaged",
            )
        if "locked" in text:
            return InternboxError(
                f"{path} is in use by another internbox for more than {BUSY_SECONDS:.0f} s",
                hint="wait for it to finish, then try again",
            )
        return InternboxError(
            f"{path} cannot be used: {text}",
            hint=f"look at the free space and the permissions of {path.parent},"
            " or set INTERNBOX_HOME to another folder",
        )


def _flock(file: IO[str], patience: float) -> bool:
    """Whether the lock was had within `patience` seconds; it goes when the file is closed."""
    import fcntl  # not on Windows, where this package must still import

    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.02)
        else:
            return True


def _private_folder(home: Home) -> None:
    try:
        home.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise InternboxError(
            f"the state folder {home.root} cannot be made: {error.strerror}",
            hint="set INTERNBOX_HOME to a folder that you may write to",
        ) from error
