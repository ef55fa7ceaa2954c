"""A booted machine: its own network, files and doors, whatever root does inside."""

from __future__ import annotations

import hashlib
import socket
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import paramiko
import pytest

if TYPE_CHECKING:
    from tests.machine.conftest import Lab, Machine

pytestmark = pytest.mark.engine

TOOLS = "/opt/internbox"
NO_WIRE = "is not nic,bridge,mac"


def test_every_unit_starts(pair: tuple[Machine, Machine]) -> None:
    assert pair[0].run("systemctl is-system-running") == "running"
    assert pair[0].run("systemctl list-units --failed --plain --no-legend") == ""


def test_nothing_of_the_environment_contract_is_left_in_a_process(
    pair: tuple[Machine, Machine],
) -> None:
    assert pair[0].run("tr '\\0' '\\n' < /proc/1/environ | sort").split() == [
        "TERM=linux",
        "container=docker",
    ]
    assert pair[0].run("cat /proc/[0-9]*/environ 2>/dev/null | grep -ac INTERNBOX_") == "0"


# Prints the processes, but for its own, whose memory holds the text that is given backwards: no
# process on the way holds it because it is looked for.
SEARCH = r"""
$text = reverse shift;
for $process (grep { $_ != $$ } map { m,(\d+), } glob "/proc/[0-9]*") {
    open MAPS, "<", "/proc/$process/maps" and open MEMORY, "<:raw", "/proc/$process/mem" or next;
    while (<MAPS>) {
        /^(\w+)-(\w+) r/ or next;
        sysseek MEMORY, hex $1, 0 and sysread MEMORY, $held, hex($2) - hex $1 or next;
        print "$process\n" if index($held, $text) >= 0;
    }
}
"""


def test_the_key_of_the_seal_is_nowhere_in_the_machine(pair: tuple[Machine, Machine]) -> None:
    def holders(text: str) -> list[str]:
        return pair[0].run(f"perl -e '{SEARCH}' '{text[::-1]}' 2>/dev/null").split()

    seal = pair[0].lab.seal
    in_memory = holders(seal)  # first: the grader's server will remember what is searched for next
    in_files = pair[0].run(
        f"cat /proc/[0-9]*/environ /proc/[0-9]*/task/*/environ 2>/dev/null | grep -ac {seal};"
        f" grep -rl {seal} {TOOLS}/boot"
    )

    assert in_memory == []
    assert in_files == "0"
    assert "1" in holders("container=docker"), "the search finds what is there"


def test_sys_admin_is_gone_for_good(pair: tuple[Machine, Machine]) -> None:
    bounding = int(pair[0].run("awk '/CapBnd/ {print $2}' /proc/1/status"), 16)
    assert bounding & 1 << 21 == 0
    assert bounding & 1 << 12  # NET_ADMIN stays
    assert "permission denied" in pair[0].run("mount -t tmpfs none /mnt")


def test_root_cannot_change_what_this_boot_was_started_with(pair: tuple[Machine, Machine]) -> None:
    assert "Read-only" in pair[0].run(f"echo x >> {TOOLS}/boot/authorized_keys")
    assert "must be superuser" in pair[0].run(f"umount {TOOLS}/boot")
    assert "Read-only" in pair[0].run(f"rm -f {TOOLS}/dropbear")
    assert "busy" in pair[0].run(f"mv {TOOLS} /opt/other")
    assert "busy" in pair[0].run("mv /opt /other")


def test_laid_files_win_over_dockers(pair: tuple[Machine, Machine]) -> None:
    assert pair[0].run("cat /etc/hosts") == "127.0.0.1 localhost ours"
    assert pair[0].run("cat /etc/hostname; cat /etc/resolv.conf") == "ann"
    assert "127.0.1.1\tbob" in pair[1].run("cat /etc/hosts")
    assert pair[0].run("grep -c ' /etc/' /proc/mounts") == "0"


def test_a_wire_joins_two_machines(pair: tuple[Machine, Machine]) -> None:
    assert "1 received" in pair[0].run("ping -c1 -W5 10.20.1.2")
    assert "1 received" in pair[1].run("ping -c1 -W5 -M do -s 1472 10.20.1.1")


