"""The connection to the database: versions, transactions, and errors in words."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Self, TypeVar

from sandbox.errors import InternboxError, UsageError
from sandbox.paths import Home
from sandbox.store import schema
from sandbox.store.rows import AttemptRow, EventRow, GradeRow, HintRow, NoteRow

BUSY_SECONDS = 10.0

Row = TypeVar("Row", AttemptRow, GradeRow, HintRow, NoteRow, EventRow)


class Database:
    """An open database of this version. Every method raises InternboxError with the cure."""

    def __init__(self, home: Home) -> None:
        self.home = home
        private_folder(home)
        with self._errors():
            self._db = sqlite3.connect(home.database, timeout=BUSY_SECONDS, isolation_level=None)
            try:
                self._prepare()
            except BaseException:
                self._db.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._db.close()

    def _prepare(self) -> None:
        self._db.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")
        self._use_wal()
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA foreign_keys = ON")
        if self._version() != len(schema.MIGRATIONS):
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
            if version > len(schema.MIGRATIONS):
                raise InternboxError(
                    f"{self.home.database} was written by a newer internbox"
                    f" (its version is {version}, this one knows {len(schema.MIGRATIONS)})",
                    hint="update internbox, or set INTERNBOX_HOME to another folder",
                )
            for migration in schema.MIGRATIONS[version:]:
                for statement in migration.split(";"):
                    self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version = {len(schema.MIGRATIONS)}")

    def _rows(self, shape: type[Row], rest: str, *values: object) -> list[Row]:
        columns = shape.__struct_fields__
        with self._errors():
            found = self._db.execute(f"SELECT {', '.join(columns)} {rest}", values).fetchall()
        return [shape(**dict(zip(columns, row, strict=True))) for row in found]

    def _write(self, statement: str, *values: object) -> None:
        with self._writing():
            self._db.execute(statement, values)

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


def private_folder(home: Home) -> None:
    """Make the state folder, for its owner alone. Raises InternboxError."""
    try:
        home.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise InternboxError(
            f"the state folder {home.root} cannot be made: {error.strerror}",
            hint="set INTERNBOX_HOME to a folder that you may write to",
        ) from error
