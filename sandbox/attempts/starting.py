"""Starts attempts and starts them again."""

from __future__ import annotations

import secrets
import shutil
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

from sandbox import scenarios
from sandbox.attempts.finding import Finding
from sandbox.attempts.shapes import Attempt
from sandbox.errors import ImageError, InternboxError
from sandbox.store import AttemptRow

if TYPE_CHECKING:
    from concurrent.futures import Future

    from sandbox.lab import LabRecord
    from sandbox.runtime.base import Placement
    from sandbox.topology import Bringer
    from sandbox.variants import Variant

FIRST = "linux/first-day"
RESET = "reset"  # an event: it began anew


class Starting(Finding):
    """start and reset."""

    def start(
        self,
        name: str | None = None,
        *,
        seed: str | None = None,
        fault: str | None = None,
        anchor: datetime | None = None,
    ) -> Attempt:
        """Starts a new variant of a scenario (default: the first day) and waits until it is ready.

        Raises ContentError, ImageError, EngineError or MachineError; nothing stays behind then.
        """
        loaded = scenarios.load(self.resolve(name or FIRST))
        return self._started(loaded, seed=seed, fault=fault, anchor=anchor)

    def start_code(self, text: str) -> Attempt:
        """Starts the variant that a start code fixes, for its learner.

        UsageError for a code that is mistyped; InternboxError when this copy of internbox has not
        the scenario, or another edition of it.
        """
        from sandbox import codes

        code = codes.read(text)
        loaded = scenarios.load(codes.find(code, self.content, self.home.index))
        codes.require_edition(code, loaded)
        return self._started(loaded, seed=code.seed, learner=code.learner)

    def _started(
        self,
        loaded: scenarios.Loaded,
        *,
        seed: str | None,
        fault: str | None = None,
        anchor: datetime | None = None,
        learner: str = "",
    ) -> Attempt:
        from sandbox import variants
        from sandbox.variants.instants import zone

        self._can_be_had(loaded)
        variant = variants.draw(
            loaded,
            seed=variants.require_seed(seed) if seed else variants.new_seed(),
            anchor=anchor or datetime.now(zone(loaded.settings.time_zone)),
            fault=fault,
        )
        row = self._new_row(loaded, variant, learner=learner)
        with self.store.lock(row.id):  # before it is on record: gc takes no attempt that is locked
            self.store.add(row)
            try:
                self._bring_up(row, loaded, variant)
            except BaseException:
                self._clear_away(row.id)
                self.store.forget(row.id)
                raise
        return self.attempt(row.id)

    def _new_row(
        self, loaded: scenarios.Loaded, variant: Variant, *, learner: str = "", mark: int = 2
    ) -> AttemptRow:
        """What the store keeps of a new attempt; `mark` bytes tell its id from others'."""
        from sandbox import variants

        return AttemptRow(
            id=self._new_id(loaded.id.partition("/")[2], mark),
            scenario=loaded.id,
            content=str(loaded.files.content),
            version=loaded.settings.version,
            content_hash=loaded.content_hash,
            seed=variant.seed,
            variant=variants.dump(variant),
            purpose=self.purpose,
            learner=learner,
        )

    def _new_id(self, slug: str, mark: int) -> str:
        """One that no attempt has or had: of a hundred with two bytes, two would be the same in
        one case of fourteen."""
        while True:
            drawn = f"{slug}-{secrets.token_hex(mark)}"
            if self.store.get(drawn) is None and not self.store.locked(drawn):
                return drawn

    def reset(self, ref: str | None = None) -> Attempt:
        """The same variant again, from its beginning; hints and grades stay on record."""
        row = self._row(ref)
        loaded, variant = self._loaded(row), self._variant(row)
        self._same_content(row, loaded)
        self._can_be_had(loaded)
        with self.store.lock(row.id):
            self.store.move(row.id, "starting")
            self.store.save_lab(row.id, {})  # a kill from here on leaves no machines to believe in
            try:
                self.store.event(row.id, RESET)
                self.runtime.remove(row.id)
                self._bring_up(row, loaded, variant)
            except BaseException:
                self._clear_away(row.id)
                self.store.move(row.id, "stopped")
                raise
        return self.attempt(row.id)

    def _can_be_had(self, loaded: scenarios.Loaded) -> None:
        """ImageError when an image needs what cannot be had here: before anything is built."""
        content = loaded.files.content
        names = sorted({host.image for host in loaded.settings.hosts.values()})
        if not any(self._why_not(str(content), name) for name in names):
            return
        # What cannot be had any more may have been built into an image that the engine has.
        states = self.runtime.image_states(content, names)
        if why_not := "; ".join(state.why_not for state in states if state.why_not):
            raise ImageError(
                f"{loaded.id} is not available here: {why_not}",
                hint="internbox list shows what is available",
            )

    def _bring_up(self, row: AttemptRow, loaded: scenarios.Loaded, variant: Variant) -> None:
        from sandbox.runtime.placement import placed

        names = {host.image for host in loaded.settings.hosts.values()}
        images = self.runtime.ensure_images(loaded.files.content, sorted(names), self.progress)
        self.progress("starting the machines")

        def work(placing: Future[Placement]) -> LabRecord:
            bringer = self._bringer(row.id, loaded, variant, new=True)
            record = bringer.all(images, placing)
            bringer.write_ssh(record)
            return record

        record = placed(self.runtime, row.id, loaded.id, loaded.doors, work)
        self.store.save_lab(row.id, record)
        self.store.move(row.id, "running")

    def _bringer(
        self, attempt: str, loaded: scenarios.Loaded, variant: Variant, *, new: bool = False
    ) -> Bringer:
        from sandbox.topology import Bringer

        return Bringer.make(
            runtime=self.runtime,
            loaded=loaded,
            variant=variant,
            attempt=attempt,
            files=self.home.attempt(attempt),
            manifests=self.home.manifests,
            new=new,
        )

    def _clear_away(self, attempt: str) -> None:
        """Removes an attempt's machines and keys as far as possible; gc finds the rest."""
        with suppress(InternboxError):
            self.runtime.remove(attempt)
        shutil.rmtree(self.home.attempt(attempt).root, ignore_errors=True)

    def _same_content(self, row: AttemptRow, loaded: scenarios.Loaded) -> None:
        if loaded.content_hash != row.content_hash:
            self.progress(
                f"{row.scenario} has changed since {row.id} was started: "
                "what you see may differ from then"
            )