def test_a_machine_sees_its_wires_and_nothing_of_docker(pair: tuple[Machine, Machine]) -> None:
    assert set(pair[1].run("ls /sys/class/net /sys/devices/virtual/net").split()) == {
        "/sys/class/net:", "/sys/devices/virtual/net:", "lo", "lan0", "dmz0",
    }  # fmt: skip
    assert pair[0].run("cat /sys/class/net/fifteen-letters/address") == "02:00:0a:14:01:01"
    assert pair[0].run("ip -4 route").split()[0] == "10.20.1.0/24"
    assert pair[0].lab.prefix not in pair[0].run("ip address; ip neighbour; ss -tan")


def test_a_machines_end_alone_is_heard_on_a_wire(pair: tuple[Machine, Machine]) -> None:
    other = "02:00:0a:14:01:02"
    pair[0].run("(timeout 60 tcpdump -lnei fifteen-letters > /root/heard 2> /dev/null) &")
    pair[1].reboot()
    pair[0].wait(f"grep -q {other} /root/heard && echo heard", "heard")
    pair[0].run("pkill -x tcpdump")
    pair[0].wait("pgrep -xc tcpdump", "0")
    senders = pair[0].run("cut -d' ' -f2 /root/heard | sort -u").split()
    assert set(senders) <= {"02:00:0a:14:01:01", other}


def test_the_rack_itself_is_not_on_a_wire(pair: tuple[Machine, Machine]) -> None:
    """It tells nobody its address, takes no frame sent to its bridge, and passes none on."""
    rack, nic = pair[0].rack, "fifteen-letters"
    bridge, gateway = rack.address_of("wire-of-fifteen"), pair[0].lab.prefix + "1"
    before = rack.taken_in()
    for address in rack.address, gateway:
        pair[0].run(f"ip route replace {address} dev {nic}; ping -c1 -W1 {address}")
        asked = pair[0].run(f"ip neighbour show {address}")
        pair[0].run(f"ip neighbour replace {address} lladdr {bridge} dev {nic}")
        pair[0].run(f"ping -c2 -i0.2 -W1 {address}")
        pair[0].run(f"ip route del {address} dev {nic}; ip neighbour del {address} dev {nic}")

        assert "lladdr" not in asked
    assert rack.taken_in() == before


def test_network_settings_are_the_machines_own(pair: tuple[Machine, Machine]) -> None:
    assert pair[0].run("sysctl -n net.ipv4.ip_forward") == "0"
    assert pair[0].run("sysctl -n net.ipv4.ping_group_range") == "0\t2147483647"
    assert pair[0].run("sysctl -w net.ipv4.ip_default_ttl=63") == "net.ipv4.ip_default_ttl = 63"
    assert "permission denied" in pair[0].run("sysctl -w kernel.panic=9")


def test_the_grader_comes_in_by_its_key_alone(pair: tuple[Machine, Machine]) -> None:
    with pytest.raises(paramiko.AuthenticationException):
        pair[0].connect(key=paramiko.RSAKey.generate(2048))
    with pytest.raises(paramiko.AuthenticationException):
        pair[0].connect(user="intern")


def test_a_graders_session_reads_nothing_of_roots(pair: tuple[Machine, Machine]) -> None:
    assert (
        pair[0].run("echo $0 $HOME $PATH $LANG")
        == f"sh {TOOLS} /usr/sbin:/usr/bin:/sbin:/bin C.UTF-8"
    )


def test_more_connections_than_the_door_holds_wait_their_turn(
    pair: tuple[Machine, Machine],
) -> None:
    idle = [socket.create_connection(("127.0.0.1", pair[1].port)) for _ in range(40)]
    for connection in idle:
        connection.close()
    assert pair[1].run("echo in") == "in"


