"""Patterns of paths: `*` and `?` stay within a folder, `**` does not."""

from __future__ import annotations

import re
from functools import lru_cache

_MEANING = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def is_pattern(path: str) -> bool:
    """Whether the path stands for several."""
    return any(sign in path for sign in "*?[")


def fits(pattern: str, path: str) -> bool:
    """Whether `path` is one of those that `pattern` stands for."""
    return bool(_regex(pattern).fullmatch(path))


@lru_cache(maxsize=1024)
def _regex(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[!?\]?[^\]/]*\])", pattern)
    return re.compile("".join(_translated(part) for part in parts), re.DOTALL)


def _translated(part: str) -> str:
    if part in _MEANING:
        return _MEANING[part]
    if part.startswith("[") and part.endswith("]") and len(part) > 2:
        inner = part[1:-1].replace("\\", "\\\\")
        return f"[^{inner[1:]}]" if inner.startswith("!") else f"[{inner}]"
    return re.escape(part)
