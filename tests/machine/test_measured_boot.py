"""The measured boot, and the images that machines are made of."""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.grading import sealed, tamper

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


def report(machine: Machine) -> sealed.Report:
    told = machine.run(f"cat {TOOLS}/boot/report") + "\n"
    return sealed.opened(told.encode(), machine.lab.seal)


def now(machine: Machine) -> float:
    return float(machine.run("date +%s.%N"))


@pytest.fixture(scope="module")
def manifest(lab: Lab, engine: Any) -> str:
    output: bytes = engine.containers.run(
        lab.machine_image,
        ["manifest"],
        entrypoint=f"{TOOLS}/machine",
        volumes={lab.volume.name: {"bind": TOOLS, "mode": "ro"}},
        labels=LABEL,
        remove=True,
    )
    return output.decode()


def test_the_report_of_a_boot_is_sealed_and_dated(machine: Machine) -> None:
    before = now(machine)
    first = report(machine)
    machine.reboot()
    second = report(machine)

    assert first.booted < before < second.booted < now(machine)
    told = machine.run(f"cat {TOOLS}/boot/report").replace("\t/usr/bin\n", "\t/usr/bim\n") + "\n"
    with pytest.raises(sealed.NotGenuine):
        sealed.opened(told.encode(), machine.lab.seal)


def test_an_untouched_machine_tells_only_its_places(pair: tuple[Machine, Machine]) -> None:
    told = list(tamper.entries(report(pair[0]).listing))

    assert {"/bin", "/usr/bin", "/usr/lib", "/usr/local", "/etc/ld.so.conf"} <= {
        entry.path for entry in told
    }
    assert len(told) <= 14
    assert all(entry.content in ("", "-") for entry in told)


def test_the_measured_boot_finds_a_forged_tool(machine: Machine) -> None:
    since = now(machine)
    machine.run(FORGE)
    assert machine.run("stat -c %s.%Y /usr/bin/dig") == machine.run("stat -c %s.%Y /root/dig")
    machine.reboot()
    listed = {
        line[6]: line
        for line in (line.split("\t") for line in report(machine).listing.splitlines())
    }
    found = {path: line[1:6] for path, line in listed.items() if float(line[0]) > since}
    digest = machine.run("sha256sum /usr/bin/dig").split()[0]
    size = machine.run("stat -c %s /usr/bin/dig")
    assert found["/usr/bin/dig"] == ["f", "755", "0:0", size, digest]
    assert found["/usr/local/bin/a\\nb"][0] == "l"
    assert found["/usr/local/bin/a\\nb"][4] == "/root/dig"
    assert found["/usr/local/bin"][0] == "d"
    folders = {"/usr/bin", "/usr/local", "/usr/local/bin"}  # overlayfs renews those above, too
    assert set(found) == folders | {"/usr/bin/dig", "/usr/local/bin/a\\nb"}
    there = {f"/usr/bin/{name}" for name in machine.run("ls /usr/bin").split()}
    assert there == {path for path in listed if path.startswith("/usr/bin/")}
    assert {listed[path][5] for path in there if path not in found} == {"-"}


def test_what_was_done_to_tools_is_judged_from_the_boot_alone(
    machine: Machine, manifest: str
) -> None:
    baseline, since = report(machine).listing, now(machine)
    machine.run(
        "cp -p /usr/bin/tail /srv; echo > /usr/bin/tail; cp -p /srv/tail /usr/bin\n"
        "echo > /usr/bin/dig; rm /usr/bin/jq; rm -r /usr/lib/file\n"
        "cp -a /usr/lib/tmpfiles.d /srv; rm -r /usr/lib/tmpfiles.d; cp -a /srv/tmpfiles.d /usr/lib"
    )
    machine.reboot()

    found = tamper.tampered(
        listings=[report(machine).listing], manifest=manifest, baseline=baseline, since=since
    )

    assert [path for path in found if not path.startswith("/usr/lib/file/")] == [
        "/usr/bin/dig",
        "/usr/bin/jq",
    ]
    assert "/usr/lib/file/magic.mgc" in found


def test_a_loader_cache_that_leads_astray_is_found(machine: Machine, manifest: str) -> None:
    since = now(machine)
    machine.run(
        "mkdir /srv/lib; cd /srv/lib; sed 's/libz.so.1/libown.so/g' /lib/*/libz.so.1 > libx.so"
    )

    def found(then: str = "true") -> list[str]:
        config = "/etc/ld.so.conf.d/x.conf"
        told = machine.run(
            f"echo /srv/lib > {config}; ldconfig; rm {config}\n{then}\n"
            f"{TOOLS}/machine measure {since}"
        )
        return tamper.tampered(
            listings=[told], manifest=manifest, baseline=report(machine).listing, since=since
        )

    assert found() == []
    assert "/srv/lib/libown.so" in machine.run("ldconfig -p")
    assert found("printf x > /etc/ld.so.cache") == ["/etc/ld.so.cache"]
    machine.run("cp -L /lib/*/libz.so.1 /srv/lib/libz.so.1")
    assert found() == ["/etc/ld.so.cache"]
    assert found("rm -r /srv/lib; ldconfig") == []


def test_measure_tells_what_changed_since_an_instant(pair: tuple[Machine, Machine]) -> None:
    since = pair[0].run("touch /root/x; stat -c %.9Z /root/x")

    def changed(command: str) -> list[str]:
        told = tamper.entries(pair[0].run(f"{TOOLS}/machine measure {since}; {command}"))
        return [entry.path for entry in told if entry.ctime > float(since)]

    assert changed("touch /usr/local/lib/new") == []
    assert changed("rm /usr/local/lib/new") == [
        "/usr/local",
        "/usr/local/lib",
        "/usr/local/lib/new",
    ]


def test_measuring_an_unchanged_machine_is_quick(pair: tuple[Machine, Machine]) -> None:
    timing = pair[1].run(f"time {TOOLS}/machine measure 9999999999")
    user, system = map(float, re.findall(r"^(?:user|sys)\s+0m([\d.]+)s$", timing, re.MULTILINE))
    assert user + system < 0.25  # of the processor; some 15 ms where nothing else runs


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


def test_the_manifest_of_an_image_needs_no_machine(manifest: str) -> None:
    paths = {line.split("\t")[6]: line.split("\t") for line in manifest.splitlines()}
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
