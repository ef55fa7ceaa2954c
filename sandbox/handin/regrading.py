"""Grades a submission anew: a clean lab of the same variant, with what the learner changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from sandbox import scenarios, scratch
from sandbox.attempts import Labs
from sandbox.errors import Refused
from sandbox.grading.results import CheckRun, Grade, GuardRun, PhaseResult
from sandbox.handin import laying, listing, reading
from sandbox.handin.reading import Submission
from sandbox.handin.standing import HandedIn, is_measured, stand
from sandbox.handin.zips import shown
from sandbox.runtime.placement import placed
from sandbox.store import AttemptRow

if TYPE_CHECKING:
    from sandbox.variants import Variant

NOT_THEN = "it did not hold when it was graded, only after that grade's reboot"


class Regrading(Labs):
    """regrade: one submission at a time, on machines that are gone afterwards."""

    def scenario(self, submission: Submission) -> scenarios.Loaded:
        """The scenario of a submission. Refused when it is not here, or another edition of it."""
        manifest = submission.manifest
        known = {files.id: files for files in scenarios.found(self.content)}
        if manifest.scenario not in known:
            raise Refused(
                f"there is no scenario {shown(manifest.scenario)} here",
                hint="update internbox; a course's own content is named with --content",
            )
        loaded = scenarios.load(known[manifest.scenario])
        if manifest.content_hash != loaded.content_hash:
            raise Refused(
                f"it was made with another edition of {loaded.id} "
                f"({shown(manifest.content_hash)}, here is {loaded.content_hash})",
                hint="regrade with the internbox that the learner had",
            )
        if set(submission.hosts) != set(loaded.learner_hosts):
            raise Refused(f"it does not hold the machines of {loaded.id}")
        return loaded

    def regrade(self, submission: Submission, *, fault: str | None = None) -> Grade:
        """The grade of what was handed in; its note and hints are judged by the scenario here.

        `fault` is for authors who started with one; otherwise the seed draws it. Refused when the
        submission does not fit; EngineError, MachineError or GraderError when nothing can be said.
        """
        from sandbox import variants
        from sandbox.variants.instants import zone

        loaded = self.scenario(submission)
        manifest = submission.manifest
        anchor = submission.anchor.astimezone(zone(loaded.settings.time_zone))
        variant = variants.draw(loaded, seed=manifest.seed, anchor=anchor, fault=fault)
        images = self._images(loaded)
        row = self._new_row(loaded, variant, learner=manifest.learner, mark=4)  # many at a time
        with scratch.folder() as folder:
            handed = self._laid_out(submission, loaded, images, Path(folder))
            with self.store.lock(row.id):
                self.store.add(row)
                try:
                    return self._graded(row, loaded, variant, images, handed, submission)
                finally:
                    self._clear_away(row.id)
                    self.store.forget(row.id)

    def _images(self, loaded: scenarios.Loaded) -> dict[str, str]:
        names = sorted({host.image for host in loaded.settings.hosts.values()})
        return self.runtime.ensure_images(loaded.files.content, names, self.progress)

    def _laid_out(
        self,
        submission: Submission,
        loaded: scenarios.Loaded,
        images: dict[str, str],
        folder: Path,
    ) -> dict[str, HandedIn]:
        """A tar for each machine; the engine has not seen anything yet."""
        handed = {}
        for name, index in submission.hosts.items():
            host = loaded.settings.hosts[name]
            image = listing.of_image(self.runtime, images[host.image], self.home.listings)
            laying.check_against_image(index, image, host.volumes)
            usual = {path for path, stat in image.items() if stat.mode & 0o6000}
            file = folder / f"{name}.tar"
            with file.open("wb") as tar, submission.content(name) as content:
                laying.write(index, content, image, tar)
            changed = [*(item.path for item in index.items), *index.deleted]
            handed[name] = HandedIn(
                file, frozenset(reading.setuid(index, usual)), is_measured(changed)
            )
        return handed

    def _graded(
        self,
        row: AttemptRow,
        loaded: scenarios.Loaded,
        variant: Variant,
        images: dict[str, str],
        handed: dict[str, HandedIn],
        submission: Submission,
    ) -> Grade:
        from sandbox.grading import score, taking

        manifest = submission.manifest
        salt = taking.new_salt()
        with self._grader(loaded.files) as grader:
            bringer = self._bringer(row.id, loaded, variant, new=True)
            record = placed(
                self.runtime,
                row.id,
                loaded.id,
                loaded.doors,
                lambda placing: stand(bringer, images, placing, handed),
            )
            taken = taking.Taker(bringer, record, salt, grader).grade()
        return score.combine(
            as_handed_in(taken.before, manifest.grade),
            taken.after,
            attempt=manifest.attempt,
            scenario=loaded.id,
            seed=variant.seed,
            version=row.version,
            content_hash=row.content_hash,
            kind="grade",
            learner=manifest.learner,
            salt=salt,
            hints_cost=self._hints_cost(row, len(manifest.hints)),
            debrief_read=manifest.grade is not None and manifest.grade.debrief_read,
            note=self._judge(manifest.note, loaded, variant) if manifest.note else None,
            tampered=taken.tampered,
            lost=taken.lost,
            redact=variant.redact,
        )

    def _hints_cost(self, row: AttemptRow, taken: int) -> int:
        steps = self._hints(row)
        if taken > len(steps):
            raise Refused(f"it says {taken} hints were taken, and there are {len(steps)}")
        return sum(step.cost for step in steps[:taken])


def as_handed_in(before: PhaseResult, handed: Grade | None) -> PhaseResult:
    """What held only after the reboot in the grade handed in stays so.

    The learner's own grade is no evidence for them, but it is against them: a service that was
    not restarted is, by the boot with which every regrade begins.
    """
    if handed is None:
        return before
    checks = {one.id: one.message for one in handed.checks if not one.before and one.after}
    guards = {one.id: one.message for one in handed.guards if not one.before and one.after}

    def check(run: CheckRun) -> CheckRun:
        if not run.passed or run.id not in checks:
            return run
        return structs.replace(run, passed=False, message=checks[run.id] or NOT_THEN)

    def guard(run: GuardRun) -> GuardRun:
        if not run.held or run.id not in guards:
            return run
        return structs.replace(run, held=False, message=guards[run.id] or NOT_THEN)

    return structs.replace(
        before, checks=list(map(check, before.checks)), guards=list(map(guard, before.guards))
    )
