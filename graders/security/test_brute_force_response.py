"""brute-force-response: the intruder is out for good, everybody else in, the evidence kept."""

import re
from datetime import datetime, timedelta
from ipaddress import ip_address

import pytest

pytestmark = pytest.mark.scenario("security/brute-force-response")

KEYS = "/run/grader-keys"  # on hidden hosts only
CARRIER = "192.0.2.241"
SECOND = timedelta(seconds=1)
PEOPLE = [  # in the order of their user ids, from 1001
    *("samuel.okafor", "ines.carvalho", "bram.vermeulen", "tomasz.wrona", "leila.haddad"),
    *("sanne.dewit", "owen.maddox", "emil.novotny", "zoe.papadakis"),
    *("jonas.eriksen", "daniel.roth"),
]
PROBE = "nc -nN -w 2 -s %s %s %s < /dev/null 2> /dev/null | head -c 60"
# All at once, because what is dropped is waited for.
KNOCK = """
edi=%s from=%s to=%s
for port in 22 "$edi"; do nc -nN -w 2 -s "$from" "$to" "$port" < /dev/null 2> /dev/null & done
ping -n -c 1 -W 2 -I "$from" "$to" &
wait
"""
# `id` says who got in.
LOG_IN = """
key=%s users=%s address=%s source=%s
for user in $users; do
    ssh -n -F /dev/null ${source:+-b "$source"} -i "$key" -o IdentitiesOnly=yes -o BatchMode=yes \
        -o ConnectTimeout=5 -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
        -o LogLevel=ERROR "$user@$address" id &
done
wait
"""

# Tries one more key on an account, in a file of its own that sshd reads beside authorized_keys.
LEND_KEY = """
user=%s key=%s
home=$(getent passwd "$user" | cut -d : -f 6)
[ -d "$home" ] || exit 0
if [ ! -d "$home/.ssh" ]; then
    mkdir -m 700 "$home/.ssh"
    touch "$home/.ssh/.lent"
    chown -R "$user:" "$home/.ssh"
fi
echo "$key" > "$home/.ssh/authorized_keys2"
chown "$user:" "$home/.ssh/authorized_keys2"
chmod 600 "$home/.ssh/authorized_keys2"
"""
TAKE_KEY_BACK = """
home=$(getent passwd %s | cut -d : -f 6)
[ -n "$home" ] || exit 0
rm -f "$home/.ssh/authorized_keys2"
[ -e "$home/.ssh/.lent" ] && rm -r "$home/.ssh"
true
"""

KEYS_OF = """
home=$(getent passwd %s | cut -d : -f 6)
[ -z "$home" ] || cat "$home/.ssh/authorized_keys" "$home/.ssh/authorized_keys2" 2> /dev/null
"""

# The password is answered by a program, as ssh asks a window for it. Nothing can be run in /run.
BY_PASSWORD = """
printf '#!/bin/sh\\necho "$WORD"\\n' > /root/grader-answer && chmod 700 /root/grader-answer
WORD=%s SSH_ASKPASS=/root/grader-answer SSH_ASKPASS_REQUIRE=force setsid -w \
ssh -n -F /dev/null -o PubkeyAuthentication=no -o NumberOfPasswordPrompts=1 -o ConnectTimeout=5 \
-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -b %s %s@%s id
"""

# The oldest first. Rotated files have other names, and what was compressed may be unpacked.
LOGS = """
find /var/log -maxdepth 1 -type f -name 'auth.log*' -print0 | sort -zrV | xargs -0 zcat -f --
"""
COPY = """
cd %s && sha256sum --check --strict --quiet SHA256SUMS >&2 &&
zcat -f auth.log.3.gz auth.log.2.gz auth.log.1 auth.log
"""

# Evidence may be packed: what tar and gzip, or xz, made is looked into.
KEPT = """
words=%s
grep -rlF -m 1 -- "$words" /home /root /srv /opt /usr/local /etc /var 2> /dev/null
unpacked() { find /home /root /srv -type f -name "*$2" -exec "$1" {} + 2> /dev/null; }
{ unpacked zcat gz; unpacked xzcat xz; } | grep -aqF -- "$words" && echo packed
"""


