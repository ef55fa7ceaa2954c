"""The measured boot, and the images that machines are made of."""

from __future__ import annotations

import hashlib
import io
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.machine.conftest import Lab, Machine

pytestmark = pytest.mark.engine

TOOLS = "/opt/internbox"
LABEL = {"internbox.test": "machine-image"}

FORGE = """
cp -p /usr/bin/dig /root/dig; rest=$(($(stat -c %s /root/dig) - 23))
{ printf '#!/bin/sh\\necho forged\\n#'; head -c $rest /dev/zero | tr '\\0' x; } > /usr/bin/dig
touch -r /root/dig /usr/bin/dig; ln -s /root/dig '/usr/local/bin/a
b'
"""


def test_the_measured_boot_finds_a_forged_tool(machine: Machine) -> None:
    assert machine.run(f"cat {TOOLS}/boot/report") == ""
    machine.run(FORGE)
    assert machine.run("stat -c %s.%Y /usr/bin/dig") == machine.run("stat -c %s.%Y /root/dig")
    machine.reboot()
    lines = [line.split("\t") for line in machine.run(f"cat {TOOLS}/boot/report").splitlines()]
    found = {line[6]: line[1:6] for line in lines}
    digest = machine.run("sha256sum /usr/bin/dig").split()[0]
    size = machine.run("stat -c %s /usr/bin/dig")
    assert found["/usr/bin/dig"] == ["f", "755", "0:0", size, digest]
    assert found["/usr/local/bin/a\\nb"][0] == "l"
    assert found["/usr/local/bin/a\\nb"][4] == "/root/dig"
    assert found["/usr/local/bin"][0] == "d"
    folders = {"/usr/bin", "/usr/local", "/usr/local/bin"}  # overlayfs renews those above, too
    assert set(found) == folders | {"/usr/bin/dig", "/usr/local/bin/a\\nb"}


def test_a_loader_cache_that_leads_astray_is_found(machine: Machine) -> None:
    machine.run("ldconfig; mkdir /srv/lib; cp -L /lib/*/libz.so.1 /srv/lib/")
    changed = f"{TOOLS}/machine measure 0 | cut -f7 | grep -c ^/etc/ld.so.cache"
    assert machine.run(changed) == "0"
    machine.run("echo /srv/lib > /etc/ld.so.conf.d/x.conf; ldconfig; rm /etc/ld.so.conf.d/x.conf")
    assert "/srv/lib/libz.so.1" in machine.run("ldconfig -p")
    assert machine.run(changed) == "1"


def test_measure_tells_what_changed_since_an_instant(pair: tuple[Machine, Machine]) -> None:
    now = pair[0].run("touch /root/x; stat -c %.9Z /root/x")
    assert pair[0].run(f"{TOOLS}/machine measure {now}") == ""
    pair[0].run("touch /usr/local/lib/new")
    changed = pair[0].run(f"{TOOLS}/machine measure {now}; rm /usr/local/lib/new")
    paths = [line.split("\t")[6] for line in changed.splitlines()]
    assert paths == ["/usr/local", "/usr/local/lib", "/usr/local/lib/new"]


def test_measuring_an_unchanged_machine_is_quick(pair: tuple[Machine, Machine]) -> None:
    timing = pair[1].run(f"time {TOOLS}/machine measure 9999999999")
    seconds = float(timing.split("real")[1].split("m")[1].split("s")[0])
    assert seconds < 0.25  # some 15 ms where nothing else runs


def test_the_digests_are_those_of_sha256sum(pair: tuple[Machine, Machine]) -> None:
    sizes = "$(seq 0 130) 65535 65536 65537 131072 1000000"
    pair[1].run(
        f"mkdir /usr/local/h; for n in {sizes}; do head -c $n /usr/bin/bash > /usr/local/h/$n; done"
    )
    ours = pair[1].run(
        f"{TOOLS}/machine measure 0 | awk -F'\\t' '$7 ~ \"local/h/\" {{print $6, $7}}' | sort"
    )
    theirs = pair[1].run("sha256sum /usr/local/h/* | tr -s ' ' | sort; rm -r /usr/local/h")
    assert len(ours.splitlines()) == 136
    assert ours == theirs


def test_the_manifest_of_an_image_needs_no_machine(lab: Lab, engine: Any) -> None:
    output = engine.containers.run(
        lab.machine_image,
        ["manifest"],
        entrypoint=f"{TOOLS}/machine",
        volumes={lab.volume.name: {"bind": TOOLS, "mode": "ro"}},
        labels=LABEL,
        remove=True,
    )
    paths = {line.split("\t")[6]: line.split("\t") for line in output.decode().splitlines()}
    assert paths["/bin"][5] == "usr/bin"
    assert len(paths["/usr/bin/dig"][5]) == 64
    assert "/etc/ld.so.conf" in paths
    assert paths["/usr/lib"][1] == "d"


def digests(engine: Any, image: Any) -> dict[str, tuple[int, str]]:
    container = engine.containers.create(image.id, labels=LABEL)
    try:
        packed = b"".join(container.get_archive(TOOLS)[0])
    finally:
        container.remove()
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        return {
            member.name: (member.mode, hashlib.sha256(part.read()).hexdigest() if part else "")
            for member in tar
            for part in [tar.extractfile(member) if member.isfile() else None]
        }


@pytest.mark.slow
def test_two_builds_of_the_tools_are_the_same_bytes(engine: Any, lab: Lab) -> None:
    again = lab.build("machine", "internbox/test-again", nocache=True, labels=LABEL)
    try:
        first = digests(engine, engine.images.get(lab.tools_image))
        assert set(first) == {
            f"internbox{end}" for end in ("", "/boot", "/machine", "/dropbear", "/sh")
        }
        assert digests(engine, again) == first
    finally:
        engine.images.remove(again.id, force=True)


def test_the_image_is_small_enough_for_a_laptop(engine: Any, lab: Lab) -> None:
    assert engine.images.get(lab.machine_image).attrs["Size"] <= 300e6