def test_the_learners_door_leads_to_sshd_whole(machine: Machine) -> None:
    payload = hashlib.sha256(b"seed").digest() * 65536  # 2 MiB
    machine.run(
        "systemctl stop ssh; (nc -N -l 127.0.0.1 22 > /root/got < /usr/bin/bash) > /dev/null 2>&1 &"
    )
    machine.wait("ss -Htln src 127.0.0.1:22 | wc -l", "1")
    with socket.create_connection(("127.0.0.1", machine.learner_port)) as link:
        link.sendall(payload)
        link.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: link.recv(65536), b""))
    assert hashlib.sha256(answer).hexdigest() == machine.run("sha256sum /usr/bin/bash").split()[0]
    machine.wait("stat -c %s /root/got", str(len(payload)))
    assert machine.run("sha256sum /root/got").split()[0] == hashlib.sha256(payload).hexdigest()


def test_where_no_sshd_runs_the_learner_is_turned_away(machine: Machine) -> None:
    machine.run("systemctl stop ssh")
    door = ("127.0.0.1", machine.learner_port)
    with socket.create_connection(door, 5) as link, suppress(ConnectionResetError):
        assert link.recv(1) == b""


def test_a_hidden_machine_has_no_learners_door(lab: Lab) -> None:
    hidden = lab.start("hid", learner=False)
    hidden.run("true")
    with socket.create_connection((hidden.rack.address, hidden.port), 5):
        pass
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((hidden.rack.address, hidden.learner_port), 5)


def test_the_journal_is_kept_from_its_first_line(machine: Machine) -> None:
    machine.wait_for_init()
    first = machine.run("journalctl -b -o cat --no-pager | head -1")

    assert first == "Journal started"
    assert machine.run("journalctl -b -D /var/log/journal -o cat --no-pager | head -1") == first
    assert machine.run("find /run/log/journal -name '*.journal' 2>/dev/null") == ""


def test_edits_and_journal_survive_a_reboot_from_inside(machine: Machine) -> None:
    machine.wait_for_init()
    machine.run("sed -i 's/localhost/localhost mine/' /etc/hosts")
    machine.reboot("systemctl reboot")
    assert "localhost mine" in machine.run("cat /etc/hosts")
    machine.wait_for_init()
    assert machine.run("journalctl --list-boots --no-pager | grep -c '^ *-1 '") == "1"
    failures = "journalctl -b -1 -o cat --no-pager | grep ^Failed || true"
    assert machine.run(failures) == "", "a machine goes down without a failure"
    assert machine.run("cat /proc/sys/kernel/random/boot_id") == machine.run(
        f"cat {TOOLS}/boot/boot_id"
    )


def test_no_two_machines_share_an_id(pair: tuple[Machine, Machine]) -> None:
    first, second = (machine.run("cat /etc/machine-id") for machine in pair)
    assert len(first) == 32
    assert first != second


SIEGE = """
systemctl disable --now ssh; rm -f /usr/sbin/sshd; rm -rf /etc/pam.d /etc/shells
sed -i '/^root/s,/bin/bash,/usr/sbin/nologin,' /etc/passwd; chage -E 1 root; usermod -L root
echo 'echo poisoned' | tee /root/.bashrc /root/.profile /.bashrc /etc/profile /etc/bash.bashrc
chmod 777 / /opt
printf '#!/bin/sh\\necho false\\n' > /usr/local/bin/id; chmod 755 /usr/local/bin/id
printf 'table inet t {
chain i { type filter hook input priority 0; policy drop; }
chain o { type filter hook output priority 0; policy drop; }
}\\n' > /etc/nftables.conf
systemctl enable --now nftables
"""


def test_no_firewall_and_no_account_keeps_the_grader_out(machine: Machine) -> None:
    machine.wait_for_init()
    machine.run(SIEGE)
    machine.forget()
    assert machine.run("id -u") == "0"
    assert "policy drop" in machine.run("nft list ruleset")
    machine.reboot()
    machine.wait("nft list ruleset | grep -c 'policy drop'", "2")
    assert machine.run("id -u") == "0"
    machine.run("mv /etc/passwd /etc/passwd.gone")
    machine.forget()
    assert machine.run("echo in") == "in"