def intruders(params, fault):
    """The addresses that got in and should not have."""
    return [params.attacker, *([params.second] if fault == "key-left-behind" else [])]


def let_in(host, key, users, address, source=""):
    """Does one of `users` get in at `address` by a private key."""
    path = f"{KEYS}/key"
    host.run("mkdir -p -m 700 %s", KEYS)
    host.put(path, key, mode=0o600)
    said = host.run(LOG_IN, path, " ".join(users), address, source).stdout
    host.run("rm -f %s", path)
    return "uid=" in said


def let_in_by_password(host, password, user, address, source):
    """Does `user` get in at `address` by a password."""
    return "uid=" in host.run(BY_PASSWORD, password, source, user, address).stdout


def answer(host, source, address, port):
    """The first words that a service says to `source`."""
    return host.run(PROBE, source, address, port).stdout


def neighbours(params, fault):
    """The addresses next to the intruder's: whatever is blocked beside those has one of them."""
    return [str(ip_address(one) + step) for one in intruders(params, fault) for step in (-1, 1)]


# --- the log as it was laid, line by line; hosts/gate/offline.sh.j2 writes the same --------------


def laid(params, fault, anchor):
    """All lines of the authentication log when gate was handed over, in their order."""
    lines = [*ordinary(params), *extraordinary(params, fault, anchor)]
    return sorted(lines, key=lambda line: line.split()[0])


def ordinary(params):
    """The lines of the ordinary logins, each with the key that lies in its account."""
    accepted = re.compile(r"(Accepted publickey for (\w+)\S* .*)SHA256:\S+")

    def with_key(found):
        return found[1] + getattr(params, f"{found[2]}_key").fingerprint

    return [accepted.sub(with_key, line) for line in params.noise.splitlines()]


def extraordinary(params, fault, anchor):
    """The lines of all others, in the order in which they are written."""
    events = [
        *guessing(params),
        *break_in(params, fault),
        *return_visits(params, fault),
        *carriers(params, anchor),
        *loudest(params, anchor),
        *fumbling(params),
    ]
    return [
        f"{when.isoformat()[:19]}.{(n * 7919 + 13) * 131 % 1000000:06d}{when.isoformat()[-6:]}"
        f" gate {said}"
        for when, n, said in events
    ]


def uid(user):
    return 1001 + PEOPLE.index(user) if user in PEOPLE else 950


def opened(user):
    return (
        f"pam_unix(sshd:session): session opened for user {user}(uid={uid(user)}) by {user}(uid=0)"
    )


def closed(user):
    return f"pam_unix(sshd:session): session closed for user {user}"


def guessing(params):
    begun, user = params.fell - SECOND * (params.tries * params.pace), params.victim
    names = ("root", "admin", "root", "test", "ubuntu", "oracle", "root", "git")
    for n, name in enumerate(names, start=1):
        when = begun - SECOND * (44 - n * 4)
        sshd, place = f"sshd-session[{21800 + n}]:", f"{params.attacker} port {41200 + n * 14}"
        if name == "root":
            yield when, n, f"{sshd} Failed password for root from {place} ssh2"
        else:
            yield when, n, f"{sshd} Invalid user {name} from {place}"
            said = f"Failed password for invalid user {name} from {place} ssh2"
            yield when + SECOND, n, f"{sshd} {said}"
    for k in range(params.tries):
        when = begun + SECOND * (k * params.pace + k * 7 % (params.pace - 2))
        sshd = f"sshd-session[{21820 + k // 3}]:"
        place = f"{params.attacker} port {42000 + k // 3 * 26}"
        yield when, k, f"{sshd} Failed password for {user} from {place} ssh2"
        if k % 3 == 2:
            said = f"Connection closed by authenticating user {user} {place} [preauth]"
            yield when + SECOND, k, f"{sshd} {said}"


