"""Read a TOML file into its model, or say which line and key is wrong and what would be right."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from sandbox.decoding import convert
from sandbox.errors import ContentError, near

Model = TypeVar("Model")
Keys = tuple[str | int, ...]  # where a value stands: ("hosts", "web", "wires", 0)


class TomlFile:
    """One TOML file: its text, where its keys stand, and `shown`, the name used in messages."""

    def __init__(self, path: Path, shown: str) -> None:
        self.path, self.shown = path, shown
        self.text = _read(path, shown)
        self.data = _parse(self.text, shown)

    def into(self, model: type[Model]) -> Model:
        """The file as a `model`; ContentError names file, line, key and cure."""
        try:
            return convert(self.data, model)
        except msgspec.ValidationError as error:
            raise self._explained(str(error), model) from None

    def line(self, keys: Keys) -> int:
        """The line, from 1, where the value at `keys` or what holds it is written."""
        places: dict[Keys, int] = {}
        for written, number in _places(self.text):
            for length in range(1, len(written) + 1):
                places.setdefault(written[:length], number)
        for length in range(len(keys), 0, -1):
            if line := places.get(keys[:length]):
                return self._refined(line, keys[length:])
        return 1

    def error(self, keys: Keys, problem: str, *, hint: str = "") -> ContentError:
        """A ContentError at `keys`: `scenario.toml:14: hosts.web.memori: <problem>`."""
        where = f"{self.shown}:{self.line(keys)}"
        return ContentError(f"{where}: {dotted(keys)}: {problem}", hint=hint)

    def _refined(self, line: int, rest: Keys) -> int:
        """Look further down for a key within an inline table or a list over several lines."""
        names = [key for key in rest if isinstance(key, str)]
        if not names:
            return line
        for number, text in enumerate(self.text.split("\n")[line - 1 :], line):
            if re.search(rf"(^|[\s{{,]){re.escape(names[-1])}\s*=", text):
                return number
            if number > line and re.match(r"\s*\[{1,2}[\w\"']", text):
                break
        return line

    def _explained(self, message: str, model: type[Any]) -> ContentError:
        problem, _, path = message.partition(" - at `")
        keys = _locate(self.data, model, message, path.rstrip("`"))
        schema = _at(msgspec.inspect.type_info(model), self.data, keys)
        keys, said, hint = _say(problem, keys, schema)
        if not keys:
            return ContentError(f"{self.shown}: {said}", hint=hint)
        return self.error(keys, said, hint=hint)


def read(path: Path, model: type[Model], shown: str) -> Model:
    """The TOML file `path` as a `model`; ContentError when it is missing or wrong."""
    return TomlFile(path, shown).into(model)


def dotted(keys: Keys) -> str:
    """`hosts.web.wires[0]`, as a person writes it."""
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)
    return text.lstrip(".")


def _read(path: Path, shown: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ContentError(f"{shown}: the file is missing", hint=f"create {path}") from None
    except UnicodeDecodeError as error:
        raise ContentError(
            f"{shown}: not UTF-8 at byte {error.start}", hint="save the file as UTF-8"
        ) from None
    except OSError as error:
        raise ContentError(f"{shown}: cannot be read: {error.strerror}") from None


def _parse(text: str, shown: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"\(at line (\d+), column \d+\)", str(error))
        line = int(found[1]) if found else text.rstrip("\n").count("\n") + 1
        reason = re.sub(r"\s*\(at .*\)", "", str(error))
        raise ContentError(
            f"{shown}:{line}: not valid TOML: {reason}",
            hint="text stands in quotes, lists in [brackets], and a key only once",
        ) from None


def _places(text: str) -> Iterator[tuple[Keys, int]]:
    """Where each table and key begins: (("hosts", "web", "image"), 12)."""
    prefix: Keys = ()
    counts: dict[Keys, int] = {}
    fence = ""
    for number, line in enumerate(text.split("\n"), 1):
        if fence:
            fence = "" if fence in line else fence
            continue
        bare = line.strip()
        if header := re.match(r"(\[{1,2})\s*([^\[\]=]+?)\s*\]{1,2}\s*(#.*)?$", bare):
            names = _with_indexes(_split(header[2]), counts)
            if header[1] == "[[":
                index = counts[names] = counts.get(names, -1) + 1
                names = (*names, index)
            prefix = names
            yield prefix, number
        elif key := re.match(r"((?:[\w.-]|\"[^\"]*\"|'[^']*'|\s*\.\s*)+?)\s*=", bare):
            yield (*prefix, *_split(key[1])), number
        for mark in ('"""', "'''"):
            if line.count(mark) % 2:
                fence = mark


