"""brute-force-response: the intruder is out for good, everybody else in, the evidence kept."""

import re

import pytest

pytestmark = pytest.mark.scenario("security/brute-force-response")

KEYS = "/run/grader-keys"  # on hidden hosts only
CARRIER = "192.0.2.241"
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

# The password is answered by a program, as ssh asks a window for it.
BY_PASSWORD = """
printf '#!/bin/sh\\necho "$WORD"\\n' > /run/grader-answer && chmod 700 /run/grader-answer
WORD=%s SSH_ASKPASS=/run/grader-answer SSH_ASKPASS_REQUIRE=force setsid -w \
ssh -n -F /dev/null -o PubkeyAuthentication=no -o NumberOfPasswordPrompts=1 -o ConnectTimeout=5 \
-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR %s@%s id
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


def answer(host, source, address, port):
    """The first words that a service says to `source`."""
    return host.run(PROBE, source, address, port).stdout


def ordinary(params):
    """The lines of the ordinary logins, each with the key that lies in its account."""
    accepted = re.compile(r"(Accepted publickey for (\w+)\S* .*)SHA256:\S+")

    def with_key(found):
        return found[1] + getattr(params, f"{found[2]}_key").fingerprint

    return {accepted.sub(with_key, line) for line in params.noise.splitlines()}


def logged(gate, folder):
    """All lines of the authentication logs in a folder of gate, compressed ones included."""
    command = 'for f in %s/auth.log*; do zcat -f -- "$f"; done'
    return set(gate.run(command, folder, limit=8_000_000).lines)


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
    by_word = desk.run(BY_PASSWORD, params.weak_password, user, params.gate_office)
    assert "uid=" not in by_word.stdout, "the account that fell still opens by its password"
    running = gate.run("ps -o args= -u %s", user).stdout.strip()
    assert not running, f"something still runs under the account that fell: {running[:80]}"


@pytest.mark.check("keys-clean", points=25)
def test_the_intruders_key_opens_nothing(hosts, params):
    """The intruder's key opens no account, and lies in none."""
    blob = params.attacker_key.public.split()[1]
    files = "/root/.ssh /home/*/.ssh /srv/courier/.ssh /var/lib/monitor/.ssh /etc/ssh"
    found = hosts["gate"].run(f"grep -rlF %s {files} 2> /dev/null", blob).lines
    assert not found, "a key that the intruder put there still lies in an account of gate"
    users = [params.victim, "courier", "root", "intern"]
    key, address = params.attacker_key.private, params.gate_address
    opened = let_in(hosts["outside"], key, users, address, params.home)
    assert not opened, "the intruder's key still opens an account of gate"


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
def test_everybody_else_gets_in(hosts, params):
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


@pytest.mark.guard("courier-works", cap=60)
def test_the_carriers_still_deliver(hosts, params):
    """The carriers' account goes on working with the carriers' key."""
    key, address = params.courier_key.private, params.gate_address
    opened = let_in(hosts["outside"], key, ["courier"], address, CARRIER)
    assert opened, "the carriers' scripts no longer get in as courier with their own key"


@pytest.mark.guard("evidence", cap=50)
def test_the_evidence_is_kept(hosts, params):
    """Logs, histories, the officer's copy and what was left behind are all still there."""
    gate = hosts["gate"]
    wanted = ordinary(params)
    fell = f"Accepted password for {params.victim} from {params.attacker} "
    tried = f"Failed password for {params.victim} from {params.attacker} "
    for folder in ("/var/log", f"/srv/evidence/INC-{params.case}"):
        lines = logged(gate, folder)
        assert wanted <= lines, f"lines are missing from the authentication logs in {folder}"
        tries = sum(tried in line for line in lines)
        assert tries >= params.tries, f"lines of the break-in are missing from the logs in {folder}"
        assert any(fell in line for line in lines), f"the break-in is missing from {folder}"
    for what, words in {
        "the history of the account that fell": f"{params.attacker}:8443/f/",
        "what was left behind": f"# {params.mark}",
    }.items():
        assert gate.run(KEPT, words).lines, f"{what} is evidence, and it is gone from the machine"
