"""`make bench`: measures internbox against bare baselines, into build/bench.json.

Exit code 1 when a limit is missed. Run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import command
import figures
import grading
import handing_in
import pipeline
import sizes
import starting
from stage import Stage

ROOT = Path(__file__).resolve().parents[2]

Part = Callable[[Stage], Iterator[figures.Figure]]


def main() -> int:
    options = _options()
    n = options.repeats
    _warn_of_load()
    parts: dict[str, Part] = {
        "command": lambda stage: command.without_engine(stage, 3 * n),
        "start": lambda stage: starting.one_machine(stage, n),
        "three": lambda stage: starting.three_machines(stage, n),
        "grading": lambda stage: grading.ten_checks(stage, n),
        "run": lambda stage: pipeline.one_scenario(stage, n),
        "regrade": lambda stage: handing_in.regrading(stage, options.submissions),
        "many": lambda stage: starting.many(stage, max(1, n // 2), options.attempts),
        "size": sizes.base_size,
        "cold": lambda stage: sizes.cold_build(stage, wanted=options.cold),
    }
    found = _measured([(name, parts[name]) for name in options.only or parts])
    figures.write(found, options.output)
    print("\n".join(figures.table(found)))
    return 1 if any(one.ok is False for one in found) else 0


def _measured(parts: list[tuple[str, Part]]) -> list[figures.Figure]:
    found: list[figures.Figure] = []
    with tempfile.TemporaryDirectory(prefix="internbox-bench-") as folder:
        stage = Stage(Path(folder))
        try:
            for name, part in parts:
                stage.say(f"measuring: {name}")
                found += part(stage)
        finally:
            stage.clear()
    return found


def _warn_of_load() -> None:
    load, processors = os.getloadavg()[0], os.cpu_count() or 1
    if load > processors / 2:
        print(
            f"warning: the load is {load:.1f} on {processors} processors: other work takes "
            "its share of what is measured",
            file=sys.stderr,
        )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure internbox against bare baselines.")
    parser.add_argument("--repeats", type=int, default=5, help="of each measurement")
    parser.add_argument("--only", action="append", metavar="PART", help="one part; may be repeated")
    parser.add_argument("--attempts", type=int, default=40, help="in one go")
    parser.add_argument("--submissions", type=int, default=60, help="in one regrade")
    parser.add_argument("--cold", action="store_true", help="also build all images from nothing")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bench.json")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
