"""Finds by label what this state folder made on the engine, and removes it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from sandbox import labels
from sandbox.runtime.base import Leftover, Running
from sandbox.runtime.engine import Engine
from sandbox.runtime.failures import said
from sandbox.runtime.sdk import docker

WIDTH = 8  # calls to the engine at a time
ASLEEP = "asleep"
MACHINE_ROLES = ("machine", "fresh", "probe")
SETTLED_SECONDS = 120.0  # a helper container younger than this may be in use

T = TypeVar("T")
R = TypeVar("R")


def in_parallel(work: Callable[[T], R], items: Sequence[T], *, width: int = WIDTH) -> list[R]:
    """The results in order; the first error is raised once all have ended."""
    if len(items) < 2:
        return [work(item) for item in items]
    with ThreadPoolExecutor(min(width, len(items))) as pool:
        return [future.result() for future in [pool.submit(work, item) for item in items]]


def home_id(path: Path) -> str:
    """The id that marks what this state folder owns; made at the first use, by whoever is first."""
    with suppress(FileNotFoundError):
        return path.read_text().strip()
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    draft.write_text(secrets.token_hex(8) + "\n")
    with suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()
    return path.read_text().strip()


def containers(engine: Engine, home: str, *, attempt: str | None = None) -> list[dict[str, Any]]:
    """The engine's rows of this home's containers, running or not."""
    with engine.doing("listing machines"):
        rows: list[dict[str, Any]] = engine.api.containers(
            all=True, filters={"label": labels.owned(home, attempt=attempt)}
        )
    return rows


def machines(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that are machines. One whose disks nothing holds any more has lost what was on them,
    even if it runs: it is dead. One whose rack is off cannot be reached: it is asleep."""
    everything = list(rows)
    mine = [row for row in everything if row["Labels"].get(labels.ROLE) in MACHINE_ROLES]
    holders = [row for row in mine if labels.HOLDER in row["Labels"]]
    emptied = {_place(row) for row in holders if row["State"] != "running"}
    off = {row["Id"] for row in racks_off(everything)}

    def state(row: dict[str, Any]) -> str:
        if _place(row) in emptied:
            return "dead"
        return ASLEEP if rack_of(row) in off else str(row["State"])

    return [{**row, "State": state(row)} for row in mine if labels.HOLDER not in row["Labels"]]


def racks_off(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        row
        for row in rows
        if row["Labels"].get(labels.ROLE) == "rack" and row["State"] != "running"
    ]


def rack_of(row: dict[str, Any]) -> str:
    """The id of the rack that a machine stands in; its own for one that is alone."""
    kind, _, rack = str(row["HostConfig"]["NetworkMode"]).partition(":")
    return rack if kind == "container" else str(row["Id"])


def _place(row: dict[str, Any]) -> tuple[str | None, str | None]:
    return row["Labels"].get(labels.ATTEMPT), row["Labels"].get(labels.HOST)


def volumes(engine: Engine, wanted: list[str]) -> list[dict[str, Any]]:
    with engine.doing("listing volumes"):
        found = engine.api.volumes(filters={"label": wanted})
    rows: list[dict[str, Any]] = found["Volumes"] or []
    return rows


def running(row: dict[str, Any], memory_mib: float | None) -> Running:
    """A machine, from the engine's row."""
    mark = row["Labels"]
    return Running(
        id=row["Id"],
        attempt=mark.get(labels.ATTEMPT, ""),
        scenario=mark.get(labels.SCENARIO, ""),
        host=mark.get(labels.HOST, ""),
        role=mark.get(labels.ROLE, ""),
        hidden=mark.get(labels.HIDDEN) == "1",
        state=row["State"],
        memory_mib=memory_mib,
        created=float(mark.get(labels.CREATED) or row["Created"]),
    )


def remove(
    engine: Engine, home: str, attempt: str, *, role: str | None = None, host: str | None = None
) -> list[Leftover]:
    """Removes an attempt's containers, then its volumes; narrowed to a role or host if given."""

    def chosen(mark: dict[str, str]) -> bool:
        own_role = mark.get(labels.ROLE)
        return host in (None, mark.get(labels.HOST)) and role in (None, own_role)

    mine = [row for row in containers(engine, home, attempt=attempt) if chosen(row["Labels"])]
    disks = [
        row for row in volumes(engine, labels.owned(home, attempt=attempt)) if chosen(row["Labels"])
    ]
    gone = [Leftover("container", row["Id"], attempt) for row in mine]
    gone += [Leftover("volume", row["Name"], attempt) for row in disks]
    return discard(engine, gone)


def leftovers(engine: Engine, home: str, living: Iterable[str]) -> list[Leftover]:
    """Containers and volumes of attempts that do not live, and tools volumes that were replaced.

    The management network, the newest tools volume and the images stay: all attempts share them.
    """
    alive = set(living)
    now = engine.clock()
    found = [
        Leftover("container", row["Id"], row["Labels"].get(labels.ATTEMPT, ""))
        for row in containers(engine, home)
        if row["Labels"].get(labels.ATTEMPT) not in alive and not _in_use(row, now)
    ]
    found += [
        Leftover("volume", row["Name"], row["Labels"].get(labels.ATTEMPT, ""))
        for row in volumes(engine, labels.owned(home))
        if labels.ATTEMPT in row["Labels"] and row["Labels"][labels.ATTEMPT] not in alive
    ]
    return found + _old_tools(engine, home)


def _in_use(row: dict[str, Any], now: float) -> bool:
    """Whether it is a helper of the tools volume that another command may just be using."""
    young = bool(now - row["Created"] < SETTLED_SECONDS)
    return young and str(row["Labels"].get(labels.ROLE)) == "tools"


def _old_tools(engine: Engine, home: str) -> list[Leftover]:
    """Tools volumes that no container has, but for the newest."""
    rows = volumes(engine, labels.owned(home, role="tools"))
    rows.sort(key=lambda row: row.get("CreatedAt") or "")
    return [Leftover("volume", row["Name"], "") for row in rows[:-1] if not _mounted(engine, row)]


def _mounted(engine: Engine, volume: dict[str, Any]) -> bool:
    with engine.doing("listing machines"):
        return any(engine.api.containers(all=True, filters={"volume": volume["Name"]}))


def discard(engine: Engine, leftovers: Iterable[Leftover]) -> list[Leftover]:
    """Removes them, containers before what they use; what is no longer there."""
    todo = list(leftovers)
    gone = in_parallel(
        lambda item: _discard_one(engine, item), [item for item in todo if item.kind == "container"]
    )
    gone += in_parallel(
        lambda item: _discard_one(engine, item), [item for item in todo if item.kind != "container"]
    )
    return [item for item in gone if item is not None]


def _discard_one(engine: Engine, item: Leftover) -> Leftover | None:
    """The item once it is gone; None when something of another's still uses it."""
    api = engine.api
    with engine.doing(f"removing {item.kind} {item.id[:40]}"):
        try:
            if item.kind == "container":
                api.remove_container(item.id, force=True, v=True)
            elif item.kind == "volume":
                api.remove_volume(item.id)
            elif item.kind == "network":
                api.remove_network(item.id)
            else:
                api.remove_image(item.id)
        except docker.errors.NotFound:
            return item
        except docker.errors.APIError as error:
            if "already in progress" in said(error):
                return item
            if error.status_code == 409 and item.kind != "container":
                return None
            raise
    return item
