"""A grade as JSON, the same as `grade --format json` prints."""

from __future__ import annotations

import msgspec

from sandbox.grading.results import Grade


def render(grade: Grade) -> str:
    """Indented JSON that ends in a newline."""
    return msgspec.json.format(msgspec.json.encode(grade), indent=2).decode() + "\n"
