"""Machines on the real engine: made, joined, rebooted, found again and removed."""

from __future__ import annotations

import io
import select
import socket
import tarfile
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sandbox import labels, ssh
from sandbox.errors import EngineError
from sandbox.grading import sealed
from sandbox.paths import Home
from sandbox.runtime import network, placement
from sandbox.runtime.base import Placement, Runtime, VolumeSpec
from sandbox.runtime.docker import DockerRuntime
from sandbox.runtime.placement import placed, ports_of, taken

pytestmark = pytest.mark.engine

BOOT_SECONDS = 30.0
BOOT = "/opt/internbox/boot"


def boot_id(link: ssh.Connection) -> str:
    return link.run(f"cat {BOOT}/boot_id").stdout.strip()


def eventually(truth: Callable[[], bool], seconds: float = 15.0) -> bool:
    end = time.monotonic() + seconds
    while not truth():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def test_it_is_a_runtime(runtime: DockerRuntime) -> None:
    promised: Runtime = runtime

    assert promised.info().clock == pytest.approx(time.time(), abs=5)


def test_two_machines_meet_on_their_wire_and_nothing_else(lab: Any) -> None:
    web, desk = lab.spec("web", "10.9.0.1/24"), lab.spec("desk", "10.9.0.2/24", hidden=True)
    placement = lab.up(web, desk)

    with lab.connect("desk", placement) as link:
        reached = eventually(lambda: link.run("ping -c1 -W1 10.9.0.1").rc == 0)
        full = link.run("ping -c1 -W2 -M do -s 1472 10.9.0.1")
        routes = link.run("ip route").stdout
        outside = link.run(f"ping -c1 -W1 {network.ensure(lab.runtime.engine)[1]}")

    assert reached
    assert full.rc == 0, full.stdout
    assert "default" not in routes
    assert outside.rc != 0


def test_files_are_there_at_the_first_boot(lab: Any) -> None:
    placement = lab.up(lab.spec("web", "10.9.0.1/24"))

    with lab.connect("web", placement) as link:
        assert eventually(lambda: "10.9.0.1/24" in link.run("ip -br address").stdout)


def test_a_folder_in_the_archive_does_not_replace_a_link(lab: Any) -> None:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as tar:
        folder = tarfile.TarInfo("lib")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
    spec = replace(lab.spec("web"), archive=held.getvalue())

    with pytest.raises(EngineError, match="laying the files of web"):
        lab.runtime.create(spec, lab.placed(spec))


def test_a_restart_is_a_new_boot_that_keeps_files_and_volumes(lab: Any) -> None:
    volume = VolumeSpec("/srv/small", "8m", 0)
    placement = lab.up(lab.spec("web", volumes=(volume,)))
    endpoint = lab.endpoint("web", placement)
    with lab.connect("web", placement) as link:
        before = boot_id(link)
        link.run("echo disk > /srv/small/f; echo layer > /root/f; echo memory > /tmp/f")

    lab.runtime.restart(lab.containers["web"])
    with ssh.wait_boot(endpoint, previous=before, deadline=BOOT_SECONDS) as link:
        after = boot_id(link)
        kept = link.run("cat /srv/small/f /root/f; ls /tmp/f").stdout

    assert after != before
    assert kept == "disk\nlayer\n"


def test_a_volume_is_as_small_as_asked(lab: Any) -> None:
    volume = VolumeSpec("/srv/small", "1m", 20)
    placement = lab.up(lab.spec("web", volumes=(volume,)))

    with lab.connect("web", placement) as link:
        full = link.run("head -c 2000000 /dev/zero > /srv/small/f")
        files = link.run("for i in $(seq 40); do echo > /srv/small/n$i; done")

    assert "No space left" in full.stderr
    assert "No space left" in files.stderr


# A shell that may not fork waits, again and again.
CROWD = 'for (1..100) { $child = fork // last; $child or sleep 2, exit } print "$!\\n"'


def test_processes_are_limited(lab: Any) -> None:
    placement = lab.up(lab.spec("web", pids=60))

    with lab.connect("web", placement) as link:
        crowd = link.run(f"perl -e '{CROWD}'", timeout=20)

    assert "Resource temporarily unavailable" in crowd.stdout


def test_tmp_is_limited(lab: Any) -> None:
    placement = lab.up(lab.spec("web"))

    with lab.connect("web", placement) as link:
        full = link.run("head -c 150000000 /dev/zero > /tmp/f")
        script = link.run("echo 'echo ran' > /tmp/f; chmod +x /tmp/f; /tmp/f")

    assert "No space left" in full.stderr
    assert script.stdout == "ran\n"


def test_a_stopped_machine_starts_again_with_its_files(lab: Any) -> None:
    placement = lab.up(lab.spec("web"))
    with lab.connect("web", placement) as link:
        link.run("echo kept > /root/f")

    lab.runtime.stop(lab.containers["web"])
    (stopped,) = lab.runtime.machines(lab.attempt)
    lab.runtime.start(lab.containers["web"])

    assert stopped.state == "exited"
    with lab.connect("web", placement) as link:
        assert link.run("cat /root/f").stdout == "kept\n"


