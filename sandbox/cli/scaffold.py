"""The folder of a new scenario, made from a small one that is whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from sandbox.errors import UsageError
from sandbox.paths import ScenarioFiles

TEMPLATE = Path(__file__).parent / "template"
GRADER = "grader.py.in"
# The learner's wheel leaves out every folder called solutions or rejected; authors need these two.
RENAMED = {"_solutions": "solutions", "_rejected": "rejected"}
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*/[a-z][a-z0-9]*(-[a-z0-9]+)*")


def scaffold(content: Path, scenario: str) -> list[Path]:
    """Write the files of a scenario that lints and proves below `content`; their paths.

    Raises UsageError when the name is no `area/name`, or something is there already.
    """
    if not NAME.fullmatch(scenario):
        raise UsageError(
            f"{scenario!r} is no name of a scenario",
            hint="area/name in lower case with hyphens, such as linux/printer-queue",
        )
    files = ScenarioFiles(content, scenario)
    for path in (files.root, files.grader):
        if path.exists():
            raise UsageError(f"{path} exists already", hint="take another name, or remove it")
    return list(_written(files))


def _written(files: ScenarioFiles) -> Iterator[Path]:
    area, _, slug = files.id.partition("/")
    words = {
        "@ID@": files.id,
        "@AREA@": area.replace("-", " ").capitalize(),
        "@SLUG@": slug,
        "@TITLE@": slug.replace("-", " ").capitalize(),
    }
    for source in sorted(path for path in TEMPLATE.rglob("*") if path.is_file()):
        inner = _filled(_named(source), words)
        path = files.grader if inner == GRADER else files.root / inner
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_filled(source.read_text(encoding="utf-8"), words), encoding="utf-8")
        yield path


def _named(source: Path) -> str:
    """The path in the new scenario; marks are still in it."""
    parts = source.relative_to(TEMPLATE).parts
    return "/".join(RENAMED.get(part, part) for part in parts)


def _filled(text: str, words: dict[str, str]) -> str:
    for mark, word in words.items():
        text = text.replace(mark, word)
    return text
