"""disk-full: the depot takes delivery notes again, and what filled it does so no more."""

import hashlib
import struct
import time
from itertools import pairwise
from secrets import token_hex

import pytest

pytestmark = pytest.mark.scenario("linux/disk-full")

DEPOT = "/srv/depot"
MIB = 1 << 20
BATCH = 12  # notes of 200 kB: more than a rotation that happens to run gives back
WATCH_SECONDS = 8  # a writer without bounds writes 4 MB in that time
UNBOUNDED = 3 * MIB
IDLE_MINUTES = 20  # for which a scanner stays logged in; the intake's own sweep comes after thirty

SCANNER = """
ask() { nc -N -w 5 "$1" "$2"; }
session=$(printf 'HELLO desk\\n' | ask "$1" "$2"); echo "$session"
case $session in 'session '*) session=${session#session } ;; *) exit 0 ;; esac
head -c 200000 /dev/urandom > /tmp/note; sha256sum < /tmp/note
i=0; while [ $i -lt "$4" ]; do
    { printf 'STORE %%s %%s-%%s.pdf\\n' "$session" "$3" $i; cat /tmp/note; } | ask "$1" "$2"
    i=$((i + 1))
done
printf 'BYE %%s\\n' "$session" | ask "$1" "$2" > /dev/null; rm -f /tmp/note
"""

# What grows: large files on the volume, those without a name included, and the file system itself.
SNAPSHOT = """
stat -f -c 'volume %%S %%b %%a %%c %%d' %s
find %s -xdev -type f -size +1000k -printf '%%i %%s %%p\\n'
find /proc/[0-9]*/fd -lname %s 2> /dev/null |
    while read -r fd; do stat -L -c "%%i %%s $(readlink "$fd")" "$fd" 2> /dev/null; done
true
"""


def address(params):
    return params.files_address, params.port


def snapshot(hosts):
    """Of the depot: its five numbers, and size and name of each large file by inode number."""
    first, *rest = hosts["files"].run(SNAPSHOT, DEPOT, DEPOT, DEPOT + "/* (deleted)").lines or [""]
    assert first.startswith("volume "), f"{DEPOT} cannot be looked at"
    size, total, free, inodes, free_inodes = map(int, first.split()[1:])
    files = {}
    for line in rest:
        number, length, name = line.split(" ", 2)
        files[number] = (int(length), name)
    volume = {
        "total": size * total,
        "free": size * free,
        "inodes": inodes,
        "free inodes": free_inodes,
    }
    return volume, files


@pytest.mark.check("save", points=25, within=8)
def test_a_batch_is_stored(hosts, params):
    """The dock's scanners store a whole batch of delivery notes."""
    desk, files = hosts["desk"], hosts["files"]
    name = f"check-{token_hex(4)}"
    script = "set -- %s %s %s %s\n" + SCANNER
    try:
        said = desk.run(script, *address(params), name, BATCH, timeout=25).lines
        found = files.run(
            "find %s -type f -name %s -exec sha256sum '{}' +", DEPOT + "/scans", f"{name}-*.pdf"
        ).lines
    finally:
        files.run("find %s -name %s -delete", DEPOT + "/scans", f"*{name}-*")
    assert any(said[:1]), f"nothing answers at {params.files_address} port {params.port}"
    answers = [line for line in (said[0], *said[2:]) if line[:7] not in ("session", "stored ")]
    assert not answers, f"a scanner is told: {answers[0]}"
    whole = [line for line in found if line.split()[0] == said[1].split()[0]]
    assert len(whole) == BATCH, (
        f"of {BATCH} notes that a scanner sent, {len(whole)} lie whole in {DEPOT}/scans"
    )


def endless(looks):
    """Name and size of each file that was large, and larger, at each look after the first."""
    found = dict(looks[-1])
    for before, after in pairwise(looks):
        for number in list(found):
            size, _ = after.get(number, (0, ""))
            if size < UNBOUNDED or size - before.get(number, (0, ""))[0] < MIB // 2:
                del found[number]
    return [f"{name} ({size // MIB} MB)" for size, name in found.values()]


