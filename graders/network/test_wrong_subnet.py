"""wrong-subnet: the office opens the file share again, each machine under its own address."""

import re
import secrets
from contextlib import contextmanager

import pytest

pytestmark = pytest.mark.scenario("network/wrong-subnet")

SHARE = "/srv/share"
CANNOT_BIND = 45  # curl: the address is not this machine's

# Asks the segment by ARP who has an address, and prints every answer that comes back.
WHO_HAS = """
dir=$(mktemp -d) && cd "$dir" || exit 1
tcpdump -Z root -lnni lan0 'arp[6:2] = 2 and arp src host '%s > replies 2> notes &
for _ in $(seq 50); do grep -q listening notes && break; sleep 0.1; done
ip neigh flush to %s
ping -c 2 -i 0.3 -W 1 %s > /dev/null
sleep 0.4
kill $! && wait
cat replies
rm -r "$dir"
"""


def owners(witness, address):
    """The MAC addresses that answer on the office segment when `witness` asks for `address`."""
    reply = witness.run(WHO_HAS, address, address, address)
    return set(re.findall(r" is-at ([0-9a-f:]{17})", reply.stdout))


def ask_share(host, params, path, source=""):
    """The file server's answer, headers first, to a request that leaves from `source`."""
    url = f"http://{params.files_address}{path}"
    interface = ["--interface", source] if source else []
    options = " ".join(["%s"] * (len(interface) + 1))
    return host.run(f"curl -sSi --noproxy '*' --max-time 4 {options}", *interface, url)


@contextmanager
def file_on_share(hosts):
    """A file that lies on the share for the time of one look: its path, and the word in it."""
    word = secrets.token_hex(12)
    path = f"/.{word[:8]}.txt"
    hosts["files"].put(SHARE + path, word + "\n")
    try:
        yield path, word
    finally:
        hosts["files"].run("rm -f %s", SHARE + path)


@pytest.mark.check("share-opens", points=40, within=12)
def test_the_pc_opens_the_share(hosts, params):
    """The colleague's PC opens the file share, from the address that the register gives it."""
    with file_on_share(hosts) as (path, word):
        reply = ask_share(hosts["desk-pc"], params, path, source=params.desk_address)

    assert reply.rc != CANNOT_BIND, (
        f"desk-pc cannot send from {params.desk_address}, the address the register gives it: "
        "look at `ip -br address` there"
    )
    assert reply.rc == 0, (
        f"desk-pc does not reach the file server at {params.files_address}: {reply.stderr.strip()}"
    )
    assert word in reply.stdout, (
        f"something answers desk-pc at {params.files_address}, but a file that was just put on "
        "the share is not there"
    )


@pytest.mark.check("office-opens", points=20, within=12, needs="share-opens")
def test_the_next_pc_opens_the_share(hosts, params):
    """The PC on the next desk opens the file share, too."""
    with file_on_share(hosts) as (path, word):
        reply = ask_share(hosts["neighbour"], params, path)

    assert reply.rc == 0, (
        f"another PC of the office does not reach the file server: {reply.stderr.strip()}"
    )
    assert word in reply.stdout, "another PC of the office gets an answer, but not from the share"


@pytest.mark.check("own-address-seen", points=20, within=12, needs="share-opens")
def test_the_server_sees_who_asks(hosts, params):
    """The file server sees the PC under the PC's own address."""
    reply = ask_share(hosts["desk-pc"], params, "/", source=params.desk_address)
    seen = re.search(r"^X-Client-Address:\s*(\S+)", reply.stdout, re.MULTILINE | re.IGNORECASE)

    assert reply.rc == 0, f"desk-pc does not reach the file server: {reply.stderr.strip()}"
    assert seen, "the file server no longer tells clients which address it saw (X-Client-Address)"
    assert seen[1] == params.desk_address, (
        f"desk-pc asks from {params.desk_address}, but the file server sees {seen[1]}: something "
        "on the way rewrites addresses"
    )


@pytest.mark.check("printer-alone", points=20, within=12, needs="share-opens")
def test_the_printer_has_its_address_alone(hosts, params):
    """The printer's address belongs to the printer alone."""
    macs = owners(hosts["neighbour"], params.printer_address)

    assert macs, f"nobody answers at {params.printer_address}, the printer's address"
    assert len(macs) == 1, (
        f"{len(macs)} machines answer to {params.printer_address}, the printer's address"
    )


@pytest.mark.guard("firewall", cap=40, within=12)
def test_the_router_still_refuses(hosts, params):
    """The router still keeps desks from logging in to servers."""
    backup, neighbour = hosts["backup"], hosts["neighbour"]
    backup.run("timeout 10 nc -lk 22 > /dev/null 2>&1 & sleep 0.2")

    for address in (params.files_address, params.backup_address):
        reply = neighbour.run("nc -nz -w 2 %s 22", address)
        assert reply.rc != 0, (
            f"a PC of the office can open port 22 of {address}: the router's rules "
            "(/etc/nftables.conf) are not in force"
        )


@pytest.mark.guard("neighbour", cap=40, within=12)
def test_the_neighbour_is_left_alone(hosts, params):
    """The PC on the next desk keeps its address to itself, and reaches the router."""
    macs = owners(hosts["printer"], params.neighbour_address)
    router = hosts["neighbour"].run("ping -c 2 -i 0.3 -W 1 10.20.10.1")

    assert len(macs) == 1, (
        f"{len(macs)} machines answer to {params.neighbour_address}, the address of the PC on "
        "the next desk"
    )
    assert router.rc == 0, "the PC on the next desk no longer reaches the router, 10.20.10.1"
