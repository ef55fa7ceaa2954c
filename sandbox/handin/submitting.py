"""Hands an attempt in: shuts its machines down, packs what changed, and starts them again."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from sandbox import __version__, codes, readiness, scratch, ssh, topology
from sandbox.attempts import Labs
from sandbox.attempts.starting import RESET
from sandbox.errors import EngineError, MachineError, Unreachable, UsageError
from sandbox.grading.results import Grade
from sandbox.handin import changes, listing
from sandbox.handin.shapes import (
    FORMAT,
    LIMITS,
    MANIFEST,
    SUFFIX,
    HintTaken,
    HostIndex,
    Manifest,
    Part,
    Standing,
    Submitted,
    SubmittedHost,
    data_part,
    index_part,
)
from sandbox.paths import replacing
from sandbox.runtime.failures import BLAMELESS
from sandbox.store import AttemptRow

if TYPE_CHECKING:
    from sandbox.lab import HostRecord, LabRecord
    from sandbox.topology import Bringer

REACH_SECONDS = 5.0
SILENT = (
    "{} did not say what changed: access lists, and changes that neither size nor time shows, are "
    "not in it. When it answers (internbox check), submit again"
)

Afterwards = Literal["start", "leave", "remove"]


class Submitting(Labs):
    """submit."""

    def submit(
        self, ref: str | None = None, *, out: Path | None = None, then: Afterwards = "start"
    ) -> Submitted:
        """Writes the submission to `out`, by default a file in this folder; whole or not at all.

        `then`: the machines are started again, left off, or removed as `stop` does. UsageError
        when there is too much to pack; MachineError when the machines are gone.
        """
        with self._alone(ref) as row:
            bringer, record = self.machines(row.id)
            self._still_there(row, record)
            file = out or Path(f"{_file_name(row)}{SUFFIX}")
            with scratch.folder() as folder:
                work = Path(folder)
                with self._shut_down(bringer, record, again=then == "start") as told:
                    self.progress("packing what changed")
                    indexes = self._packed(bringer, record, told, work)
                manifest = self._manifest(row, work, indexes)
                _write(file, manifest, work)
            self.store.event(row.id, "submitted", _sha256(file))
            if then == "remove":
                self.runtime.remove(row.id)
                self.store.move(row.id, "stopped")
        silent = [host for host, one in told.items() if one.silent]
        return self._described(row, file, manifest, indexes, silent)

    def _still_there(self, row: AttemptRow, record: LabRecord) -> None:
        """Machines may be off, after a submit that was killed or an engine that was restarted; they
        must not be gone."""
        there = {one.id for one in self._wake(row)}
        if gone := [host.host for host in record.visible() if host.container not in there]:
            raise MachineError(
                f"{row.id} was interrupted: {', '.join(gone)} is gone",
                hint=f"internbox reset {row.id} starts it again from the beginning",
            )

    @contextmanager
    def _shut_down(
        self, bringer: Bringer, record: LabRecord, *, again: bool
    ) -> Iterator[dict[str, changes.Told]]:
        """Within it the machines are off; what each said before."""
        hosts = record.visible()
        self.progress("shutting the machines down")
        told = topology.in_parallel(lambda host: self._asked(bringer, host), hosts)
        topology.in_parallel(lambda host: self.runtime.stop(host.container), hosts)
        try:
            yield {host.host: one for host, one in zip(hosts, told, strict=True)}
        finally:
            if again:
                self.progress("starting the machines again")
                topology.in_parallel(lambda host: self._start_again(bringer, host), hosts)

    def _asked(self, bringer: Bringer, host: HostRecord) -> changes.Told:
        endpoint = topology.grader_endpoint(host, bringer.files.grader_key)
        volumes = [one.path for one in bringer.loaded.settings.hosts[host.host].volumes]
        try:
            with ssh.connect(endpoint, deadline=REACH_SECONDS) as link:
                return changes.ask(link, host.since, volumes)
        except (Unreachable, ssh.CommandTimeout):
            return changes.Told(silent=True)  # the engine still has its files

    def _start_again(self, bringer: Bringer, host: HostRecord) -> None:
        try:
            self.runtime.start(host.container)
        except BLAMELESS:
            raise
        except EngineError as error:  # a learner can make it impossible: it is handed in as it is
            self.progress(f"{host.host} does not start again: {error.message}")
            return
        endpoint = topology.grader_endpoint(host, bringer.files.grader_key)
        with (
            suppress(Unreachable, ssh.CommandTimeout),  # a learner can make it impossible
            ssh.connect(endpoint, deadline=readiness.BOOT_SECONDS) as link,
        ):
            readiness.settle(link)

    def _packed(
        self, bringer: Bringer, record: LabRecord, told: dict[str, changes.Told], work: Path
    ) -> list[HostIndex]:
        indexes = []
        left = LIMITS.content
        for host in record.visible():
            settings = bringer.loaded.settings.hosts[host.host]
            image = listing.of_image(
                self.runtime, record.images[settings.image], self.home.listings
            )
            with (work / f"{host.host}.data").open("wb") as data:
                packer = changes.Packer(
                    host=host.host,
                    image=image,
                    told=told[host.host],
                    volumes=[volume.path for volume in settings.volumes],
                    data=data,
                    limits=dataclasses.replace(LIMITS, content=left),
                )
                indexes.append(packer.pack(self.runtime, host.container))
            left -= packer.size
        return indexes

    def _manifest(self, row: AttemptRow, work: Path, indexes: list[HostIndex]) -> Manifest:
        parts = {}
        for index in indexes:
            (work / f"{index.host}.json").write_bytes(msgspec.json.encode(index))
            for name, kind in ((index_part(index.host), "json"), (data_part(index.host), "data")):
                path = work / f"{index.host}.{kind}"
                parts[name] = Part(_sha256(path), path.stat().st_size)
        note = self.store.note(row.id)
        return Manifest(
            format=FORMAT,
            internbox=__version__,
            attempt=row.id,
            scenario=row.scenario,
            version=row.version,
            content_hash=row.content_hash,
            seed=row.seed,
            anchor=self._variant(row).anchor.isoformat(),
            learner=row.learner,
            code=_code(row) if row.learner else "",
            started=row.created,
            submitted=time.time(),
            note=note.text if note else None,
            hints=[HintTaken(hint.step, hint.cost) for hint in self.store.hints(row.id)],
            grade=self._last_grade(row),
            parts=parts,
        )

    def _last_grade(self, row: AttemptRow) -> Grade | None:
        """The last one since the attempt was started, or started over."""
        last = self.store.last_grade(row.id)
        begun = [one.at for one in self.store.events(row.id) if one.name == RESET]
        return last.body_as(Grade) if last and last.at > max(begun, default=0.0) else None

    def _described(
        self,
        row: AttemptRow,
        file: Path,
        manifest: Manifest,
        indexes: list[HostIndex],
        silent: list[str],
    ) -> Submitted:
        grade = manifest.grade
        return Submitted(
            attempt=row.id,
            scenario=row.scenario,
            learner=row.learner,
            file=str(file),
            sha256=_sha256(file),
            bytes=file.stat().st_size,
            hosts=[
                SubmittedHost(
                    name=index.host,
                    files=len(index.items),
                    deleted=len(index.deleted),
                    bytes=manifest.parts[data_part(index.host)].size,
                )
                for index in indexes
            ],
            grade=Standing(grade.outcome, grade.score, grade.max) if grade else None,
            note=manifest.note is not None,
            hints=len(manifest.hints),
            left_out=[f"{index.host}: {line}" for index in indexes for line in index.left_out],
            warnings=[*map(SILENT.format, silent), *self._warnings(row, file, manifest)],
        )

    def _warnings(self, row: AttemptRow, file: Path, manifest: Manifest) -> Iterator[str]:
        from sandbox import variants

        loaded, variant = self._loaded(row), self._variant(row)
        if manifest.grade is None:
            yield f"it was never graded: internbox grade {row.id}, then submit again"
        if loaded.content_hash != row.content_hash:
            yield f"{row.scenario} has changed since {row.id} was started: it may be refused"
        drawn = variants.draw(loaded, seed=row.seed, anchor=variant.anchor)
        if drawn.fault != variant.fault:
            yield "it was started with --fault: a regrade takes the fault that its seed draws"
        if file.stat().st_size > LIMITS.archive:
            yield f"it is larger than {LIMITS.archive >> 20} MiB: regrade will refuse it"


def _file_name(row: AttemptRow) -> str:
    learner = re.sub(r"[^A-Za-z0-9._@-]+", "-", row.learner).strip("-.")
    return f"{learner}-{row.id}" if learner else row.id


def _code(row: AttemptRow) -> str:
    """The start code that it was started with."""
    return codes.of(row.scenario, row.content_hash, row.seed, row.learner)


def _write(file: Path, manifest: Manifest, work: Path) -> None:
    """Under another name first: a kill leaves no half of a submission."""
    try:
        with replacing(file) as draft, zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr(MANIFEST, msgspec.json.encode(manifest))
            for name in manifest.parts:
                packed.write(work / Path(name).name, name)
    except OSError as error:
        raise UsageError(
            f"{file} cannot be written: {error.strerror or error}", hint="name another with --out"
        ) from None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