def test_who_started_a_machine_last_is_known(lab: Any) -> None:
    placement = lab.up(lab.spec("web"))
    machine, endpoint = lab.containers["web"], lab.endpoint("web", placement)
    first = lab.runtime.starts(lab.attempt)[machine]
    with lab.connect("web", placement) as link:
        before = boot_id(link)
        eventually(lambda: link.run("systemctl is-active dbus").rc == 0)
        link.run("systemctl reboot --no-block")
    ssh.wait_boot(endpoint, previous=before, deadline=BOOT_SECONDS).close()
    by_itself = lab.runtime.starts(lab.attempt)[machine]
    lab.runtime.restart(machine)
    by_the_engine = lab.runtime.starts(lab.attempt)[machine]

    assert by_itself == ""
    assert by_the_engine not in ("", first)


def test_the_end_of_the_last_boot_lies_between_the_boots(lab: Any) -> None:
    """Both clocks are the kernel's, so that not even a moment must be allowed for."""
    spec = lab.spec("web")
    placement = lab.up(spec)
    machine, endpoint = lab.containers["web"], lab.endpoint("web", placement)

    def booted(link: ssh.Connection) -> float:
        return sealed.opened(link.read(f"{BOOT}/report"), spec.seal).booted

    assert lab.runtime.ended(machine) < 0, "it never went down"
    with lab.connect("web", placement) as link:
        first, before = booted(link), boot_id(link)
    lab.runtime.restart(machine)
    by_the_engine = lab.runtime.ended(machine)
    with ssh.wait_boot(endpoint, previous=before, deadline=BOOT_SECONDS) as link:
        second, before = booted(link), boot_id(link)
        eventually(lambda: link.run("systemctl is-active dbus").rc == 0)
        link.run("systemctl reboot --no-block")
    with ssh.wait_boot(endpoint, previous=before, deadline=BOOT_SECONDS) as link:
        third = booted(link)
    by_itself = lab.runtime.ended(machine)

    assert first < by_the_engine < second < by_itself < third


def test_machines_are_found_by_label(lab: Any) -> None:
    lab.up(lab.spec("web"), lab.spec("desk", hidden=True, role="fresh"))

    found = {row.host: row for row in lab.runtime.machines(lab.attempt, memory=True)}

    assert set(found) == {"web", "desk"}
    assert (found["web"].role, found["web"].hidden) == ("machine", False)
    assert (found["desk"].role, found["desk"].hidden) == ("fresh", True)
    assert found["web"].state == "running"
    assert 1 < found["web"].memory_mib < 256
    assert found["web"].created == pytest.approx(time.time(), abs=60)


def test_removal_can_be_narrowed_to_a_role(lab: Any) -> None:
    lab.up(lab.spec("web"), lab.spec("again", hidden=True, role="fresh"))

    lab.runtime.remove(lab.attempt, role="fresh")

    assert [row.host for row in lab.runtime.machines(lab.attempt)] == ["web"]


def test_what_no_living_attempt_owns_is_left_over(lab: Any) -> None:
    lab.up(lab.spec("web", volumes=(VolumeSpec("/srv/small", "1m", 0),)), lab.spec("db"))

    living = [row for row in lab.runtime.leftovers([lab.attempt]) if row.attempt == lab.attempt]
    dead = [row for row in lab.runtime.leftovers([]) if row.attempt == lab.attempt]
    gone = lab.runtime.discard(dead)

    assert living == []
    assert sorted(row.kind for row in dead) == ["container"] * 4 + ["volume"]
    assert sorted(gone, key=str) == sorted(dead, key=str)
    assert [row for row in lab.runtime.leftovers([]) if row.attempt == lab.attempt] == []


def test_another_state_folder_sees_and_removes_nothing_of_it(lab: Any, tmp_path: Path) -> None:
    lab.up(lab.spec("web"))
    other = DockerRuntime(Home(tmp_path / "other", tmp_path / "cache"))

    seen = other.machines(), other.leftovers([]), other.remove(lab.attempt)

    assert seen == ([], [], [])
    assert len(lab.runtime.machines(lab.attempt)) == 1


def test_two_users_of_one_engine_get_different_places(lab: Any, tmp_path: Path) -> None:
    placement = lab.up(lab.spec("web"))
    other = DockerRuntime(Home(tmp_path / "other", tmp_path / "cache"))

    rows = other.engine.api.containers(all=True, filters={"label": labels.PORTS})
    assert set(ports_of(placement.places.values())) <= taken(rows)


