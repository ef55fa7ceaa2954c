"""Whatever a submission or a download holds: it is read, or refused in words."""

from __future__ import annotations

import random
import tempfile
import tracemalloc
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sandbox.errors import Refused
from sandbox.handin import lms, reading
from sandbox.handin.shapes import FORBIDDEN, within
from tests.handin.conftest import Maker, item

names = st.one_of(
    st.sampled_from(["etc", "..", ".", "", "opt", "internbox", "proc", "a", "b", "x\0y", "\ud800"]),
    st.text(max_size=8),
)
paths = st.lists(names, max_size=4).map("/".join) | st.lists(names, max_size=4).map(
    lambda parts: "/" + "/".join(parts)
)
numbers = st.integers(-2, 1 << 34) | st.sampled_from([0, 0o644, 0o4755, 0o755])
kinds = st.sampled_from(["file", "folder", "link", "same", "device", ""])
lines = st.lists(
    st.sampled_from(
        ["user::rw-", "group::r--", "other::---", "user:1:rwx", "mask::r--", "x", "mask:5:rwx"]
    ),
    max_size=6,
)
items = st.lists(
    st.fixed_dictionaries(
        {
            "path": paths,
            "kind": kinds,
            "mode": numbers,
            "uid": numbers,
            "gid": numbers,
            "mtime": numbers,
        },
        optional={
            "size": numbers,
            "target": paths,
            "acl": lines,
            "default_acl": lines,
            "capability": st.text("0123456789abcdef", max_size=6),
        },
    ),
    max_size=6,
)
quick = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def read_or_refused(path: Path) -> reading.Submission | None:
    """Any other exception fails the test."""
    with suppress(Refused):
        return reading.read(path)
    return None


@quick
@given(items, st.lists(paths, max_size=3), st.binary(max_size=20))
def test_any_list_of_files_is_read_or_refused(
    listed: list[dict[str, Any]], deleted: list[str], content: bytes
) -> None:
    clean = [
        {
            k: v.encode(errors="replace").decode() if isinstance(v, str) else v
            for k, v in one.items()
        }
        for one in listed
    ]
    gone = [path.encode(errors="replace").decode() for path in deleted]
    with tempfile.TemporaryDirectory() as folder:
        found = read_or_refused(Maker(Path(folder))(clean, content, deleted=gone))
    if found is None:
        return
    index = found.hosts["desk"]
    there = {one.path: one for one in index.items}
    for path in [
        *there,
        *index.deleted,
        *(one.target for one in index.items if one.kind == "same"),
    ]:
        parts = path.split("/")
        assert parts[0] == ""
        assert not {"", ".", ".."} & set(parts[1:])
        assert not any(within(path, folder) for folder in FORBIDDEN)
        for depth in range(2, len(parts)):
            above = there.get("/".join(parts[:depth]))
            assert above is None or above.kind == "folder"


@quick
@given(st.binary(max_size=400))
@example(b"PK\x05\x06" + bytes(18))
def test_any_bytes_are_refused(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.ibz"
        path.write_bytes(data)

        assert read_or_refused(path) is None
        finds = lms.find([path.rename(Path(folder) / "x.zip")])
        assert not finds.submissions
        assert finds.refused or finds.ignored or data.startswith(b"PK")


@quick
@given(st.integers(0, 2**32), st.integers(1, 12))
def test_an_archive_with_flipped_bytes_is_read_or_refused(seed: int, flips: int) -> None:
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Maker(Path(folder))([item("/etc/a", size=300)], draw.randbytes(300))
        whole = bytearray(path.read_bytes())
        for _ in range(flips):
            whole[draw.randrange(len(whole))] = draw.randrange(256)
        path.write_bytes(bytes(whole))

        read_or_refused(path)
        finds = lms.find([path.rename(Path(folder) / "x.zip")])
        for found in finds.submissions:
            with suppress(Refused), found.at_hand(Path(folder)) as unpacked:
                read_or_refused(unpacked)


@quick
@given(st.dictionaries(st.text(max_size=12), st.none() | st.integers() | st.text(max_size=5)))
def test_any_manifest_is_read_or_refused(changes: dict[str, Any]) -> None:
    safe = {k.encode(errors="replace").decode(): v for k, v in changes.items()}
    with tempfile.TemporaryDirectory() as folder:
        read_or_refused(Maker(Path(folder))(manifest=safe))


@pytest.mark.parametrize("size", [64 << 20])
def test_memory_stays_small_whatever_is_in_it(make: Maker, size: int) -> None:
    path = make([item("/etc/a", size=size)], random.Random(1).randbytes(1 << 16) * (size >> 16))
    make.made.clear()
    tracemalloc.start()
    try:
        found = reading.read(path)
        with found.content("desk") as content:
            assert sum(map(len, content)) == size
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert most < 24 << 20
