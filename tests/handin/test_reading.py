"""A submission that is not what it says it is: each kind, and the words it gets."""

from __future__ import annotations

import dataclasses
import zipfile
from pathlib import Path
from typing import Any

import pytest

from sandbox import variants
from sandbox.errors import Refused
from sandbox.handin import reading
from sandbox.handin.shapes import LIMITS
from tests.handin.conftest import Maker, grade, item

TINY = dataclasses.replace(LIMITS, content=1000, items=5, manifest=2000, small=0)


def test_an_honest_one_is_read(make: Maker) -> None:
    items = [
        item(
            "/etc/motd",
            size=5,
            uid=1000,
            mode=0o640,
            acl=["user::rw-", "user:7:r--", "group::r--", "mask::r--", "other::---"],
        ),
        item("/srv", "folder", mode=0o2775, default_acl=["user::rwx", "group::r-x", "other::---"]),
        item("/srv/link", "link", target="../etc/motd"),
        item("/srv/twin", "same", target="/etc/motd"),
        item("/usr/local/bin/app", size=2, capability="0100000200040000000000000000000000000000"),
    ]
    path = make(
        items, b"helloab", deleted=["/etc/old/x", "/etc/old"], manifest={"grade": grade(40)}
    )

    found = reading.read(path)

    assert [one.path for one in found.hosts["desk"].items] == [one["path"] for one in items]
    assert found.manifest.grade == grade(40)
    assert found.anchor.isoformat() == "2026-03-04T09:30:00+01:00"
    with found.content("desk") as content:
        assert b"".join(content) == b"helloab"


PATHS = {
    "relative": ("etc/motd", "absolute"),
    "empty": ("", "absolute"),
    "the root": ("/", "absolute"),
    "upwards": ("/etc/../../motd", "elsewhere"),
    "dot": ("/etc/./motd", "elsewhere"),
    "double slash": ("/etc//motd", "absolute"),
    "trailing slash": ("/etc/", "absolute"),
    "zero byte": ("/etc/mo\0td", "elsewhere"),
    "our tools": ("/opt/internbox/machine", "not the learner's"),
    "our script": ("/.internbox/offline", "not the learner's"),
    "our folder": ("/.internbox", "not the learner's"),
    "proc": ("/proc/sys/kernel/core_pattern", "not the learner's"),
    "sys": ("/sys/x", "not the learner's"),
    "dev": ("/dev/sda", "not the learner's"),
    "run": ("/run/x", "not the learner's"),
    "tmp": ("/tmp/x", "not the learner's"),
    "long name": ("/etc/" + "x" * 256, "too long"),
    "long path": ("/x" * 2048, "too long"),
}


@pytest.mark.parametrize(("path", "why"), PATHS.values(), ids=PATHS)
@pytest.mark.parametrize("where", ["item", "deleted"])
def test_a_path_that_no_learner_changes_is_refused(
    make: Maker, path: str, why: str, where: str
) -> None:
    file = make([item(path)]) if where == "item" else make([], deleted=[path])

    with pytest.raises(Refused, match=why):
        reading.read(file)