OFFLINE = """
echo "pwd $PWD lang $LANG home $HOME"; echo to stderr >&2
grep CapEff /proc/self/status; usermod -p '*' intern; sleep 1000 &
"""


def laid(script: str, neighbours: str = "") -> dict[str, tuple[int, str]]:
    return {".internbox/offline": (0o700, script), ".internbox/neighbours": (0o600, neighbours)}


def test_the_offline_phase_runs_once_before_init(lab: Lab) -> None:
    machine = lab.start("off", files=laid(OFFLINE, "/etc/ssh\n/etc/alternatives\n/nowhere\n"))
    log = machine.run(f"cat {TOOLS}/boot/offline.log").splitlines()
    assert log[:2] == ["pwd / lang C.UTF-8 home /root", "to stderr"]
    assert int(log[2].split()[1], 16) & 1 << 21 == 0
    assert machine.run("grep -c '^intern:\\*:' /etc/shadow") == "1"
    assert machine.run("ls -d /.internbox; pgrep -x sleep").endswith("No such file or directory")
    machine.reboot()
    assert "No such file" in machine.run(f"cat {TOOLS}/boot/offline.log")


def test_neighbours_get_a_fresh_ctime_and_nothing_else(lab: Lab) -> None:
    files = laid("true", "/usr/bin\n/etc/ssh\n")
    files |= {"etc/stamp": (0o644, ""), "usr/bin/laid": (0o755, ""), "etc/ssh/laid": (0o644, "")}
    machine = lab.start("ngb", files=files)
    assert machine.run("find /etc/ssh -maxdepth 1 ! -newercc /etc/stamp") == ""
    renewed = machine.run("find /usr/bin -newercc /etc/stamp").splitlines()
    assert {"/usr/bin", "/usr/bin/laid"} <= set(renewed)
    assert 4 < len(renewed) < 60, "of so many some will do"
    assert machine.run("stat -c '%a %U' /usr/bin/sudo") == "4755 root"
    assert machine.run("find /usr/bin -type f -newermc /etc/stamp ! -name laid") == ""


def test_a_failed_offline_phase_starts_no_init_and_says_why(lab: Lab) -> None:
    machine = lab.start("bad", files=laid("echo no such luck; seq 100000; exit 3"))
    report = machine.run(f"cat {TOOLS}/boot/failed").splitlines()
    assert report[0] == "exit 3"
    assert report[-1] == "100000"
    assert machine.run(f"stat -c %s {TOOLS}/boot/failed") == str(65536 + len("exit 3\n"))
    assert machine.run("pgrep -c systemd") == "0"
    machine.container.stop(timeout=8)
    machine.container.reload()
    assert machine.container.attrs["State"]["ExitCode"] == 0


GREEDY = f"""
cat /proc/1/root/etc/hostname; head -c1 /proc/1/mem
echo forged > {TOOLS}/boot/report; rm -f {TOOLS}/boot/authorized_keys
mv /opt /opt.real; mv {TOOLS} {TOOLS}.real; umount {TOOLS}/boot; mount -o remount,rw {TOOLS}/boot
grep ^CapBnd /proc/self/status; exit 0
"""


def test_a_learners_offline_script_reaches_neither_pid_1_nor_what_was_measured(lab: Lab) -> None:
    """Root may lay one for the next boot."""
    machine = lab.start("grd")
    machine.run(
        f"mkdir -p /.internbox; cat > /.internbox/offline <<'EOF'\n{GREEDY}EOF\n"
        "chmod 700 /.internbox/offline"
    )
    machine.reboot()

    said = machine.run(f"cat {TOOLS}/boot/offline.log")
    assert said.count("Permission denied") == 2, said
    assert said.count("Read-only file system") == 2, said
    assert int(said.split()[-1], 16) & (1 << 21 | 1 << 19) == 0
    assert "forged" not in machine.run(f"cat {TOOLS}/boot/report")
    assert (
        machine.run(f"ls {TOOLS}/boot/authorized_keys; ls -d /opt.real {TOOLS}.real 2>&1").count(
            "No such file"
        )
        == 2
    )


