"""Listening sockets, read from the kernel's tables."""

from __future__ import annotations

import pytest

from sandbox.grading.listeners import Listeners, Socket

# As /proc/net shows them: 127.0.0.1:5432 and 0.0.0.0:80 listen, 10.20.0.5:22 is a connection,
# [::]:443 listens, 127.0.0.1:53 takes datagrams, ::ffff:127.0.0.1:8080 listens.
TABLES = """\
tcp
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000   101 0 21 1 0 100 0
   1: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0 0 22 1 0 100 0
   2: 0500140A:0016 0100140A:C350 01 00000000:00000000 02:00000000 00000000     0 0 23 1 0 20 4
tcp6
  sl  local_address                         remote_address                        st tx_queue
   0: 00000000000000000000000000000000:01BB 00000000000000000000000000000000:0000 0A 00000000:0
   1: 0000000000000000FFFF00000100007F:1F90 00000000000000000000000000000000:0000 0A 00000000:0
udp
   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
  10: 0100007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000   101 0 31 2 0 0
udp6
   sl  local_address                         remote_address                        st tx_queue
"""


def test_the_tables_are_read() -> None:
    found = Listeners.parse(TABLES)
    assert found.tcp == {("127.0.0.1", 5432), ("0.0.0.0", 80), ("::", 443), ("127.0.0.1", 8080)}
    assert found.udp == {("127.0.0.1", 53)}
    assert found.addresses(80) == {"0.0.0.0"}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("tcp://80", True),
        ("tcp://127.0.0.1:80", True),
        ("tcp://10.20.0.5:80", True),
        ("tcp://0.0.0.0:80", True),
        ("tcp://:::80", False),
        ("tcp://5432", True),
        ("tcp://127.0.0.1:5432", True),
        ("tcp://0.0.0.0:5432", False),
        ("tcp://10.20.0.5:5432", False),
        ("tcp://10.20.0.5:443", True),
        ("tcp://[::1]:443", True),
        ("tcp://22", False),
        ("udp://53", True),
        ("udp://80", False),
    ],
)
def test_a_socket_is_judged_by_what_it_is_bound_to(spec: str, expected: bool) -> None:
    assert Socket(spec, lambda: Listeners.parse(TABLES)).is_listening is expected


@pytest.mark.parametrize("spec", ["80", "tcp://", "tcp://host", "icmp://80"])
def test_what_is_no_socket_is_the_graders_mistake(spec: str) -> None:
    with pytest.raises(TypeError, match="not a socket"):
        Socket(spec, lambda: Listeners.parse(""))


def test_noise_is_passed_over() -> None:
    assert Listeners.parse("rubbish\n\n  x: y\ntcp\n") == Listeners(frozenset(), frozenset())