@pytest.fixture
def busy_port() -> Any:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.mark.parametrize("others", [{}, {"db": True}], ids=["alone", "in a rack"])
def test_other_ports_are_chosen_when_one_is_taken_meanwhile(
    others: dict[str, bool], lab: Any, busy_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = iter([busy_port])

    def free_port(*asked: Any) -> int:
        return next(chosen, 0) or free(*asked)

    free = placement.free_port
    monkeypatch.setattr(placement, "free_port", free_port)
    spec = lab.spec("web")

    def work(placing: Future[Placement]) -> Placement:
        places = placing.result()
        lab.launch(spec, places)
        return places

    places = placed(lab.runtime, lab.attempt, "linux/test", {"web": True, **others}, work)

    assert next(chosen, None) is None
    assert busy_port not in ports_of(places.places.values())
    with lab.connect("web", places) as link:
        assert link.run("echo yes").stdout == "yes\n"
    assert [row for row in lab.runtime.leftovers([]) if row.id not in running(lab)] == []


def running(lab: Any) -> list[str]:
    rows = lab.runtime.engine.api.containers(filters={"label": f"{labels.ATTEMPT}={lab.attempt}"})
    return [row["Id"] for row in rows]


def test_a_rack_that_went_off_puts_its_machines_to_sleep_until_woken(lab: Any) -> None:
    places = lab.up(lab.spec("web"), lab.spec("db"))
    machines = list(lab.containers.values())
    for container in [places.rack, machines[0]]:  # the other one goes on, without a way in
        lab.runtime.stop(container)

    asleep = {row.host: row.state for row in lab.runtime.machines(lab.attempt)}
    started = lab.runtime.starts(lab.attempt)
    lab.runtime.wake(lab.attempt)

    assert asleep == {"web": "asleep", "db": "asleep"}
    assert started == {}
    assert set(lab.runtime.starts(lab.attempt)) == set(machines)
    for host in "web", "db":
        with lab.connect(host, places) as link:
            assert link.run("hostname").stdout == f"{host}\n"


def test_machines_whose_rack_began_anew_are_cut_off_until_woken(lab: Any) -> None:
    places = lab.up(lab.spec("web"), lab.spec("db"))
    machines = set(lab.containers.values())
    reachable = lab.runtime.cut_off(lab.attempt)
    lab.runtime.restart(places.rack)

    cut_off = lab.runtime.cut_off(lab.attempt)
    lab.runtime.wake(lab.attempt)

    assert (reachable, cut_off, lab.runtime.cut_off(lab.attempt)) == (set(), machines, set())
    for host in "web", "db":
        with lab.connect(host, places) as link:
            assert link.run("hostname").stdout == f"{host}\n"


def test_a_host_can_be_made_anew_in_its_place(lab: Any) -> None:
    spec = lab.spec("web", volumes=(VolumeSpec("/srv/small", "1m", 0),))
    placement = lab.up(spec)
    with lab.connect("web", placement) as link:
        link.run("touch /root/old /srv/small/old")

    lab.runtime.remove(lab.attempt, host="web")
    lab.launch(spec, placement)

    with lab.connect("web", placement) as link:
        assert link.run("ls /root/old /srv/small/old").stdout == ""


def test_the_console_asks_for_a_login(lab: Any) -> None:
    placement = lab.up(lab.spec("web"))
    with lab.connect("web", placement) as link:
        eventually(lambda: link.run("systemctl is-active console-getty").rc == 0)
    stream = lab.runtime.attach(lab.containers["web"])

    stream.send(b"\n")
    seen = b""
    while b"login:" not in seen and select.select([stream.fileno()], [], [], 10)[0]:
        seen += stream.recv(4096)
    stream.close()

    assert b"login:" in seen


def test_the_console_is_kept_in_a_log(lab: Any) -> None:
    lab.up(lab.spec("web"))

    assert eventually(lambda: "Debian" in lab.runtime.console_log(lab.containers["web"]))


def test_a_machine_that_is_gone_is_told_with_a_cure(lab: Any) -> None:
    with pytest.raises(EngineError, match="no longer there") as caught:
        lab.runtime.restart("0" * 64)

    assert "internbox reset" in caught.value.hint


def test_nothing_ever_execs_into_a_machine(lab: Any) -> None:
    since = int(lab.runtime.engine.clock()) - 1
    placement = lab.up(lab.spec("web"))
    with lab.connect("web", placement) as link:
        link.run("true")
    lab.runtime.restart(lab.containers["web"])
    lab.runtime.machines(lab.attempt, memory=True)

    events = lab.runtime.engine.api.events(
        since=since,
        until=int(lab.runtime.engine.clock()) + 1,
        filters={"label": [f"{labels.ATTEMPT}={lab.attempt}"]},
        decode=True,
    )
    actions = [event["Action"] for event in events]

    assert "start" in actions
    assert not [action for action in actions if action.startswith("exec")]


def test_the_manifest_lists_what_a_clean_image_holds(lab: Any) -> None:
    text = lab.runtime.manifest(lab.image)

    assert "/usr/bin/bash" in text


def test_no_helper_of_the_tools_volume_is_left(lab: Any) -> None:
    lab.runtime.manifest(lab.image)

    rows = lab.runtime.engine.api.containers(
        all=True, filters={"label": [f"{labels.HOME}={lab.runtime.home}", f"{labels.ROLE}=tools"]}
    )

    assert rows == []