OWN = ["user::rw-", "group::r--", "other::---"]
ITEMS: dict[str, tuple[list[dict[str, Any]], str]] = {
    "twice": ([item("/etc/a"), item("/etc/a", "folder")], "twice"),
    "below a link": ([item("/etc/a", "link", target="/proc"), item("/etc/a/b")], "lies below"),
    "below a file": ([item("/etc/a"), item("/etc/a/b")], "lies below"),
    "far below a link": ([item("/a", "link", target="/"), item("/a/b/c/d")], "lies below"),
    "in place of our tools": ([item("/opt", "link", target="/srv")], "take the place of"),
    "device": ([item("/etc/a", "device")], "not a list of files"),
    "fifo": ([item("/etc/a", "fifo")], "not a list of files"),
    "a link to nowhere": ([item("/etc/a", "link")], "nowhere"),
    "a file that leads somewhere": ([item("/etc/a", target="/etc/b")], "leads somewhere"),
    "a link with a size": ([item("/etc/a", "link", target="/b", size=3)], "no file has"),
    "a zero byte in a link": ([item("/etc/a", "link", target="a\0b")], "no path"),
    "a long link": ([item("/etc/a", "link", target="é" * 2048)], "no path"),
    "hard link upwards": ([item("/etc/a", "same", target="/etc/../b")], "elsewhere"),
    "hard link to our tools": (
        [item("/etc/a", "same", target="/opt/internbox/boot/hostkey")],
        "not the learner's",
    ),
    "hard link to a folder": (
        [item("/etc/b", "folder"), item("/etc/a", "same", target="/etc/b")],
        "no file",
    ),
    "hard link through a link": (
        [item("/x", "link", target="/opt"), item("/etc/a", "same", target="/x/b")],
        "lies below",
    ),
    "mode": ([item("/etc/a", mode=0o100644)], "no file has"),
    "negative owner": ([item("/etc/a", uid=-1)], "no file has"),
    "large owner": ([item("/etc/a", gid=1 << 32)], "no file has"),
    "negative size": ([item("/etc/a", size=-1), item("/etc/b", size=1)], "no file has"),
    "far future": ([item("/etc/a", mtime=1 << 40)], "no file has"),
    "no access list": ([item("/etc/a", acl=["user:0:rwx"])], "access list"),
    "an access list for nobody": (
        [item("/etc/a", acl=["user:4294967295:r--", *OWN, "mask::r--"])],
        "access list",
    ),
    "a very long access list": (
        [item("/etc/a", acl=[*(f"user:{n}:r--" for n in range(200)), *OWN, "mask::r--"])],
        "access list",
    ),
    "access list of a link": (
        [item("/etc/a", "link", target="b", acl=["user::rwx", "group::r-x", "other::---"])],
        "a link with",
    ),
    "default list of a file": (
        [item("/etc/a", default_acl=["user::rwx", "group::r-x", "other::---"])],
        "folder's access list",
    ),
    "capability": ([item("/etc/a", capability="zz")], "capabilities"),
    "half a capability": ([item("/etc/a", capability="00")], "capabilities"),
    "a capability of a form that is not": (
        [item("/etc/a", capability="01000009" + 32 * "0")],
        "capabilities",
    ),
    "a capability of nobody's root": (
        [item("/etc/a", capability="01000003" + 32 * "0" + "ffffffff")],
        "capabilities",
    ),
    "capability of a folder": (
        [item("/etc/a", "folder", capability="01000002" + 32 * "0")],
        "capabilities",
    ),
    "unknown key": ([item("/etc/a", device=5)], "not a list of files"),
    "a list of text": ([{"path": 5}], "not a list of files"),
    "longer than its content": ([item("/etc/a", size=7)], "not as long as they say"),
    "too many": ([item(f"/etc/{n}") for n in range(6)], "more than 5 paths"),
}


@pytest.mark.parametrize(("items", "why"), ITEMS.values(), ids=ITEMS)
def test_an_entry_that_no_machine_holds_is_refused(
    make: Maker, items: list[dict[str, Any]], why: str
) -> None:
    with pytest.raises(Refused, match=why):
        reading.read(make(items), dataclasses.replace(LIMITS, items=5))


def test_deleted_and_there_is_refused(make: Maker) -> None:
    with pytest.raises(Refused, match="at the same time"):
        reading.read(make([item("/etc/a")], deleted=["/etc/a"]))


def test_deleted_below_a_link_is_refused(make: Maker) -> None:
    with pytest.raises(Refused, match="lies below"):
        reading.read(make([item("/a", "link", target="/opt")], deleted=["/a/b"]))