def break_in(params, fault):
    fell, user, sshd = params.fell, params.victim, "sshd-session[21992]:"
    place = f"{params.attacker} port 46610"
    yield fell, 77, f"{sshd} Accepted password for {user} from {place} ssh2"
    yield fell + SECOND, 99, f"{sshd} {opened(user)}"
    if fault == "key-left-behind":
        yield from as_root(params)
        said = f"passwd[4417]: pam_unix(passwd:chauthtok): password changed for {user}"
        yield fell + SECOND * 188_420, 5, said
    left = fell + SECOND * (params.stayed * 60 + 11)
    yield left, 11, f"sshd-session[22003]: Disconnected from user {user} {place}"
    yield left + SECOND, 31, f"{sshd} {closed(user)}"


def as_root(params):
    user, unit = params.victim, params.unit
    session = "sudo: pam_unix(sudo:session): session"
    for seconds, folder, command in [
        (99, "", "id"),
        (236, "/.x", "tee -a /srv/courier/.ssh/authorized_keys"),
        (290, "/.x", f"mkdir -p /usr/local/lib/{unit}"),
        (291, "/.x", f"cp run /usr/local/lib/{unit}/run"),
        (395, "/.x", f"cp {unit}.service {unit}.timer /etc/systemd/system/"),
        (396, "/.x", f"systemctl enable --now {unit}.timer"),
    ]:
        when, home = params.fell + SECOND * seconds, f"/home/{user}{folder}"
        where = f"TTY=pts/1 ; PWD={home} ; USER=root ; COMMAND=/usr/bin/{command}"
        yield when, 6, f"sudo:  {user} : {where}"
        yield when, 7, f"{session} opened for user root(uid=0) by {user}(uid={uid(user)})"
        yield when, 8, f"{session} closed for user root"


def return_visits(params, fault):
    came, user, address = [(0, 9)], params.victim, params.attacker
    if fault == "key-left-behind":
        came, user, address = [(345_700, 6), (172_430, 17), (0, 9)], "courier", params.second
    key = f"ED25519 {params.attacker_key.fingerprint}"
    for n, (before, minutes) in enumerate(came, start=1):
        when, sshd = params.returned - SECOND * before, f"sshd-session[{30100 + n}]:"
        left, place = when + SECOND * (minutes * 60), f"{address} port {51010 + n * 88}"
        yield when, 17, f"{sshd} Accepted publickey for {user} from {place} ssh2: {key}"
        yield when + SECOND, 97, f"{sshd} {opened(user)}"
        yield left, 3, f"sshd-session[{30104 + n}]: Disconnected from user {user} {place}"
        yield left + SECOND, 23, f"{sshd} {closed(user)}"


def before(anchor, **distance):
    """An instant that much before the start; a day has 24 hours, whatever the clocks do."""
    return datetime.fromtimestamp(
        (anchor.timestamp() - timedelta(**distance).total_seconds()), anchor.tzinfo
    )


def carriers(params, anchor):
    key = f"ED25519 {params.courier_key.fingerprint}"
    for n in range(1, 20):
        night = before(anchor, days=n).replace(hour=23, minute=4 + n * 2, second=n * 3 % 60)
        if night < before(anchor, hours=2):
            sshd = f"sshd-session[{3300 + n * 7}]:"
            place = f"192.0.2.{240 + n % 3} port {38000 + n * 91}"
            yield night, n, f"{sshd} Accepted publickey for courier from {place} ssh2: {key}"
            yield night + SECOND, n, f"{sshd} {opened('courier')}"
            said = f"sshd-session[{3302 + n * 7}]: Disconnected from user courier {place}"
            yield night + SECOND * 31, n, said
            yield night + SECOND * 32, n, f"{sshd} {closed('courier')}"


def loudest(params, anchor):
    names = ("root", "admin", "root", "samuel.okafor", "ines.carvalho", params.victim, "root")
    names += ("postgres", params.fumbler, "root", "daniel.roth", "ubuntu")
    for k in range(330):
        name = names[k * 5 % 12]
        invalid = "invalid user " if name in ("admin", "postgres", "ubuntu") else ""
        when = before(anchor, hours=70) + SECOND * (k * 431 + k * k % 97)
        sshd = f"sshd-session[{25000 + k}]:"
        place = f"{params.scanner} port {33000 + k * 61 % 9000}"
        yield when, k, f"{sshd} Failed password for {invalid}{name} from {place} ssh2"
        said = f"Connection closed by {invalid or 'authenticating user '}{name} {place} [preauth]"
        yield when + SECOND * 2, k, f"{sshd} {said}"


