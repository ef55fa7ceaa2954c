"""Submissions made by hand, honest and not."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import pytest

from sandbox.grading.results import CheckResult, Grade, GuardResult
from sandbox.handin.shapes import MANIFEST

Make = Callable[..., Path]


def item(path: str, kind: str = "file", **more: Any) -> dict[str, Any]:
    """An entry of a machine's list, as JSON has it."""
    mode = {"folder": 0o755, "link": 0o777}.get(kind, 0o644)
    return {"path": path, "kind": kind, "mode": mode, "uid": 0, "gid": 0, "mtime": 1, **more}


def grade(score: int = 100, **more: Any) -> Grade:
    """A grade with one check and one guard."""
    values: dict[str, Any] = {
        "attempt": "sample-1a2b",
        "scenario": "linux/sample",
        "seed": "abcd2345",
        "version": 1,
        "content_hash": "0" * 16,
        "kind": "grade",
        "outcome": "passed" if score == 100 else "failed",
        "score": score,
        "max": 100,
        "counts": score,
        "checks": [
            CheckResult(
                id="one", title="It works", points=100, earned=score, before=True, after=True
            )
        ],
        "guards": [GuardResult(id="wiki", title="The wiki answers", cap=40, held=True)],
    }
    return Grade(**(values | more))


class Maker:
    """Writes submissions; `made` is what the last one was made of, by name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made: dict[str, bytes] = {}

    def __call__(
        self,
        items: list[dict[str, Any]] | None = None,
        content: bytes = b"",
        *,
        name: str = "sample-1a2b.ibz",
        deleted: list[str] | None = None,
        manifest: dict[str, Any] | None = None,
        index: bytes | None = None,
        parts: dict[str, bytes] | None = None,
        drop: tuple[str, ...] = (),
    ) -> Path:
        """`manifest` changes keys of it, `parts` replaces members without telling it."""
        listed = {
            "host": "desk",
            "items": [item("/etc/motd", size=len(content))] if items is None else items,
            "deleted": deleted or [],
            "left_out": [],
        }
        members = {
            "hosts/desk.json": msgspec.json.encode(listed) if index is None else index,
            "hosts/desk.data": content,
        }
        told = {
            "format": 1,
            "internbox": "0.1.0",
            "attempt": "sample-1a2b",
            "scenario": "linux/sample",
            "version": 1,
            "content_hash": "0" * 16,
            "seed": "abcd2345",
            "anchor": "2026-03-04T09:30:00+01:00",
            "parts": {
                name: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
                for name, data in members.items()
            },
            **(manifest or {}),
        }
        self.made = {MANIFEST: msgspec.json.encode(told), **members, **(parts or {})}
        path = self.folder / name
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            for member, data in self.made.items():
                if member not in drop:
                    packed.writestr(member, data)
        return path


@pytest.fixture
def make(tmp_path: Path) -> Maker:
    return Maker(tmp_path)


class TarRuntime:
    """An engine of which only the files of machines and images are known, as tars."""

    def __init__(self, machine: bytes, image: bytes = b"", folders: Any = None) -> None:
        self.machine, self.image = machine, image
        self.read_folders: dict[str, bytes] = folders or {}
        self.asked = 0

    @contextmanager
    def files(self, container: str) -> Iterator[BinaryIO]:
        yield io.BytesIO(self.machine)

    @contextmanager
    def folder(self, container: str, path: str) -> Iterator[BinaryIO]:
        yield io.BytesIO(self.read_folders[path])

    @contextmanager
    def image_files(self, reference: str) -> Iterator[BinaryIO]:
        self.asked += 1
        yield io.BytesIO(self.image)