MANIFESTS: dict[str, tuple[dict[str, Any], str]] = {
    "later form": ({"format": 2, "parts": 5}, "another version"),
    "no form": ({"format": "x"}, "not one"),
    "no parts": ({"parts": {}}, "two parts"),
    "a part of another machine": (
        {"parts": {"hosts/../x.json": {"sha256": "", "size": 0}}},
        "two parts",
    ),
    "a seed of blanks": ({"seed": " "}, "no seed"),
    "a long seed": ({"seed": "x" * 201}, "not one"),
    "a seed that turns the line round": ({"seed": "a\u202eb"}, "no seed"),
    "a seed that drives a terminal": ({"seed": "\x1b[2J"}, "no seed"),
    "a very long name": ({"learner": "x" * 10_000}, "not one"),
    "no anchor": ({"anchor": "yesterday"}, "no moment"),
    "a naive anchor": ({"anchor": "2026-03-04T09:30:00"}, "says that it was started"),
    "an anchor in the future": ({"anchor": "2999-01-01T00:00:00+00:00"}, "says that"),
    "an anchor long ago": ({"anchor": "1999-01-01T00:00:00+00:00"}, "says that"),
    "an absurd anchor": ({"anchor": "0001-01-01T00:00:00+14:00"}, "says that|no moment"),
    "a grade that is none": ({"grade": {"score": "100"}}, "not one"),
}


@pytest.mark.parametrize(("changes", "why"), MANIFESTS.values(), ids=MANIFESTS)
def test_a_manifest_that_is_none_is_refused(make: Maker, changes: dict[str, Any], why: str) -> None:
    with pytest.raises(Refused, match=why):
        reading.read(make(manifest=changes))


@pytest.mark.parametrize("seed", ["Week 3", "école", "school/anna", "x" * 200])
def test_a_seed_that_a_start_takes_is_read(make: Maker, seed: str) -> None:
    assert variants.require_seed(seed) == seed
    assert reading.read(make(manifest={"seed": seed})).manifest.seed == seed


def test_a_part_that_was_changed_is_refused(make: Maker) -> None:
    path = make([item("/etc/a", size=5)], b"hello", parts={"hosts/desk.data": b"HELLO"})

    with pytest.raises(Refused, match="SHA-256 differs"):
        reading.read(path)


@pytest.mark.parametrize("name", ["manifest.json", "hosts/desk.json", "hosts/desk.data"])
def test_a_part_that_is_missing_is_refused(make: Maker, name: str) -> None:
    with pytest.raises(Refused, match=r"no manifest|do not agree"):
        reading.read(make(drop=(name,)))


def test_a_file_that_the_manifest_does_not_know_is_refused(make: Maker) -> None:
    with pytest.raises(Refused, match=r"do not agree: hosts/app\.data"):
        reading.read(make(parts={"hosts/app.data": b""}))


def test_a_list_of_another_machine_is_refused(make: Maker) -> None:
    with pytest.raises(Refused, match="another machine"):
        reading.read(make(index=b'{"host": "app", "items": []}'))


def test_deeply_nested_json_is_refused(make: Maker) -> None:
    with pytest.raises(Refused):
        reading.read(make(index=b"[" * 200_000))


def test_a_bomb_is_refused_by_what_it_says(make: Maker) -> None:
    path = make([item("/etc/a", size=LIMITS.content * 2)], bytes(1 << 20))
    bomb = path.read_bytes()
    at = bomb.rindex(b"PK\x01\x02", 0, bomb.rindex(b"PK\x05\x06"))
    size = LIMITS.content * 4
    path.write_bytes(bomb[: at + 24] + size.to_bytes(4, "little") + bomb[at + 28 :])

    with pytest.raises(Refused, match="unpacks to more"):
        reading.read(path)


