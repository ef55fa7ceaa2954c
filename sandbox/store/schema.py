"""The tables of the database, version by version."""

from __future__ import annotations

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
    "ALTER TABLE attempts ADD COLUMN learner TEXT NOT NULL DEFAULT ''",
)
