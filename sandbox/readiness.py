"""Waits until a machine that has booted is settled, or ready for its learner."""

from __future__ import annotations

import shlex
from contextlib import suppress

from sandbox import ssh
from sandbox.errors import HostFull, MachineError, Unreachable

BOOT_SECONDS = 60.0  # a machine that has not answered by then will not
ANSWER_SECONDS = 10.0  # for a question to a machine that is busy
SETTLE_SECONDS = 20.0  # for units still starting after the banner
POLL_SECONDS = 0.05
LATE_SECONDS = 1.0  # most machines are ready by then

_STATE = (
    "case $(systemctl is-system-running {} 2>/dev/null) in "
    "running|degraded|maintenance) ;; *) false ;; esac"
)
BUS = "/run/dbus/system_bus_socket"
BOOTED = _STATE.format("")
SETTLED = f"""
for _ in {{1..50}}; do
    [ -S {BUS} ] && break
    sleep 0.1
done
until {_STATE.format("--wait")} || {{ sleep 0.2; {BOOTED}; }}; do :; done
"""


INOTIFY = "the engine's host has no inotify instances left"  # as images/machine/src/init.c says


def require_inotify(host: str, console: str) -> None:
    """HostFull when the last that a machine said is that it cannot boot for want of them."""
    if INOTIFY in console.rstrip().rpartition("\n")[2]:
        raise HostFull(
            f"{host} cannot boot: {INOTIFY}",
            hint="sudo sysctl fs.inotify.max_user_instances=8192 (internbox doctor --fix), "
            "or stop attempts that are not needed",
        )


def settle(link: ssh.Connection) -> None:
    """Waits until no unit is starting any more; a degraded machine has settled, too.

    `--wait` waits in one go, but fails at once while there is no D-Bus, or where it is broken: then
    it asks again and again.
    """
    try:
        link.run(SETTLED, timeout=SETTLE_SECONDS)
    except ssh.CommandTimeout:
        return  # something starts for ever: the checks will say what they miss


def settle_at(endpoint: ssh.Endpoint, *, seconds: float) -> None:
    """The same for a machine that need not answer: what that means is for others to say."""
    with (
        suppress(Unreachable, ssh.CommandTimeout),
        ssh.connect(endpoint, deadline=seconds) as link,
    ):
        settle(link)


LISTENS = """
listens() {
    printf -v port :%04X "$1"
    for file in /proc/net/tcp /proc/net/tcp6; do
        [[ -r $file ]] || continue
        mapfile -t rows < "$file"  # line by line, each line would make the kernel begin anew
        for row in "${rows[@]}"; do
            word=($row)
            [[ ${word[3]} = 0A && ${word[1]} = *"$port" ]] && return
        done
    done
    return 1
}
"""  # `ss` would ask the kernel for every socket, many times while a machine boots


def wait_ready(link: ssh.Connection, host: str, conditions: list[str], *, then: str = "") -> str:
    """Waits for `tcp:PORT`, `unit:NAME` and `file:PATH`, and returns what the command `then`
    prints; MachineError names what never came.

    `login:PORT` is for a door that a fault may have shut: it waits no longer than the boot does.
    """
    asked = link.run(_waiting(conditions) + then, timeout=BOOT_SECONDS + ANSWER_SECONDS)
    numbers, _, told = asked.stdout.partition("\n")
    if missing := [conditions[int(index)] for index in numbers.split()]:
        raise MachineError(
            f"{host} booted, but never became ready: {', '.join(missing)}",
            hint="internbox doctor; an author checks hosts.<host>.ready with every fault",
        )
    return told


def _waiting(conditions: list[str]) -> str:
    """A script that waits until all hold, and prints the numbers of those that never did.

    It waits in the machine, since each question from here takes processor time from the boot. What
    asks systemd takes 15 ms of it each: that waits until all else holds, or it is late.
    """
    ports, rest = [], []
    for index, condition in enumerate(conditions):
        kind, _, what = condition.partition(":")
        word = shlex.quote(what)
        if kind in ("tcp", "login"):
            ended = f" || {{ $late && {BOOTED}; }}" if kind == "login" else ""
            ports.append(f'listens {word}{ended} || missing+=" {index}"')
        else:
            probe = f"systemctl is-active --quiet {word}" if kind == "unit" else f"[ -e {word} ]"
            rest.append(f'{probe} || missing+=" {index}"')
    return WAITING.format(
        listens=LISTENS,
        ports="\n    ".join(ports),
        rest="\n        ".join(rest or [":"]),
        late=int(LATE_SECONDS * 1e6),
        boot=int(BOOT_SECONDS * 1e6),
        poll=POLL_SECONDS,
    )


WAITING = """{listens}
begun=${{EPOCHREALTIME/[.,]/}} late=false pause={poll}
exec {{never}}<> <(:)  # nothing ever comes from it: a pause that costs no process
while :; do
    missing=
    {ports}
    if $late || [ -z "$missing" ]; then
        {rest}
    fi
    [ -z "$missing" ] && break
    passed=$(( ${{EPOCHREALTIME/[.,]/}} - begun ))
    if ! $late && (( passed > {late} )); then
        late=true pause=0.5
        continue
    fi
    (( passed > {boot} )) && break
    read -rt "$pause" -u "$never"
done
echo $missing
"""
