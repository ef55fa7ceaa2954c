"""How long a pipeline waits for one scenario: start, fix, grade with its reboot, clean up."""

from __future__ import annotations

from collections.abc import Iterator

from figures import Figure, figure
from stage import Stage

LIMIT = 8.0
FIX = """\
#!/usr/bin/env bash
set -euo pipefail
sudo mkdir -p /etc/systemd/system/print-log.service.d
printf '[Service]\\nUnsetEnvironment=TZ\\n' |
    sudo tee /etc/systemd/system/print-log.service.d/zz-local-time.conf > /dev/null
sudo systemctl daemon-reload
sudo systemctl restart print-log
"""


def one_scenario(stage: Stage, repeats: int) -> Iterator[Figure]:
    fix = stage.root / "desk.sh"
    fix.write_text(FIX)
    call = ("run", "linux/first-day", "--fix", f"desk={fix}", "--seed", "bench", "-q")
    stage.call(*call)  # warm: images looked at, tools volume known
    yield figure(
        "run one scenario",
        [stage.timed(*call) for _ in range(repeats)],
        unit="s",
        limit=LIMIT,
        rule="whole process, one machine: start, fix, grade with its reboot, clean up",
    )
