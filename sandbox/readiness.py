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

_STATE = (
    "case $(systemctl is-system-running {} 2>/dev/null) in "
    "running|degraded|maintenance) ;; *) false ;; esac"
)
BOOTED = _STATE.format("")
SETTLED = f"until {_STATE.format('--wait')} || {{ sleep 0.2; {BOOTED}; }}; do :; done"


def settle(link: ssh.Connection) -> None:
    """Waits until no unit is starting any more; a degraded machine has settled, too.

    `--wait` waits in one go, but fails at once while D-Bus has not started, or where it is broken:
    then it asks again and again.
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
        probes = [f"{_probe(item)} || echo {index}" for index, item in enumerate(waiting)]
        missing = link.run("\n".join([LISTENS, *probes]), timeout=BOOT_SECONDS).stdout.split()
        waiting = [waiting[int(index)] for index in missing]
        if waiting and time.monotonic() > deadline:
            raise MachineError(
                f"{host} booted, but never became ready: {', '.join(waiting)}",
                hint="internbox doctor; an author checks hosts.<host>.ready with every fault",
            )


def _probe(condition: str) -> str:
    kind, _, what = condition.partition(":")
    word = shlex.quote(what)
    return {
        "tcp": f"listens {word}",
        "login": f"listens {word} || {BOOTED}",
        "unit": f"systemctl is-active --quiet {word}",
        "file": f"[ -e {word} ]",
    }[kind]
