"""A grade or a run as JSON, the same as `--format json` prints."""

from __future__ import annotations

import msgspec

from sandbox.grading.results import Grade
from sandbox.grading.runs import RunReport


def render(grade: Grade | RunReport) -> str:
    """Indented JSON that ends in a newline."""
    return msgspec.json.format(msgspec.json.encode(grade), indent=2).decode() + "\n"