def test_a_bomb_that_lies_about_its_size_is_refused(make: Maker) -> None:
    path = make([item("/etc/a", size=100)], bytes(1 << 20))
    bomb = path.read_bytes()
    at = bomb.rindex(b"PK\x01\x02", 0, bomb.rindex(b"PK\x05\x06"))
    path.write_bytes(bomb[: at + 24] + (100).to_bytes(4, "little") + bomb[at + 28 :])

    with pytest.raises(Refused, match=r"damaged|longer than it says|SHA-256 differs"):
        reading.read(path)


def test_what_unpacks_to_far_more_than_it_is_is_refused(make: Maker) -> None:
    path = make([item("/etc/a", size=1 << 20)], bytes(1 << 20))

    with pytest.raises(Refused, match="times its size"):
        reading.read(path, dataclasses.replace(LIMITS, ratio=50, small=0))


def test_a_large_archive_is_refused_unread(make: Maker) -> None:
    with pytest.raises(Refused, match="larger than"):
        reading.read(make(), dataclasses.replace(LIMITS, archive=100))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "no zip"),
        (b"hello", "no zip"),
        (b"PK\x05\x06", "only the beginning"),
        (b"PK\x05\x06" + bytes(18), "no manifest"),
        (b"\x1f\x8b" + bytes(100), "no zip"),
    ],
)
def test_what_is_no_zip_is_refused(tmp_path: Path, data: bytes, why: str) -> None:
    path = tmp_path / "x.ibz"
    path.write_bytes(data)

    with pytest.raises(Refused, match=why):
        reading.read(path)


def test_half_of_one_is_refused(make: Maker) -> None:
    path = make([item("/etc/a", size=5)], b"hello")
    path.write_bytes(path.read_bytes()[:-30])

    with pytest.raises(Refused):
        reading.read(path)


def test_setuid_files_are_named_unless_they_are_usual(make: Maker) -> None:
    items = [
        item("/usr/bin/sudo", mode=0o4755),
        item("/srv/shell", mode=0o4755),
        item("/srv/group", mode=0o2755),
        item("/srv/shared", "folder", mode=0o2775),
    ]
    index = reading.read(make(items)).hosts["desk"]

    assert reading.setuid(index, {"/usr/bin/sudo"}) == ["/srv/shell", "/srv/group"]


def test_the_same_work_has_the_same_fingerprint_whoever_says_it_is_theirs(make: Maker) -> None:
    one = reading.read(make(content=b"x", manifest={"learner": "a"}, name="a.ibz"))
    two = reading.read(make(content=b"x", manifest={"learner": "b"}, name="b.ibz"))
    other = reading.read(make(content=b"y", manifest={"learner": "b"}, name="c.ibz"))

    assert one.fingerprint == two.fingerprint != other.fingerprint
    assert one.sha256 != two.sha256


@pytest.mark.parametrize("spoil", ["encrypted", "method", "name", "symlink"])
def test_a_zip_of_a_kind_that_is_not_ours_is_refused(
    tmp_path: Path, make: Maker, spoil: str
) -> None:
    path = make()
    whole = bytearray(path.read_bytes())
    at = whole.rindex(b"PK\x01\x02")
    if spoil == "encrypted":
        whole[at + 8] |= 1
    elif spoil == "method":
        whole[at + 10] = 12
    elif spoil == "name":
        name = whole.index(b"hosts/desk.data", at)
        whole[name : name + 6] = b"../../"
    else:
        whole[at + 38 : at + 42] = (0o120777 << 16).to_bytes(4, "little")
    path.write_bytes(bytes(whole))

    with pytest.raises(Refused, match=r"encrypted|packed in a way|leads out|neither"):
        reading.read(path)


def test_two_members_of_one_name_are_refused(make: Maker) -> None:
    path = make()
    with zipfile.ZipFile(path, "a") as packed, pytest.warns(UserWarning, match="Duplicate"):
        packed.writestr("manifest.json", b"{}")

    with pytest.raises(Refused, match="same name"):
        reading.read(path)
