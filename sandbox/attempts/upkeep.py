"""Ends attempts, says what lives, and removes what is left."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox import scenarios, scratch
from sandbox.attempts.shapes import Attempt, HistoryRow, StatusRow
from sandbox.attempts.starting import RESET
from sandbox.attempts.working import Working
from sandbox.errors import Busy, UsageError

if TYPE_CHECKING:
    from sandbox.runtime.base import ImageState, Leftover
    from sandbox.store import AttemptRow, State

IDLE_DAYS = 2


class Labs(Working):
    """One user's attempts on one engine: every use case of the command line."""

    def give_up(self, ref: str | None = None) -> Attempt:
        """Ends the attempt without a grade and opens its debrief."""
        with self._alone(ref) as row:
            self.store.move(row.id, "given-up")
            self.runtime.remove(row.id)
        return self.attempt(row.id)

    def stop(self, refs: Sequence[str] | None = None, *, everything: bool = False) -> list[str]:
        """Removes the machines of these attempts (default: the one in use); keeps the record."""
        if everything:
            rows = [row for row in self.store.living() if row.purpose == self.purpose]
        else:
            rows = [self._row(ref) for ref in (refs or [None])]  # type: ignore[list-item]
        for row in rows:
            with self.store.lock(row.id):
                self.runtime.remove(row.id)
                if row.state != "given-up":
                    self.store.move(row.id, "stopped")
        return [row.id for row in rows]

    def forget(self, attempt: str) -> None:
        """Removes the machines of an attempt, its record and its keys: all there is of it."""
        self.stop([attempt])
        self.store.forget(attempt)
        shutil.rmtree(self.home.attempt(attempt).root, ignore_errors=True)

    def status(self, *, memory: bool = True) -> list[StatusRow]:
        """What lives, and in which state the engine has it."""
        self._notice_interrupted()
        used: dict[str, float] = {}  # lacks an attempt of which the engine tells nothing
        asleep = set()
        for machine in self.runtime.machines(memory=memory):
            if machine.state == "asleep":
                asleep.add(machine.attempt)
            if machine.memory_mib is not None:
                used[machine.attempt] = used.get(machine.attempt, 0.0) + machine.memory_mib
        now = time.time()
        return [
            StatusRow(
                row.id,
                row.scenario,
                "asleep" if row.state == "running" and row.id in asleep else row.state,
                now - row.created,
                used.get(row.id),
            )
            for row in self.store.living()
            if row.purpose == self.purpose
        ]

    def _notice_interrupted(self) -> None:
        """A command that was killed, or an engine that lost machines, leaves *interrupted*.

        It is over once all machines are there: the engine may just be restarting them.
        """
        machines = self.runtime.machines()
        for row in self.store.living():
            if self.store.locked(row.id):
                continue
            state: State = "running" if self._whole(row, machines) else "interrupted"
            if row.state != state:
                self.store.move(row.id, state)

    def history(self) -> list[HistoryRow]:
        """Every attempt ever, the last used first, with its last grade."""
        from sandbox.grading.results import Grade

        rows = []
        for row in self.store.attempts():
            if row.purpose != self.purpose:
                continue
            last = self.store.last_grade(row.id)
            grade = last.body_as(Grade) if last else None
            rows.append(
                HistoryRow(
                    attempt=row.id,
                    scenario=row.scenario,
                    state=row.state,
                    created=row.created,
                    outcome=grade.outcome if grade else "",
                    score=grade.score if grade else None,
                    hints=len(self.store.hints(row.id)),
                )
            )
        return rows

    def idle(self, days: float = IDLE_DAYS) -> list[Attempt]:
        """Living attempts that nobody has used for days."""
        limit = time.time() - days * 86400
        rows = [r for r in self.store.living() if r.used < limit and r.purpose == self.purpose]
        return [self._shown(row) for row in rows]

    def gc(self) -> list[Leftover]:
        """Removes what no living attempt owns, and what a killed command left half done."""
        self._notice_interrupted()
        removed = []
        for row in self.store.living():
            with suppress(Busy, UsageError), self._alone(row.id) as current:
                removed += self._tidy(current)
        found = self.runtime.leftovers([row.id for row in self.store.living()])
        begun = {row.id for row in self.store.living()}  # on record before it has a machine
        removed += self.runtime.discard([one for one in found if one.attempt not in begun])
        for folder in self._attempt_folders():
            if self.store.get(folder.name) is None and not self.store.locked(folder.name):
                shutil.rmtree(folder, ignore_errors=True)
        for folder in scratch.abandoned():
            shutil.rmtree(folder, ignore_errors=True)
        return removed

    def _tidy(self, row: AttemptRow) -> list[Leftover]:
        """Ends an attempt that never finished starting; removes what only a grade needs."""
        if orphaned(row.purpose) or (row.lab == "{}" and not self._was_reset(row)):
            self.store.forget(row.id)
        elif row.lab == "{}":
            self.store.move(row.id, "stopped")  # a reset: its hints and grades stay on record
        else:
            return [
                *self.runtime.remove(row.id, role="fresh"),
                *self.runtime.remove(row.id, host="probe"),
            ]
        return []

    def _was_reset(self, row: AttemptRow) -> bool:
        return any(event.name == RESET for event in self.store.events(row.id))

    def _attempt_folders(self) -> list[Path]:
        root = self.home.root / "attempts"
        return [entry for entry in root.iterdir() if entry.is_dir()] if root.is_dir() else []

    def images(self, names: Sequence[str] | None = None) -> list[ImageState]:
        """The images that the listed scenarios need, and which are there."""
        states: dict[str, ImageState] = {}
        for row in scenarios.summaries(self.content, self.home.index):
            if row.status != "ready":
                continue
            wanted = [name for name in row.images if names is None or name in names]
            for state in self.runtime.image_states(Path(row.content), wanted):
                states[state.name] = state
        return list(states.values())


def orphaned(purpose: str) -> bool:
    """Whether an attempt belongs to a process, `<kind>:<pid>` of a proof or a run, that has ended.

    A learner's attempts outlive the command that started them.
    """
    _, _, pid = purpose.partition(":")
    return scratch.ended(pid)
