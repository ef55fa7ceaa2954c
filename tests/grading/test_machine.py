"""The machines as graders see them."""

from __future__ import annotations

import getpass
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.grading.machine import AbsentError, Clock, Host, HungError, quote
from tests.grading.conftest import Server


@pytest.fixture
def host(sshd: Server) -> Iterator[Host]:
    machine = Host(sshd.access(), Clock(), connect_seconds=10)
    yield machine
    machine.close()


def test_arguments_are_quoted_never_interpolated(host: Host) -> None:
    nasty = 'a b\'; echo "x" $(id) `id` \\ \n'
    assert host.run("printf %%s %s", nasty).stdout == nasty


def test_without_arguments_nothing_is_replaced() -> None:
    assert quote("date +%s", ()) == "date +%s"


def test_too_few_arguments_are_the_graders_mistake() -> None:
    with pytest.raises(TypeError):
        quote("echo %s %s", ("one",))


def test_exit_code_and_both_streams_come_back(host: Host) -> None:
    reply = host.run("echo out; echo err >&2; exit 3")
    assert (reply.rc, reply.stdout, reply.stderr, reply.succeeded) == (3, "out\n", "err\n", False)


def test_input_goes_to_the_command(host: Host) -> None:
    assert host.run("cat", stdin="grüße").stdout == "grüße"


def test_output_that_is_not_utf8_is_text_all_the_same(host: Host) -> None:
    assert host.run(r"printf '\377ok'").stdout == "\ufffdok"


def test_output_is_cut_at_its_limit(host: Host) -> None:
    reply = host.run("head -c 100000 /dev/zero | tr '\\0' x", limit=1000)
    assert reply.truncated
    assert len(reply.stdout) <= 1000


def test_a_command_ends_when_the_check_does(host: Host) -> None:
    host._clock.deadline = time.monotonic() + 1
    with pytest.raises(HungError, match="web hangs"):
        host.run("sleep 30")
    with pytest.raises(HungError, match="the check took too long"):
        host.run("true")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
def test_a_command_runs_as_another_user(host: Host) -> None:
    assert host.run("id -un; echo %s", "x y", user="nobody").stdout == "nobody\nx y\n"


def test_a_file_is_written_with_mode_and_read(host: Host, tmp_path: Path) -> None:
    path = tmp_path / "it's here"
    group = host.run("id -gn").stdout.strip()
    host.put(str(path), "hello\n", mode=0o640, owner=f"{getpass.getuser()}:{group}")
    assert host.read(str(path)) == "hello\n"
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_file_that_is_missing_fails_the_check_in_words(host: Host, tmp_path: Path) -> None:
    with pytest.raises(AbsentError, match=r"web: .*/none cannot be read"):
        host.read(f"{tmp_path}/none")


def test_exists_sees_dangling_links(host: Host, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    assert host.exists(f"{tmp_path}/link")
    assert not host.exists(f"{tmp_path}/nowhere")


def test_json_that_is_none_fails_the_check(host: Host) -> None:
    assert host.run("echo '{\"a\": [1]}'").json() == {"a": [1]}
    with pytest.raises(AbsentError, match="the answer is not JSON"):
        host.run("echo no").json()


# --- testinfra ----------------------------------------------------------------------------------


def test_testinfras_modules_come_by_attribute(host: Host, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("grüße\n")
    file = host.file(f"{tmp_path}/file")
    assert file.is_file
    assert file.content_string == "grüße\n"
    assert host.user(getpass.getuser()).exists


def test_an_unknown_attribute_is_the_graders_mistake(host: Host) -> None:
    with pytest.raises(AttributeError, match="a host has no attribute 'nonesuch'"):
        _ = host.nonesuch


def test_a_socket_bound_to_all_addresses_is_listening(host: Host, sshd: Server) -> None:
    assert host.socket(f"tcp://127.0.0.1:{sshd.port}").is_listening
    assert host.socket(f"tcp://{sshd.port}").is_listening
    assert not host.socket(f"tcp://0.0.0.0:{sshd.port}").is_listening
