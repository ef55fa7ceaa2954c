"""Drawn values: a dict whose keys are attributes too, and its passage through JSON."""

from __future__ import annotations

import base64
import json
import zlib
from datetime import date, datetime, time
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

_LONG = 20_000  # characters; a longer text, mostly a log, is stored compressed


class Values(dict[str, Any]):
    """A dict with attribute access: `values.site`, `values["site"]`, `"{site}".format_map`."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"drawn values do not change: {name}")


def as_values(plain: Any) -> Any:
    """`plain` with each dict as Values, at any depth."""
    if isinstance(plain, dict):
        return Values({str(key): as_values(value) for key, value in plain.items()})
    if isinstance(plain, (list, tuple)):
        return [as_values(value) for value in plain]
    if isinstance(plain, (date, time)) and not isinstance(plain, datetime):
        return plain.isoformat()
    return plain


def to_json(plain: Any) -> str:
    """Values, lists, texts, numbers and aware datetimes as JSON that `from_json` reads back."""
    return json.dumps(_packed(plain), ensure_ascii=False, separators=(",", ":"))


def from_json(text: str) -> Any:
    """What `to_json` wrote; datetimes are datetimes again, objects are Values."""
    return json.loads(text, object_hook=_unpacked)


def _packed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _packed(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_packed(inner) for inner in value]
    if isinstance(value, datetime):
        zone = getattr(value.tzinfo, "key", "")
        return {"$instant": value.isoformat(), "zone": zone}
    if isinstance(value, str) and len(value) > _LONG:
        return {"$text": base64.b64encode(zlib.compress(value.encode(), 6)).decode()}
    return value


def _unpacked(found: dict[str, Any]) -> Any:
    if "$instant" in found:
        instant = datetime.fromisoformat(found["$instant"])
        return instant.astimezone(ZoneInfo(found["zone"])) if found["zone"] else instant
    if "$text" in found:
        return zlib.decompress(base64.b64decode(found["$text"])).decode()
    return Values(found)
