"""Commands on a real machine: their limits, their ends, and links that break."""

from __future__ import annotations

import socket
import stat
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sandbox import ssh
from sandbox.errors import MachineError, Unreachable


@pytest.fixture(scope="module")
def endpoint(shared_lab: Any) -> ssh.Endpoint:
    """The grader's way into a machine without systemd: up at once."""
    placement = shared_lab.up(shared_lab.spec("desk", init="none", hidden=True))
    found: ssh.Endpoint = shared_lab.endpoint("desk", placement)
    return found


@pytest.fixture
def link(endpoint: ssh.Endpoint) -> Iterator[ssh.Connection]:
    with ssh.connect(endpoint, deadline=20) as connection:
        yield connection


@pytest.fixture
def nowhere(tmp_path: Path) -> ssh.Endpoint:
    """An endpoint whose port nobody listens on."""
    pair = ssh.key_pair("x")
    (tmp_path / "key").write_text(pair.private)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return ssh.Endpoint("web", "127.0.0.1", port, "root", tmp_path / "key", pair.public)


engine = pytest.mark.engine


@engine
def test_status_and_both_streams_are_told(link: ssh.Connection) -> None:
    result = link.run("echo out; echo err >&2; exit 7")

    assert result == ssh.Result(7, "out\n", "err\n")


@engine
def test_bytes_that_are_no_text_do_not_break_it(link: ssh.Connection) -> None:
    assert link.run(r"printf 'a\377b'").stdout == "a\N{REPLACEMENT CHARACTER}b"


@engine
def test_three_megabytes_of_stderr_do_not_block(link: ssh.Connection) -> None:
    result = link.run("head -c 3000000 /dev/zero >&2; echo end", limit=4_000_000)

    assert (result.rc, result.stdout, len(result.stderr)) == (0, "end\n", 3_000_000)


@engine
def test_three_megabytes_of_input_are_read_while_output_comes(link: ssh.Connection) -> None:
    data = b"x" * 3_000_000

    result = link.run("cat", stdin=data, limit=4_000_000)

    assert result.stdout == data.decode()


@engine
def test_input_that_nobody_reads_is_no_error(link: ssh.Connection) -> None:
    assert link.run("exec <&-; echo done", stdin=b"x" * 1_000_000).stdout == "done\n"


@engine
def test_a_flood_is_cut_at_the_limit(link: ssh.Connection) -> None:
    result = link.run("while :; do echo flood; done", limit=50_000)

    assert result.truncated
    assert (result.rc, len(result.stdout)) == (-1, 50_000)


@engine
def test_the_link_is_usable_after_a_flood(link: ssh.Connection) -> None:
    link.run("while :; do echo flood; done", limit=50_000)

    assert link.run("echo again").stdout == "again\n"


@engine
def test_a_command_that_does_not_end_is_left(link: ssh.Connection) -> None:
    started = time.monotonic()

    with pytest.raises(ssh.CommandTimeout, match=r"no end after 0\.5 s: echo early") as caught:
        link.run("echo early; sleep 60", timeout=0.5)

    assert time.monotonic() - started < 10
    assert caught.value.stdout == "early\n"


@engine
def test_the_link_is_usable_after_a_timeout(link: ssh.Connection) -> None:
    with pytest.raises(ssh.CommandTimeout):
        link.run("sleep 60", timeout=0.2)

    assert link.run("echo again").stdout == "again\n"


@engine
def test_a_process_left_behind_does_not_hold_the_command(link: ssh.Connection) -> None:
    started = time.monotonic()

    result = link.run("sleep 60 & echo done")

    assert (result.rc, result.stdout) == (0, "done\n")
    assert time.monotonic() - started < 10


@engine
def test_commands_may_run_at_the_same_time(link: ssh.Connection) -> None:
    results: list[str] = []

    def ask(number: int) -> None:
        results.append(link.run(f"sleep 0.2; echo {number}").stdout.strip())

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(results) == ["0", "1", "2", "3", "4"]


@engine
def test_a_file_goes_there_and_back(link: ssh.Connection) -> None:
    link.put("/root/a b'c", b"\x00\xff\n", 0o640)

    assert link.read("/root/a b'c") == b"\x00\xff\n"
    assert link.run("stat -c %a /root/a*").stdout == "640\n"


@engine
def test_a_file_that_cannot_be_read_is_named(link: ssh.Connection) -> None:
    with pytest.raises(MachineError, match="desk: /nowhere"):
        link.read("/nowhere")


@engine
def test_a_link_closed_meanwhile_is_opened_again(link: ssh.Connection) -> None:
    link.run("true")
    link.close()

    assert link.run("echo again").stdout == "again\n"


