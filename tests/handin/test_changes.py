"""What of a machine is packed, and how it comes back."""

from __future__ import annotations

import dataclasses
import io
import tarfile
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sandbox.errors import Refused, UsageError
from sandbox.handin import changes, laying, listing, reading
from sandbox.handin.acl import Acls, encode, is_valid, parse
from sandbox.handin.changes import Packer, Told
from sandbox.handin.shapes import LIMITS, HostIndex
from sandbox.models import Volume
from tests.handin.conftest import TarRuntime, item

TYPES = {
    "file": tarfile.REGTYPE,
    "folder": tarfile.DIRTYPE,
    "link": tarfile.SYMTYPE,
    "same": tarfile.LNKTYPE,
    "fifo": tarfile.FIFOTYPE,
    "device": tarfile.CHRTYPE,
}

IMAGE: dict[str, Any] = {
    "etc": ("folder", ""),
    "etc/hosts": ("file", "localhost"),
    "etc/old": ("folder", ""),
    "etc/old/a": ("file", "a"),
    "etc/old/b": ("file", "b"),
    "bin": ("link", "usr/bin"),
}


def tar(members: dict[str, Any]) -> bytes:
    """`{name: (kind, content or target, {attributes})}` as a tar."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w", format=tarfile.PAX_FORMAT) as made:
        for name, (kind, text, *more) in members.items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode, entry.mtime = TYPES[kind], 0o755, 5
            for key, value in (more[0] if more else {}).items():
                setattr(entry, key, value)
            data = text.encode() if kind == "file" else b""
            entry.linkname = text if kind in ("link", "same") else ""
            entry.size = len(data)
            made.addfile(entry, io.BytesIO(data))
    return held.getvalue()


@dataclasses.dataclass
class Packed:
    index: HostIndex
    content: bytes
    image: listing.Listing

    def paths(self) -> list[str]:
        return [item.path for item in self.index.items]

    def laid(self) -> dict[str, tarfile.TarInfo]:
        """As the engine is given it."""
        file = io.BytesIO()
        laying.write(self.index, iter([self.content[:3], self.content[3:]]), self.image, file)
        file.seek(0)
        with tarfile.open(fileobj=file) as made:
            self.texts = {
                one.name: made.extractfile(one).read()  # type: ignore[union-attr]
                for one in made
                if one.isreg()
            }
            return {one.name: one for one in made}


def pack(
    tmp_path: Path,
    machine: dict[str, Any],
    *,
    told: Told = Told(),  # noqa: B008 - frozen
    volumes: dict[str, Any] | None = None,
    **more: Any,
) -> Packed:
    folders = {path: tar(members) for path, members in (volumes or {}).items()}
    runtime: Any = TarRuntime(tar(machine), tar(IMAGE), folders)
    image = listing.of_image(runtime, "base:1", tmp_path / "listings")
    data = io.BytesIO()
    packer = Packer("desk", image, told, list(folders), data, **more)
    index = packer.pack(runtime, "c")
    reading.check_index(index, len(data.getvalue()))
    return Packed(index, data.getvalue(), image)


def test_what_is_as_in_the_image_is_not_packed(tmp_path: Path) -> None:
    packed = pack(tmp_path, IMAGE)

    assert packed.index == HostIndex(host="desk", items=[], deleted=[], left_out=[])
    assert packed.laid() == {}


def test_contents_owners_modes_times_and_links_are_packed(tmp_path: Path) -> None:
    machine = {
        **IMAGE,
        "etc/hosts": ("file", "changed!", {"uid": 7, "gid": 8, "mode": 0o600, "mtime": 99}),
        "srv": ("folder", "", {"mode": 0o2775}),
        "srv/x": ("link", "/proc/1"),
        "srv/y": ("same", "etc/hosts"),
    }
    packed = pack(tmp_path, machine)

    laid = packed.laid()

    assert list(laid) == ["etc/hosts", "srv", "srv/x", "srv/y"]
    hosts = laid["etc/hosts"]
    assert (hosts.uid, hosts.gid, hosts.mode, hosts.mtime) == (7, 8, 0o600, 99)
    assert packed.texts == {"etc/hosts": b"changed!"}
    assert laid["srv"].mode == 0o2775
    assert laid["srv/x"].linkname == "/proc/1"
    assert (laid["srv/y"].type, laid["srv/y"].linkname) == (tarfile.LNKTYPE, "etc/hosts")


def test_every_file_gets_its_own_content_whatever_the_order(tmp_path: Path) -> None:
    names = ["srv/a/x", "srv/a-b", "srv/A", "etc/hosts", "srv/a.c"]
    machine = {**IMAGE, **{name: ("file", name * 3) for name in names}}
    inner = {"depot": ("folder", ""), "depot/b": ("file", "bb"), "depot/a": ("file", "a")}
    packed = pack(tmp_path, machine, volumes={"/opt/depot": inner})
    packed.laid()

    expected = {name: (name * 3).encode() for name in names}
    assert packed.texts == expected | {"opt/depot/b": b"bb", "opt/depot/a": b"a"}


def test_what_is_gone_is_named_the_inner_first(tmp_path: Path) -> None:
    machine = {name: one for name, one in IMAGE.items() if not name.startswith("etc/old")}
    packed = pack(tmp_path, machine)

    assert packed.index.deleted == ["/etc/old/b", "/etc/old/a", "/etc/old"]
    laid = packed.laid()
    assert list(laid) == [".internbox", ".internbox/offline", ".internbox/gone"]
    assert packed.texts[".internbox/gone"] == b"/etc/old/b\0/etc/old/a\0/etc/old\0"


def test_a_folder_that_is_now_a_link_takes_what_was_below_along(tmp_path: Path) -> None:
    machine = {name: one for name, one in IMAGE.items() if not name.startswith("etc/old")}
    packed = pack(tmp_path, {**machine, "etc/old": ("link", "/srv/old")})

    assert packed.index.deleted == []


def test_a_folder_made_anew_loses_just_what_it_no_longer_has(tmp_path: Path) -> None:
    machine = {**IMAGE, "etc/old": ("folder", "", {"mtime": 9})}
    del machine["etc/old/b"]

    assert pack(tmp_path, machine).index.deleted == ["/etc/old/b"]


def test_only_what_the_image_has_is_deleted_here(tmp_path: Path) -> None:
    machine = {name: one for name, one in IMAGE.items() if name != "etc/old/a"}
    packed = pack(tmp_path, machine)
    del packed.image["/etc/old/a"]

    assert packed.laid() == {}


def test_what_was_touched_is_packed_though_it_looks_the_same(tmp_path: Path) -> None:
    packed = pack(tmp_path, IMAGE, told=Told(frozenset(["/etc/hosts"])))

    assert packed.paths() == ["/etc/hosts"]


def test_access_lists_and_capabilities_travel(tmp_path: Path) -> None:
    lines = ["user::rw-", "user:1000:r--", "group::r--", "mask::r--", "other::---"]
    told = Told(
        frozenset(["/etc", "/etc/hosts"]), {"/etc/hosts": Acls(lines), "/etc": Acls([], lines)}
    )
    capability = b"\x01\x00\x00\x02\x00\x04" + bytes(14)
    text = capability.decode("utf-8", "surrogateescape")
    machine = {**IMAGE, "etc/app": ("file", "x", {"pax_headers": {changes.CAPABILITY: text}})}
    packed = pack(tmp_path, machine, told=told)

    laid = packed.laid()

    def attribute(name: str, key: str) -> bytes:
        value = laid[name].pax_headers[f"SCHILY.xattr.{key}"]
        return value.encode("utf-8", "surrogateescape")

    assert attribute("etc/hosts", "system.posix_acl_access") == encode(lines)
    assert attribute("etc", "system.posix_acl_default") == encode(lines)
    assert attribute("etc/app", "security.capability") == capability


def test_volumes_are_packed_whole(tmp_path: Path) -> None:
    machine = {**IMAGE, "srv": ("folder", ""), "srv/depot": ("folder", "")}
    inner = {"depot": ("folder", "", {"uid": 3}), "depot/a": ("file", "abc")}
    packed = pack(tmp_path, machine, volumes={"/srv/depot": inner})

    laid = packed.laid()

    assert packed.paths() == ["/srv", "/srv/depot", "/srv/depot/a"]
    assert laid["srv/depot"].uid == 3


@pytest.mark.parametrize(
    "name",
    [
        "opt/internbox/machine",
        "tmp/x",
        "run/x",
        "dev/x",
        "var/cache/apt/pkgcache.bin",
        "var/lib/apt/lists/x",
        "home/intern/.cache/pip/x",
        "home/intern/.vscode-server/bin/x",
        "home/intern/.cursor-server/x",
        "home/intern/.zed_server/zed-remote-server",
        "home/intern/.local/share/zed/server_state/x",
        "root/.npm/_cacache/x",
        "var/tmp/systemd-private-ab12-x.service-q/tmp",
    ],
)
def test_caches_and_editors_servers_stay(tmp_path: Path, name: str) -> None:
    assert pack(tmp_path, {**IMAGE, name: ("file", "x")}).paths() == []


@pytest.mark.parametrize(
    "name",
    [
        "home/intern/.cached",
        "var/log/journal/1/system.journal",
        "opt/internboxes",
        "home/intern/.bashrc",
    ],
)
def test_all_else_is_packed(tmp_path: Path, name: str) -> None:
    assert pack(tmp_path, {**IMAGE, name: ("file", "x")}).paths() == [f"/{name}"]


def test_what_cannot_be_handed_in_is_named(tmp_path: Path) -> None:
    odd = {"etc/pipe": ("fifo", ""), "etc/\udcff": ("file", "x")}
    packed = pack(tmp_path, {**IMAGE, **odd})

    assert packed.paths() == []
    assert packed.index.left_out == [
        "/etc/?: its name is not UTF-8",
        "/etc/pipe: a device or a pipe",
    ]


def test_too_much_is_an_error_that_names_the_biggest(tmp_path: Path) -> None:
    machine = {**IMAGE, "srv/small": ("file", "x"), "srv/huge": ("file", "x" * 5000)}

    with pytest.raises(UsageError, match=r"the biggest: /srv/huge .*, /srv/small"):
        pack(tmp_path, machine, limits=dataclasses.replace(LIMITS, content=1000))


def test_an_image_is_listed_once(tmp_path: Path) -> None:
    runtime: Any = TarRuntime(b"", tar(IMAGE))

    first = listing.of_image(runtime, "base:1", tmp_path)

    assert listing.of_image(runtime, "base:1", tmp_path) == first
    assert runtime.asked == 1


def test_a_hard_link_to_what_is_not_there_is_refused(tmp_path: Path) -> None:
    packed = pack(tmp_path, {**IMAGE, "etc/twin": ("same", "etc/hosts")})
    laying.check_against_image(packed.index, packed.image, [])

    with pytest.raises(Refused, match="not there"):
        laying.check_against_image(packed.index, {}, [])


def test_a_volume_that_is_a_link_is_refused(tmp_path: Path) -> None:
    packed = pack(tmp_path, {**IMAGE, "srv": ("link", "/etc")})

    with pytest.raises(Refused, match="disk of its own"):
        laying.check_against_image(packed.index, packed.image, [Volume(path="/srv", size="1m")])


DISK = Volume(path="/srv/disk", size="16k", inodes=3)
NOT_HERE = {
    "below a file": ([item("/etc/hosts/x")], "lies below /etc/hosts, which is a file here"),
    "far below a file": ([item("/etc/hosts/x/y", "folder")], "lies below /etc/hosts"),
    "below a link": ([item("/bin/x", "link", target="y")], "lies below /bin, which is a link here"),
    "a disk below a file": ([item("/srv")], "/srv/disk is a disk of its own, and /srv is no file"),
    "more than a disk holds": ([item("/srv/disk/x", size=16385)], "more than fits"),
    "more files than a disk holds": ([item(f"/srv/disk/{n}") for n in range(4)], "more than fits"),
    "a hard link to another disk": (
        [item("/srv/disk/a", "same", target="/etc/hosts")],
        "a file of another disk",
    ),
}


@pytest.mark.parametrize(("items", "why"), NOT_HERE.values(), ids=NOT_HERE)
def test_what_the_engine_could_not_lay_is_refused(
    tmp_path: Path, items: list[dict[str, Any]], why: str
) -> None:
    runtime: Any = TarRuntime(b"", tar(IMAGE))
    image = listing.of_image(runtime, "base:1", tmp_path)
    index = msgspec.convert({"host": "desk", "items": items}, HostIndex)
    reading.check_index(index, sum(one.size for one in index.items))

    with pytest.raises(Refused, match=why):
        laying.check_against_image(index, image, [DISK])


def test_what_a_disk_holds_and_what_took_the_place_of_a_file_can_be_laid(tmp_path: Path) -> None:
    full = [item("/srv/disk/a", size=8192), item("/srv/disk/b", size=8192)]
    changed = [item("/etc/hosts", "folder"), item("/etc/hosts/x")]
    index = msgspec.convert({"host": "desk", "items": [*full, *changed]}, HostIndex)
    runtime: Any = TarRuntime(b"", tar(IMAGE))

    laying.check_against_image(index, listing.of_image(runtime, "base:1", tmp_path), [DISK])


GETFACL = """\
# file: /srv/with\\040blank
# owner: 0
# group: 0
# flags: -s-
user::rwx
user:1000:r-x
group::r-x
mask::r-x
other::---
default:user::rwx
default:group::r-x
default:other::---

# file: /srv/none
"""


def test_what_getfacl_prints_is_read() -> None:
    found = parse(GETFACL)

    assert list(found) == ["/srv/with blank"]
    assert found["/srv/with blank"].access[1] == "user:1000:r-x"
    assert is_valid(found["/srv/with blank"].access)
    assert is_valid(found["/srv/with blank"].default)


def test_an_access_list_is_encoded_as_the_kernel_has_it() -> None:
    lines = ["other::---", "user:1000:r-x", "user::rwx", "mask::r-x", "group::r-x"]

    assert encode(lines).hex() == (
        "0200000001000700ffffffff02000500e803000004000500ffffffff10000500ffffffff20000000ffffffff"
    )