def fumbling(params):
    user = params.fumbler
    for days in (0, 3, 4, 8):
        when, sshd = params.fumbled - SECOND * (86400 * days - days * 613), "sshd-session"
        place = f"from {params.home} port"
        for k in range(6 if days == 0 else days % 3):
            said = f"Failed password for {user} {place} {55210 + days} ssh2"
            yield when - SECOND * (70 - k * 11), k, f"{sshd}[{7100 + days}]: {said}"
        sshd = f"{sshd}[{7110 + days}]:"
        yield when, 7, f"{sshd} Accepted password for {user} {place} {55310 + days} ssh2"
        yield when + SECOND, 27, f"{sshd} {opened(user)}"
        yield when + SECOND * 2700, 7, f"{sshd} {closed(user)}"


def is_since(line, start):
    """Is a line of a log dated `start` or later."""
    try:
        return datetime.fromisoformat(line.split(" ")[0]).timestamp() >= start.timestamp()
    except ValueError:
        return False


@pytest.mark.check("intruder-blocked", points=30)
def test_the_intruder_gets_no_answer(hosts, params, fault):
    """The intruder's addresses get no answer from gate, on any port."""
    outside, gate = hosts["outside"], params.gate_address
    for address in intruders(params, fault):
        said = outside.run(KNOCK, params.edi_port, address, gate).stdout
        assert "SSH-" not in said, "gate still answers SSH to an address the intruder came from"
        assert "220 " not in said, "gate still answers EDI to an address the intruder came from"
        assert "1 received" not in said, (
            "gate still answers a ping from an address the intruder came from"
        )


@pytest.mark.check("account-closed", points=25)
def test_the_account_is_closed(hosts, params):
    """The account that fell lets nobody in, and nothing of it runs."""
    gate, desk, user = hosts["gate"], hosts["desk"], params.victim
    gate.run(LEND_KEY, user, params.trial_key.public)
    try:
        by_key = let_in(desk, params.trial_key.private, [user], params.gate_office)
    finally:
        gate.run(TAKE_KEY_BACK, user)
    assert not by_key, (
        "the account that fell still lets in who has a key in it: a locked password alone does "
        "not close an account"
    )
    address, source = params.gate_office, params.desk_address
    by_word = let_in_by_password(desk, params.weak_password, user, address, source)
    assert not by_word, "the account that fell still opens by its password"
    running = gate.run("ps -o args= -u %s", user).stdout.strip()
    assert not running, f"something still runs under the account that fell: {running[:80]}"


@pytest.mark.check("keys-clean", points=25)
def test_the_intruders_key_opens_nothing(hosts, params):
    """The intruder's key is in no account, and the owner's old one not in the account that fell."""
    blob = params.attacker_key.public.split()[1]
    files = "/root/.ssh /home/*/.ssh /srv/courier/.ssh /var/lib/monitor/.ssh /etc/ssh"
    found = hosts["gate"].run(f"grep -rlF %s {files} 2> /dev/null", blob).lines
    assert not found, "a key that the intruder put there still lies in an account of gate"
    users = [params.victim, "courier", "root", "intern"]
    key, address = params.attacker_key.private, params.gate_address
    opened = let_in(hosts["outside"], key, users, address, params.home)
    assert not opened, "the intruder's key still opens an account of gate"
    old = getattr(params, f"{params.victim.split('.')[0]}_key").public.split()[1]
    lines = hosts["gate"].run(KEYS_OF, params.victim).lines
    assert not [one for one in lines if old in one and not one.lstrip().startswith("#")], (
        "the account that fell still has the key that its owner had while the intruder was in"
    )