@engine
def test_a_link_that_breaks_under_a_command_is_told(link: ssh.Connection) -> None:
    with pytest.raises(Unreachable, match="closed while a command ran"):
        link.run("kill -9 $PPID; sleep 5")


@engine
def test_another_host_key_is_refused(endpoint: ssh.Endpoint) -> None:
    other = replace(endpoint, host_key=ssh.key_pair("other").public)

    begun = time.monotonic()

    with pytest.raises(ssh.Stranger, match="its host key is not ours") as caught:
        ssh.connect(other, deadline=60)

    assert caught.value.host_key.split() == endpoint.host_key.split()[:2]
    assert time.monotonic() - begun < 30, "it is of no use to go on trying"


@engine
def test_another_key_does_not_open(endpoint: ssh.Endpoint, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(ssh.key_pair("other").private)

    with pytest.raises(Unreachable):
        ssh.Connection(replace(endpoint, key=tmp_path / "key")).open()


@engine
def test_the_same_boot_is_not_a_new_one(link: ssh.Connection, endpoint: ssh.Endpoint) -> None:
    same = link.run("cat /opt/internbox/boot/boot_id").stdout.strip()

    with pytest.raises(Unreachable, match="did not boot again"):
        ssh.wait_boot(endpoint, previous=same, deadline=0.3)
    ssh.wait_boot(endpoint, previous="another", deadline=5).close()


def test_a_closed_port_is_tried_until_the_deadline(nowhere: ssh.Endpoint) -> None:
    started = time.monotonic()

    with pytest.raises(Unreachable, match="web does not answer") as caught:
        ssh.connect(nowhere, deadline=0.5)

    assert caught.value.host == "web"
    assert 0.2 < time.monotonic() - started < 10


def test_a_server_that_says_nothing_is_left_in_time(nowhere: ssh.Endpoint) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        started = time.monotonic()

        with pytest.raises(Unreachable):
            ssh.connect(replace(nowhere, port=silent.getsockname()[1]), deadline=0.5)

        assert time.monotonic() - started < 10


def test_keys_are_for_their_owner_alone(tmp_path: Path) -> None:
    from sandbox.paths import AttemptFiles

    files = AttemptFiles(tmp_path / "a1")
    learner, grader = ssh.key_pair("intern@a1"), ssh.key_pair("grader@a1")
    ssh.write_keys(files, learner=learner, grader=grader)

    assert stat.S_IMODE(files.root.stat().st_mode) == 0o700
    assert stat.S_IMODE(files.learner_key.stat().st_mode) == 0o600
    assert stat.S_IMODE(files.grader_key.stat().st_mode) == 0o600
    assert ssh.public_keys(files) == (learner.public, grader.public)


def test_the_ssh_command_understands_the_config(nowhere: ssh.Endpoint, tmp_path: Path) -> None:
    import shutil
    import subprocess

    from sandbox.paths import AttemptFiles

    if not shutil.which("ssh"):
        pytest.skip("needs the ssh command")
    files = AttemptFiles(tmp_path / "with space and 100%")
    files.root.mkdir()
    ssh.write_config(files, [replace(nowhere, user="intern", key=files.learner_key)])

    shown = subprocess.run(
        ["ssh", "-F", files.ssh_config, "-G", "web"], capture_output=True, text=True, check=True
    ).stdout.splitlines()

    assert f"port {nowhere.port}" in shown
    assert "user intern" in shown
    assert f"identityfile {str(files.learner_key).replace('%', '%%')}" in shown
    assert "stricthostkeychecking true" in shown


def test_known_hosts_pin_the_port(nowhere: ssh.Endpoint, tmp_path: Path) -> None:
    from sandbox.paths import AttemptFiles

    files = AttemptFiles(tmp_path)
    ssh.write_config(files, [nowhere])

    host, kind, key = files.known_hosts.read_text().split()
    assert host == f"[127.0.0.1]:{nowhere.port}"
    assert [kind, key] == nowhere.host_key.split()[:2]


def test_a_dropbear_key_holds_seed_and_public_half() -> None:
    from base64 import b64decode

    from cryptography.hazmat.primitives import serialization

    pair = ssh.key_pair("x")
    packed = b64decode(ssh.dropbear_host_key(pair.private))
    public = serialization.load_ssh_public_key(pair.public.encode())

    assert packed[:15] == b"\0\0\0\x0bssh-ed25519"
    assert packed[15:19] == b"\0\0\0\x40"
    assert packed[-32:] == public.public_bytes_raw()  # type: ignore[union-attr]


def test_a_password_is_hashed_with_a_salt_of_its_own() -> None:
    first, second = ssh.crypt("secret"), ssh.crypt("secret")

    assert first.startswith("$6$")
    assert first != second
