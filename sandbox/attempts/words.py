"""What is read and written about an attempt: ticket, hints, note, debrief."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox import scenarios
from sandbox.attempts.finding import Finding
from sandbox.attempts.shapes import GivenHint, HintState
from sandbox.errors import UsageError
from sandbox.models import Hint
from sandbox.store import AttemptRow

if TYPE_CHECKING:
    from sandbox.grading.results import NoteResult
    from sandbox.variants import Variant

DEBRIEF = "debrief"  # an event: it was opened


class Words(Finding):
    """ticket, hint, note and debrief; none of them needs the engine."""

    def ticket(self, ref: str | None = None) -> str:
        """The ticket of an attempt, in Markdown."""
        from sandbox import rendering

        row = self._row(ref)
        return rendering.ticket(self._loaded(row), self._variant(row))

    def _hints(self, row: AttemptRow) -> list[Hint]:
        loaded = self._loaded(row)
        return [loaded.hints.first, *loaded.hints.faults[self._variant(row).fault].steps]

    def hints(self, ref: str | None = None) -> HintState:
        """What was given so far, and what the next hint costs."""
        row = self._row(ref)
        steps, given = self._hints(row), self.store.hints(row.id)
        texts = [self._hint_text(row, steps[hint.step - 1]) for hint in given]
        left = len(steps) - len(given)
        return HintState(texts, steps[len(given)].cost if left else None, left)

    def hint(self, ref: str | None = None) -> GivenHint:
        """The next hint; its cost is on record from now on."""
        with self._alone(ref) as row:
            steps, given = self._hints(row), len(self.store.hints(row.id))
            if given == len(steps):
                raise UsageError(
                    "there are no more hints",
                    hint=f"internbox give-up {row.id} ends the attempt and opens the debrief",
                )
            hint = steps[given]
            text = self._hint_text(row, hint)
            self.store.give_hint(row.id, given + 1, hint.cost)
            self.store.touch(row.id)
        return GivenHint(text, hint.cost, given + 1, len(steps) - given - 1)

    def _hint_text(self, row: AttemptRow, hint: Hint) -> str:
        from sandbox import rendering

        return rendering.text(hint.text, self._loaded(row), self._variant(row)).strip()

    def note(self, ref: str | None, text: str) -> NoteResult:
        """Keeps the learner's note and says which facts it has."""
        row = self._row(ref)
        if row.state in ("stopped", "given-up"):
            raise UsageError(
                f"{row.id} has ended ({row.state}), and its note with it",
                hint=f"internbox note {row.id} --show prints it; reset begins anew",
            )
        if not text.strip():
            raise UsageError(
                "the note is empty", hint='internbox note -m "what was wrong, what you changed …"'
            )
        self.store.save_note(row.id, text)
        return self._judge(text, self._loaded(row), self._variant(row))

    def saved_note(self, ref: str | None = None) -> str | None:
        kept = self.store.note(self._row(ref).id)
        return kept.text if kept else None

    def _judged(
        self, row: AttemptRow, loaded: scenarios.Loaded, variant: Variant
    ) -> NoteResult | None:
        kept = self.store.note(row.id)
        return self._judge(kept.text, loaded, variant) if kept else None

    def _judge(self, text: str, loaded: scenarios.Loaded, variant: Variant) -> NoteResult:
        from sandbox import rendering
        from sandbox.grading import note

        return note.judge_for(
            text,
            loaded.note,
            variant.fault,
            lambda wording: rendering.text(wording, loaded, variant).strip(),
        )

    def debrief(self, ref: str | None = None) -> str:
        """The debrief, in Markdown; opens after a grade or after giving up."""
        from sandbox import rendering

        row = self._row(ref)
        if row.state != "given-up" and not self.store.grades(row.id):
            raise UsageError(
                f"the debrief of {row.id} opens after its grade",
                hint=f"internbox grade {row.id}, or internbox give-up {row.id}",
            )
        self.store.event(row.id, DEBRIEF)
        return rendering.debrief(self._loaded(row), self._variant(row))

    def _debrief_read(self, row: AttemptRow) -> bool:
        return any(event.name == DEBRIEF for event in self.store.events(row.id))
