"""Waits until a machine that has booted is settled, or ready for its learner."""

from __future__ import annotations

import shlex
import time
from contextlib import suppress

from sandbox import ssh
from sandbox.errors import MachineError, Unreachable

BOOT_SECONDS = 60.0  # a machine that has not answered by then will not
SETTLE_SECONDS = 20.0  # for units still starting after the banner
POLL_SECONDS = 0.06
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


def wait_ready(link: ssh.Connection, host: str, conditions: list[str]) -> None:
    """Waits for `tcp:PORT`, `unit:NAME` and `file:PATH`; MachineError names what never came.

    `login:PORT` is for a door that a fault may have shut: it waits no longer than the boot does.
    """
    begun = time.monotonic()
    deadline = begun + BOOT_SECONDS
    waiting = list(conditions)
    while waiting:
        # each question takes processor time from the boot: none before it can be over, few later
        time.sleep(min(0.5, max(POLL_SECONDS, (time.monotonic() - begun) / 6)))
        late = time.monotonic() > begun + LATE_SECONDS
        missing = link.run(_question(waiting, late=late), timeout=BOOT_SECONDS).stdout.split()
        waiting = [waiting[int(index)] for index in missing]
        if waiting and time.monotonic() > deadline:
            raise MachineError(
                f"{host} booted, but never became ready: {', '.join(waiting)}",
                hint="internbox doctor; an author checks hosts.<host>.ready with every fault",
            )


def _question(conditions: list[str], *, late: bool) -> str:
    """A script that prints the numbers of those that do not hold.

    What asks systemd takes 15 ms of processor time each: it waits until all else holds, or it is
    late.
    """
    ports, rest = [], []
    for index, condition in enumerate(conditions):
        kind, _, what = condition.partition(":")
        word = shlex.quote(what)
        if kind in ("tcp", "login"):
            ended = f" || {BOOTED}" if kind == "login" and late else ""
            ports.append(f"listens {word}{ended} || {{ echo {index}; early={'' if late else 1}; }}")
        else:
            probe = f"systemctl is-active --quiet {word}" if kind == "unit" else f"[ -e {word} ]"
            rest.append(f'[ -z "$early" ] && {probe} || echo {index}')
    return "\n".join([LISTENS, "early=", *ports, *rest])