@pytest.mark.check("nothing-left", points=20)
def test_nothing_is_left_behind(hosts, params, fault):
    """What was left behind to keep the way open neither runs nor is started by anything."""
    gate = hosts["gate"]
    if fault == "password-guessed":
        jobs = "/var/spool/cron/crontabs /etc/crontab /etc/cron.*"
        planned = gate.run(f"grep -rhF %s {jobs} 2> /dev/null", f".{params.drop}/").lines
        assert not [one for one in planned if not one.lstrip().startswith("#")], (
            "a job that the intruder left is still there to be run by the clock"
        )
        running = gate.run("pgrep -f %s", f"{params.drop}/{params.drop} -w").stdout
        assert not running, "a program that the intruder left still runs"
    for kind in ("timer", "service"):
        unit = f"{params.unit}.{kind}"
        states = [gate.run(f"systemctl is-{what} %s", unit).rc for what in ("active", "enabled")]
        assert 0 not in states, "a unit that the intruder left is still active, or starts by itself"


@pytest.mark.guard("others-get-in", cap=40, within=5)
def test_everybody_else_gets_in(hosts, params, fault):
    """Customers, people at home and the office get in as before."""
    outside, desk = hosts["outside"], hosts["desk"]
    who = [
        ("a customer", outside, params.customer, params.gate_address),
        ("a colleague at home", outside, params.home, params.gate_address),
        ("the office", desk, params.desk_address, params.gate_office),
    ]
    for name, host, source, address in who:
        said = answer(host, source, address, 22)
        assert said.startswith("SSH-2.0"), f"{name} ({source}) no longer reaches SSH on gate"
        said = answer(host, source, address, params.edi_port)
        assert said.startswith("220"), f"{name} ({source}) no longer reaches EDI on gate"
    for source in neighbours(params, fault):
        said = answer(outside, source, params.gate_address, 22)
        assert said.startswith("SSH-2.0"), f"{source}, not the intruder's, no longer reaches gate"
    staff = "emil.novotny" if params.victim != "emil.novotny" else "zoe.papadakis"
    for user in ("ines.carvalho", staff):
        key = getattr(params, f"{user.split('.')[0]}_key").private
        assert let_in(desk, key, [user], params.gate_office), (
            f"{user} no longer gets in from the office with the key that lies in that account"
        )
    user, password = params.fumbler, params.new_password
    assert let_in_by_password(outside, password, user, params.gate_address, params.home), (
        f"{user} no longer gets in from home with a password"
    )


@pytest.mark.guard("courier-works", cap=60)
def test_the_carriers_still_deliver(hosts, params):
    """The carriers' account goes on working with the carriers' key."""
    key, address = params.courier_key.private, params.gate_address
    opened = let_in(hosts["outside"], key, ["courier"], address, CARRIER)
    assert opened, "the carriers' scripts no longer get in as courier with their own key"


@pytest.mark.guard("evidence", cap=50)
def test_the_evidence_is_kept(hosts, params, fault, anchor):
    """Logs, histories, the officer's copy and what was left behind are all still there."""
    gate = hosts["gate"]
    wanted = laid(params, fault, anchor)
    lines = gate.run(LOGS, limit=8_000_000).lines
    left = iter(lines)
    assert all(line in left for line in wanted), (
        "lines are missing from the authentication logs in /var/log, or stand in another order"
    )
    known = set(wanted)
    start = before(anchor, minutes=20)  # what was laid ends earlier, and a clock may be set
    added = [one for one in lines if one and one not in known and not is_since(one, start)]
    assert not added, f"a line in /var/log/auth.log* was not there before: {added[0][:100]}"
    copy = f"/srv/evidence/INC-{params.case}"
    copied = gate.run(COPY, copy, limit=8_000_000)
    untouched = copied.rc == 0 and copied.lines == wanted
    assert untouched, f"{copy}, the officer's copy, was changed"
    for what, words in {
        "the history of the account that fell": f"{params.attacker}:8443/f/",
        "what was left behind": f"# {params.mark}",
    }.items():
        assert gate.run(KEPT, words).lines, f"{what} is evidence, and it is gone from the machine"
