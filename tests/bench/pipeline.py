"""How long a pipeline waits for one scenario: start, fix, grade with its reboot, clean up."""

from __future__ import annotations

from collections.abc import Iterator

from figures import Figure, figure
from stage import Stage

from sandbox.paths import ScenarioFiles, builtin_content

LIMIT = 8.0
FIX = ScenarioFiles(builtin_content(), "linux/first-day").solution("zone-unset") / "mend.sh"


def one_scenario(stage: Stage, repeats: int) -> Iterator[Figure]:
    call = ("run", "linux/first-day", "--fix", f"desk={FIX}", "--seed", "bench", "-q")
    stage.call(*call)  # warm: images looked at, tools volume known
    yield figure(
        "run one scenario",
        [stage.timed(*call) for _ in range(repeats)],
        unit="s",
        limit=LIMIT,
        rule="whole process, one machine: start, fix, grade with its reboot, clean up",
    )