def test_the_console_shows_a_login(machine: Machine) -> None:
    machine.wait_for_init()
    stream = machine.container.attach_socket(
        params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
    )
    with closing(stream), closing(stream._sock):
        stream._sock.settimeout(10)
        stream._sock.sendall(b"\n")
        seen = b""
        while b"login:" not in seen:
            seen += stream._sock.recv(4096)
    assert b"own login:" in seen


def test_an_intern_logs_in_and_may_become_root(pair: tuple[Machine, Machine]) -> None:
    assert pair[1].run("su - intern -c 'id -un; id -Gn; sudo -n id -u'").split() == [
        "intern", "intern", "adm", "systemd-journal", "0",
    ]  # fmt: skip


def test_without_an_init_our_own_serves_and_stops(lab: Lab) -> None:
    services = "#!/bin/bash\ntouch /run/started; (sleep 0 &) ; exec sleep 1000\n"
    host = lab.start(
        "web",
        init="none",
        wires="eth0,wire1,02:00:0a:14:03:01,10.20.3.9/24,10.20.3.1",
        files={"etc/rc.local": (0o755, services)},
    )
    assert host.run("cat /proc/1/cmdline | tr '\\0' ' '") == f"{TOOLS}/machine init"
    assert "10.20.3.9/24 brd 10.20.3.255" in host.run("ip -4 address show eth0")
    assert "default via 10.20.3.1 dev eth0" in host.run("ip route")
    host.wait("ls /run/started; pgrep -xc sleep", "/run/started\n1")
    assert "Z" not in host.run("ps -eo stat=")
    before = time.monotonic()
    host.container.stop(timeout=10)
    assert time.monotonic() - before < 5
    host.container.reload()
    assert host.container.attrs["State"]["ExitCode"] == 0


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("INTERNBOX_KEY", "", "INTERNBOX_KEY is not set"),
        ("INTERNBOX_INIT", "sysv", "sysv is neither systemd nor none"),
        ("INTERNBOX_CREATED", "soon", "INTERNBOX_CREATED is not a time"),
        ("INTERNBOX_HOSTKEY", "?", "INTERNBOX_HOSTKEY is not base64"),
        ("INTERNBOX_SEAL", "", "INTERNBOX_SEAL is not set"),
        ("INTERNBOX_SEAL", "short", "INTERNBOX_SEAL is not of 64 characters"),
        ("INTERNBOX_HOSTNAME", "", "INTERNBOX_HOSTNAME is not set"),
        ("INTERNBOX_DOORS", "2222", "2222 is not two ports"),
        ("INTERNBOX_DOORS", "0,2200", "is not two ports"),
        ("INTERNBOX_DOORS", "2222,65536", "is not two ports"),
        ("INTERNBOX_WIRES", "sixteen-letters0,w1,02:00:00:00:00:01,,", "sixteen-letters0,w1"),
        ("INTERNBOX_WIRES", "lan0,sixteen-letters0,02:00:00:00:00:01,,", NO_WIRE),
        ("INTERNBOX_WIRES", "lan%d,w1,02:00:00:00:00:01,,", NO_WIRE),
        ("INTERNBOX_WIRES", "lan0,w1,02:00:00:00:00,,", NO_WIRE),
        ("INTERNBOX_WIRES", "lan0,w1,02:00:00:00:00:01,10.0.0.300/24,", NO_WIRE),
        ("INTERNBOX_WIRES", "lan0,w1,02:00:00:00:00:01,10.0.0.1,", NO_WIRE),
        ("INTERNBOX_WIRES", "lan0,w1,02:00:00:00:00:01", NO_WIRE),
    ],
)
def test_a_wrong_environment_is_refused_in_words(
    lab: Lab, variable: str, value: str, message: str
) -> None:
    machine = lab.create("env", environment={variable: value})
    machine.container.update(restart_policy={"Name": "no"})
    machine.container.start()
    assert machine.container.wait(timeout=10)["StatusCode"] == 1
    assert message in machine.container.logs().decode()
