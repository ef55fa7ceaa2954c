"""How long ten ordinary checks take, quick and graded over a reboot."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from figures import Figure, figure, in_turn
from stage import HERE, Stage

STOCK = HERE / "stock" / "ten_checks.py"


def ten_checks(stage: Stage, repeats: int) -> Iterator[Figure]:
    """`check` beside stock pytest-testinfra on the same machine, then `grade` with its reboot."""
    _, attempt = stage.start("bench/ten-checks")
    name = attempt["attempt"]
    stage.call("check", name, "-q")
    stock = _stock_arguments(stage, name)
    ours, theirs = in_turn(
        repeats, lambda: stage.timed("check", name, "-q"), lambda: stage.python(*stock)
    )
    yield figure(
        "check, ten checks",
        ours,
        unit="s",
        baseline=theirs,
        limit=0.8,
        rule="whole process; the baseline is pytest --hosts=paramiko://",
    )
    yield figure(
        "check, against stock",
        ours,
        unit="s",
        baseline=theirs,
        limit=0.5 * median(theirs),
        rule="half of the median of pytest --hosts=paramiko://",
    )
    graded, _ = in_turn(repeats, lambda: stage.timed("grade", name, "-q"), lambda: 0.0)
    yield figure(
        "grade with its reboot",
        graded,
        unit="s",
        baseline=ours,
        limit=4.0,
        rule="whole process, one machine; the baseline is one check",
    )
    stage.stop([name])


def _stock_arguments(stage: Stage, attempt: str) -> list[str]:
    """The same ten, through the grader's own door, by pytest-testinfra as it comes."""
    _, record = stage.labs.machines(attempt)
    place = record.hosts["desk"].place
    key = stage.labs.home.attempt(attempt).grader_key
    return [
        *("-W", "ignore", "-m", "pytest", "-p", "testinfra.plugin", "-p", "no:cacheprovider", "-q"),
        f"--hosts=paramiko://root@{place.connect}:{place.grader_port}",
        f"--ssh-identity-file={key}",
        *("-c", "/dev/null", "--rootdir", str(STOCK.parent), "--noconftest", str(STOCK)),
    ]