def hello_of_an_idle_scanner(hosts, params):
    """The session of a scanner that nobody has touched for a while; empty when there is none."""
    hello = hosts["desk"].run("printf 'HELLO watch\\n' | nc -N -w 5 %s %s", *address(params))
    session = hello.stdout.strip().removeprefix("session ")
    age = "find %s -maxdepth 1 -name %s -exec touch -d %s '{}' +"
    hosts["files"].run(age, f"{DEPOT}/sessions", f"sess_{session}", f"{IDLE_MINUTES} minutes ago")
    return session


@pytest.mark.check("stays", points=50, needs="save")
def test_it_does_not_fill_again(hosts, params):
    """What filled the depot does so no more, and a scanner may still rest for a while."""
    before, files_before = snapshot(hosts)
    mended = "; what filled it may be mended, but what it left is still there"
    assert before["free"] > MIB, f"the depot is full{mended}"
    assert before["free inodes"] > 20, f"the depot has no inode left{mended}"
    session = hello_of_an_idle_scanner(hosts, params)
    looks = [files_before]
    for _ in range(2):  # twice: on a slow machine, rotation may come a little late
        time.sleep(WATCH_SECONDS)
        after, files_after = snapshot(hosts)
        looks.append(files_after)
        assert after["free"] > MIB, "the depot is full again"
        made = before["free inodes"] - after["free inodes"]
        assert made < 60, f"within seconds {made} files were made that nobody took away"
        if not endless(looks):
            break
    growing = endless(looks)
    assert not growing, f"it grows and grows, and nothing takes care of it: {', '.join(growing)}"
    store = "printf 'STORE %%s watch-%%s.txt\\nstill here\\n' %s %s | nc -N -w 5 %s %s"
    kept = hosts["desk"].run(store, session, session, *address(params)).stdout.strip()
    hosts["desk"].run("printf 'BYE %%s\\n' %s | nc -N -w 5 %s %s", session, *address(params))
    hosts["files"].run("find %s -name %s -delete", DEPOT + "/scans", f"watch-{session}.txt")
    assert kept.startswith("stored "), (
        f"a scanner that was idle for {IDLE_MINUTES} minutes hears: {kept}"
    )


# Asked several times: rotation may be restarting a service, and right after it there is no file for
# a moment, or an empty one. Where nothing can be written, that is no service's doing.
WRITES = """
set -- %s %s %s
full() { set -- $(stat -f -c '%%a %%d' "${1%%/*}"); [ "$1" -lt 16 ] || [ "$2" -eq 0 ]; }
for _ in 1 2 3 4 5 6 7 8 9 10; do
    state=$(systemctl is-active "$1")
    if [ "$state" != active ]; then
        said="$1 is $state"
    elif ! [ -f "$2" ] || [ -L "$2" ]; then
        said="$1 is active, and $2 is not there as a file"
    elif ! [ -s "$2" ] || [ -z "$(find "$2" -newermt '6 seconds ago')" ]; then
        said="$1 is active, and nothing is written to $2"
    elif ! tail -c 300000 "$2" | grep -aq "$3"; then
        said="$1 is active, and what is written to $2 is not from it"
    else
        exit 0
    fi 2> /dev/null
    sleep 0.5
done
full "$2" && said="$said: the volume is full, though what filled it may be mended"
echo "$said"
exit 1
"""


@pytest.mark.check("room", points=10, within=8, needs="stays")
def test_there_is_room(hosts):
    """A quarter of the depot is free, of its blocks and of its files, and not for the moment."""
    volume, _ = snapshot(hosts)
    for free, total, what in (
        ("free", "total", "space"),
        ("free inodes", "inodes", "number of files (df -i)"),
    ):
        percent = 100 * volume[free] // volume[total]
        assert percent >= 25, f"of the depot's {what} only {percent} per cent are free"