def _split(dotted_key: str) -> tuple[str, ...]:
    parts = re.findall(r"\"([^\"]*)\"|'([^']*)'|([\w-]+)", dotted_key)
    return tuple(next(part for part in found if part) if any(found) else "" for found in parts)


def _with_indexes(names: tuple[str, ...], counts: dict[Keys, int]) -> Keys:
    """Names of a table within lists of tables, with the index of the list's last one."""
    keys: Keys = ()
    for position, name in enumerate(names):
        keys = (*keys, name)
        if position < len(names) - 1 and keys in counts:
            keys = (*keys, counts[keys])
    return keys


def _locate(data: Any, model: type[Any], message: str, path: str) -> Keys:
    """The keys behind msgspec's path, which shows every key of a table as `[...]`.

    Of each such table one entry after the other is tried alone, until the same complaint comes.
    """
    is_key = path.startswith("key` in `")
    tokens = re.findall(r"\.([\w-]+)|\[(\d+)\]|(\[\.\.\.\])", path)
    keys: Keys = ()
    for name, index, _ in [*tokens, ("", "", "[...]")] if is_key else tokens:
        if name or index:
            keys = (*keys, name or int(index))
            continue
        table = _get(data, keys)
        for key in table:
            if _complaint(_with(data, keys, {key: table[key]}), model) == message:
                data, keys = _with(data, keys, {key: table[key]}), (*keys, key)
                break
    return keys


def _complaint(data: Any, model: type[Any]) -> str:
    try:
        convert(data, model)
    except msgspec.ValidationError as error:
        return str(error)
    return ""


def _get(data: Any, keys: Keys) -> Any:
    for key in keys:
        data = data[key]
    return data


def _with(data: Any, keys: Keys, value: Any) -> Any:
    """A copy of `data` with `value` at `keys`."""
    if not keys:
        return value
    copy = data.copy()
    copy[keys[0]] = _with(data[keys[0]], keys[1:], value)
    return copy


def _at(schema: Any, data: Any, keys: Keys) -> Any:
    """The type that stands at `keys`, chosen by the tag where there are several."""
    info = msgspec.inspect
    extra: dict[str, Any] = {}
    while isinstance(schema, info.Metadata):
        extra, schema = schema.extra_json_schema or {}, schema.type
    if isinstance(schema, info.UnionType):
        tag = data.get("type") if isinstance(data, dict) else None
        structs = [each for each in schema.types if isinstance(each, info.StructType)]
        chosen = [each for each in structs if each.tag == tag]
        if keys and keys[0] == "type" and len(keys) == 1:
            return info.LiteralType(tuple(str(each.tag) for each in structs))
        schema = chosen[0] if chosen else schema
    if not keys:
        return info.Metadata(schema, extra_json_schema=extra)
    inner = None
    if isinstance(schema, info.StructType):
        inner = next((one.type for one in schema.fields if one.name == keys[0]), None)
    elif isinstance(schema, info.DictType):
        inner = schema.value_type
    elif isinstance(schema, info.ListType):
        inner = schema.item_type
    try:
        return _at(inner, data[keys[0]], keys[1:])
    except (KeyError, IndexError, TypeError):
        return None


def _say(problem: str, keys: Keys, schema: Any) -> tuple[Keys, str, str]:
    """msgspec's complaint in an author's words: the keys it is about, what is wrong, the cure."""
    extra = getattr(schema, "extra_json_schema", None) or {}
    schema = getattr(schema, "type", schema)
    fields = {one.name for one in getattr(schema, "fields", ())}
    hint = str(extra.get("description", ""))
    if examples := extra.get("examples"):
        hint += f", for example {' or '.join(repr(example) for example in examples)}"
    if found := re.match(r"Object contains unknown field `(.*)`", problem):
        known = f"known here: {', '.join(sorted(fields))}" if fields else ""
        return (*keys, found[1]), f"unknown key{near(found[1], fields)}", known
    if found := re.match(r"Object missing required field `(.*)`", problem):
        return keys, f"the key '{found[1]}' is missing", f"add {found[1]} = …"
    if found := re.match(r"Invalid (?:enum )?value '(.*)'", problem):
        known_values = [str(value) for value in getattr(schema, "values", ())]
        choices = f"one of {', '.join(sorted(known_values))}" if known_values else ""
        return keys, f"unknown value '{found[1]}'{near(found[1], known_values)}", choices
    if "matching regex" in problem:
        return keys, f"does not fit the form {problem.split('matching regex ')[1]}", hint
    plain = problem[:1].lower() + problem[1:].replace("`", "")
    return keys, plain, hint
