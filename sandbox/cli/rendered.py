"""What a seed makes of a scenario, for an author to look at; no machine is started."""

from __future__ import annotations

import posixpath
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from msgspec import Struct

from sandbox.errors import UsageError

if TYPE_CHECKING:
    from sandbox.paths import ScenarioFiles
    from sandbox.rendering import LaidFile

MORNING = datetime(2026, 3, 4, 9, 30)  # a wall clock; the scenario has the zone


class RenderedFile(Struct, frozen=True, kw_only=True):
    """A path of a machine; `text` is None for what is no text."""

    path: str
    kind: str
    mode: str
    owner: str
    source: str
    link: str = ""
    text: str | None = None


class RenderedHost(Struct, frozen=True, kw_only=True):
    name: str
    files: list[RenderedFile]
    offline: str
    online: str


class Rendered(Struct, frozen=True, kw_only=True):
    """A variant in full, secrets included."""

    scenario: str
    seed: str
    fault: str
    anchor: datetime
    values: dict[str, Any]
    ticket: str
    debrief: str
    hosts: list[RenderedHost]


def render(
    files: ScenarioFiles, *, seed: str, fault: str | None = None, only: str | None = None
) -> Rendered:
    """Raises ContentError, or UsageError when there is no host `only`."""
    from sandbox import rendering, scenarios, variants

    loaded = scenarios.load(files)
    anchor = MORNING.replace(tzinfo=ZoneInfo(loaded.settings.time_zone))
    variant = variants.draw(loaded, seed=seed, anchor=anchor, fault=fault)
    hosts = loaded.settings.hosts
    if only is not None and only not in hosts:
        raise UsageError(f"there is no host {only!r}", hint=f"it has {', '.join(hosts)}")
    shown = []
    for name in [only] if only else hosts:
        own = rendering.personality(loaded, variant, name)
        layout = rendering.layout(loaded, variant, name, own)
        laid = [_file(file) for file in layout.files]
        shown.append(
            RenderedHost(name=name, files=laid, offline=layout.offline, online=layout.online)
        )
    return Rendered(
        scenario=loaded.id,
        seed=seed,
        fault=variant.fault,
        anchor=anchor,
        values=dict(variant.values),
        ticket=rendering.ticket(loaded, variant),
        debrief=rendering.debrief(loaded, variant),
        hosts=shown,
    )


def _file(file: LaidFile) -> RenderedFile:
    try:
        text: str | None = file.data.decode() if file.kind == "file" else None
    except UnicodeDecodeError:
        text = None
    return RenderedFile(
        path=file.path,
        kind=file.kind,
        mode=f"{file.mode:04o}",
        owner=file.owner,
        source=file.source,
        link=file.link,
        text=text,
    )


def write(result: Rendered, target: Path) -> None:
    """ticket.md, debrief.md, and a folder for each host with its files and scripts."""
    _put(target / "ticket.md", result.ticket)
    _put(target / "debrief.md", result.debrief)
    for host in result.hosts:
        root = target / host.name
        for name, script in (("offline.sh", host.offline), ("online.sh", host.online)):
            if script:
                _put(root / name, script)
        for file in host.files:
            if file.text is not None:
                inner = posixpath.normpath(file.path).lstrip("/")
                _put(root / inner, file.text)


def _put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
