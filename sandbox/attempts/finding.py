"""Finds attempts and scenarios by what a person types."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox import scenarios
from sandbox.attempts.shapes import Attempt, AttemptHost, Listed, SshAccess
from sandbox.errors import ContentError, UsageError, near
from sandbox.paths import Home, ScenarioFiles, builtin_content
from sandbox.store import AttemptRow, Store

if TYPE_CHECKING:
    from sandbox.grading.child import Child
    from sandbox.grading.process import Process
    from sandbox.lab import LabRecord
    from sandbox.runtime.base import Running, Runtime
    from sandbox.variants import Variant


def silent(_: str) -> None:
    """No progress is wanted."""


def architecture() -> str:
    """This machine's, in Docker's words; the engine's is asked when something is started."""
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


class Finding:
    """What every use case stands on: the store, the engine, and the attempt that is meant.

    The engine is asked only by what needs it.
    """

    def __init__(
        self,
        home: Home,
        *,
        content: Sequence[Path] = (),
        progress: Callable[[str], None] = silent,
        runtime: Runtime | None = None,
        purpose: str = "learn",
        graders: Callable[[Path], AbstractContextManager[Child]] | None = None,
    ) -> None:
        self.home = home
        self.content = [*(folder.resolve() for folder in content), builtin_content()]
        self.progress = progress
        self.purpose = purpose
        self._graders = graders  # None: a new process for each grade
        self._runtime = runtime

    @cached_property
    def store(self) -> Store:
        return Store(self.home)

    @cached_property
    def runtime(self) -> Runtime:
        if self._runtime is not None:
            return self._runtime
        from sandbox.runtime.docker import DockerRuntime

        return DockerRuntime(self.home)

    def catalogue(self) -> list[Listed]:
        """Every scenario that is ready, in the order of the catalogue; asks no engine."""
        why_not_image = cache(self._why_not)  # many scenarios have the same
        rows = []
        for row in scenarios.summaries(self.content, self.home.index):
            if row.status != "ready":
                continue
            reasons = (why_not_image(row.content, image) for image in row.images)
            why_not = next(filter(None, reasons), "")
            rows.append(
                Listed(
                    id=row.id,
                    title=row.title,
                    summary=row.summary,
                    area=row.area,
                    level=row.level,
                    minutes=row.minutes,
                    hosts=row.hosts,
                    skills=row.skills,
                    available=not why_not,
                    why_not=why_not,
                )
            )
        return rows

    def _why_not(self, content: str, image: str) -> str:
        """What the image needs and cannot be had, in words."""
        places = [root / "images" / image for root in (Path(content), builtin_content())]
        folder = next((place for place in places if place.is_dir()), None)
        if folder is None or not (folder / "artifacts.toml").exists():
            return ""
        from sandbox.runtime import artifacts, sources

        reference = sources.find(Path(content), image, architecture()).reference
        kept = self.home.artifacts
        if artifacts.remembered(kept, reference):
            return ""
        return artifacts.why_not(folder, architecture(), kept)

    def resolve(self, name: str) -> ScenarioFiles:
        return scenarios.resolve(name, self.content)

    def attempt(self, ref: str | None = None) -> Attempt:
        """The attempt named, or the one in use: the only living one, or the last used."""
        return self._shown(self._row(ref))

    def _row(self, ref: str | None) -> AttemptRow:
        if ref is None:
            mine = [row for row in self.store.living() if row.purpose == self.purpose]
            if mine:
                return mine[0]
            ended = [row for row in self.store.attempts() if row.purpose == self.purpose]
            if ended:
                return ended[0]
            raise UsageError("nothing was started yet", hint="internbox start")
        if row := self.store.get(ref):
            return row
        matching = [name for name in self.store.ids() if name.startswith(ref)]
        if len(matching) == 1 and (row := self.store.get(matching[0])):
            return row
        raise UsageError(
            f"there is no attempt {ref}{near(ref, self.store.ids())}", hint="internbox status"
        )

    def _living(self, ref: str | None) -> AttemptRow:
        row = self._row(ref)
        if row.state in ("stopped", "given-up"):
            raise UsageError(
                f"{row.id} has ended ({row.state})",
                hint=f"internbox reset {row.id} starts it again, internbox start takes a new one",
            )
        if row.state == "starting" and not self.store.locked(row.id):
            raise UsageError(
                f"{row.id} never finished starting",
                hint=f"internbox reset {row.id}, or internbox gc",
            )
        return row

    @contextmanager
    def _alone(self, ref: str | None) -> Iterator[AttemptRow]:
        """A living attempt that no other command works on meanwhile, read once that is so."""
        attempt = self._living(ref).id
        with self.store.lock(attempt):
            yield self._living(attempt)

    def _whole(self, row: AttemptRow, machines: Iterable[Running]) -> bool:
        """Whether all its machines are among those that the engine runs, or would if woken."""
        running = {one.id for one in machines if one.state in ("running", "restarting", "asleep")}
        started = row.lab != "{}"
        return started and {host.container for host in self._record(row).standing()} <= running

    def _grader(
        self, files: ScenarioFiles, process: Process | None = None
    ) -> AbstractContextManager[Child]:
        """The process of a scenario's grader, `process` where one was started for it: it imports
        what it needs while others work."""
        from sandbox.grading.child import Child

        if self._graders and process is None:
            return self._graders(files.grader)
        return Child(files.grader, process)

    def _loaded(self, row: AttemptRow) -> scenarios.Loaded:
        """Its scenario. ContentError where that is gone or broken since it was started."""
        files = ScenarioFiles(Path(row.content), row.scenario)
        try:
            return scenarios.load(files)
        except ContentError as error:
            gone = not files.settings.is_file()
            raise ContentError(
                f"{row.id} needs its scenario, "
                + (f"and {files.root} is gone" if gone else f"which is broken: {error.message}"),
                hint=("bring the folder back" if gone else "mend it")
                + f", or end the attempt: internbox stop {row.id}",
            ) from error

    def _variant(self, row: AttemptRow) -> Variant:
        from sandbox import variants

        return variants.parse(row.variant)

    def _record(self, row: AttemptRow) -> LabRecord:
        from sandbox.lab import LabRecord

        return row.lab_as(LabRecord)

    def _shown(self, row: AttemptRow) -> Attempt:
        """Also without its scenario: an attempt must be found to be ended."""
        try:
            settings = self._loaded(row).settings
            title, minutes = settings.title, settings.minutes
        except ContentError:
            title, minutes = row.scenario, 0
        files = self.home.attempt(row.id)
        hosts = []
        learner_host = ""
        if row.lab != "{}":
            record = self._record(row)
            learner_host = record.learner_host
            for host in record.standing():
                access = SshAccess(
                    host.place.connect, host.place.learner_port, "intern", str(files.learner_key)
                )
                hosts.append(AttemptHost(host.host, host.hidden, None if host.hidden else access))
        return Attempt(
            attempt=row.id,
            scenario=row.scenario,
            title=title,
            version=row.version,
            seed=row.seed,
            state=row.state,
            minutes=minutes,
            created=row.created,
            learner_host=learner_host,
            hosts=hosts,
            ssh_config=str(files.ssh_config),
            learner=row.learner,
        )