# After `stays`, which takes its time: a writer that has just begun is in the right file anyway,
# and what counts is where it writes once that has been rotated.
@pytest.mark.check("writers", points=15, needs="save")
def test_labels_and_gate_are_written(hosts):
    """label-bridge and gate-recorder run and write where they always wrote."""
    for service, path, word in (
        ("label-bridge.service", f"{DEPOT}/log/label-bridge.log", "printer=LP"),
        ("gate-recorder.service", f"{DEPOT}/gate/gate.trace", "frame="),
    ):
        written = hosts["files"].run(WRITES, service, path, word)
        assert written.rc == 0, written.stdout.strip()


def audit_lines(start, now, count=30000):
    """The customs audit log as it was laid down."""
    number = start
    for index in range(1, count + 1):
        number = number * 16807 % 2147483647
        who = ("kwame.mensah", "ewa.kaminska")[number % 2]
        state = ("accepted", "accepted", "accepted", "released", "amended")[number % 5]
        yield (
            f"{index:07d} at={now - (count - index) * 97} mrn=26NL{number:010d} "
            f"declarant={who} state={state}\n"
        )


@pytest.mark.guard("audit", cap=20)
def test_the_audit_log_is_untouched(hosts, params, anchor):
    """The customs audit log is there, whole and unchanged."""
    path = f"{DEPOT}/audit/customs-audit.log"
    expected = "".join(audit_lines(params.audit_start, int(anchor.timestamp()))).encode()
    read = "test ! -L %s && head -c %s %s | sha256sum && stat -c '%%U %%a' %s"
    said = hosts["files"].run(read, path, len(expected), path, path)
    digest, _, owner = said.stdout.partition("\n")
    assert said.rc == 0, f"{path} is not there as the file it was"
    assert digest.split()[0] == hashlib.sha256(expected).hexdigest(), f"{path} is not as it was"
    assert owner.strip() == "root 640", f"{path} has another owner or mode than it had"


def notes(first):
    """Name and content of each delivery note, as they were laid down."""
    words, word = [], first
    for _ in range(1021):
        word = word * 16807 % 2147483647
        words.append(word)
    pages = struct.pack(">1021I", *words) * 23
    for index in range(120):
        content = b"%%PDF-1.4\nnote %d\n" % (first + index) + pages
        yield f"note-{first + index}.pdf", content[: 50009 + index * 7919 % 40000]


@pytest.mark.guard("notes-kept", cap=30)
def test_the_notes_are_kept(hosts, params):
    """Every delivery note that was in the depot is still there, and whole."""
    listed = hosts["files"].run(
        "find %s -type f -name 'note-*.pdf' -exec sha256sum '{}' +", DEPOT + "/scans"
    )
    found = {path.rpartition("/")[2]: digest for digest, path in map(str.split, listed.lines)}
    for name, content in notes(params.first_scan):
        whole = found.get(name) == hashlib.sha256(content).hexdigest()
        assert whole, f"the delivery note {name} is gone from {DEPOT}/scans, or not as it was"


SCANNERS = 14

# A regrade has a dock of its own, which never met these sessions. Who had to log in anew, because
# the machine itself had forgotten him, has another session there, of his name.
LOGGED_IN = (
    ". /etc/intake/intake.conf && find \"$SESSIONS\" -name 'sess_*' -exec grep -hs ^who= '{}' +"
)


@pytest.mark.guard("scanners-in", cap=60)
def test_nobody_is_logged_out(hosts):
    """The scanners that are in use at the dock stay logged in."""
    told = hosts["desk"].run("/opt/dock/scanners now", timeout=40)
    states = dict(line.split() for line in told.lines)
    if len(states) != SCANNERS:
        raise RuntimeError(f"the desk does not know its scanners: {told.stdout}{told.stderr}")
    there = hosts["files"].run(LOGGED_IN).lines if "new" in states.values() else []
    out = [
        name
        for name, state in states.items()
        if state == "out" or (state == "new" and f"who={name}" not in there)
    ]
    assert not out, (
        f"logged out, though somebody at the dock is working with it: {', '.join(out)}"
        f" (what is theirs in {DEPOT}/sessions, the runbook says)"
    )
