"""Formats: texts that name values in braces, `{site}.quillhaven.example`."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from typing import Any

from sandbox.errors import ContentError, near


def names(text: str) -> list[str]:
    """The values that a format names: `{requester.login}` names `requester`."""
    try:
        fields = [field for _, field, _, _ in string.Formatter().parse(text) if field is not None]
    except ValueError:
        return []  # filling it says what is wrong
    return [re.split(r"[.\[]", field, maxsplit=1)[0] for field in fields]


def fill(text: str, values: Mapping[str, Any], where: str) -> str:
    """The format `text` over `values`; ContentError, beginning with `where`, if it cannot be."""
    if "{" not in text and "}" not in text:
        return text
    try:
        return text.format_map(values)
    except (KeyError, AttributeError) as error:
        missing = str(error.args[0]).rpartition("'")[0].rpartition("'")[2] or str(error.args[0])
        raise ContentError(
            f"{where}: '{text}' names '{missing}', which there is not{near(missing, values)}",
            hint=f"known: {', '.join(sorted(values))}",
        ) from None
    except (ValueError, IndexError, TypeError) as error:
        raise ContentError(
            f"{where}: '{text}' is not a format: {error}",
            hint="a brace that is meant as one is written twice: {{ }}",
        ) from None
