"""The script that runs before init: deletions, passwords, the scenario's scripts, owners."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from sandbox.rendering.patterns import is_pattern

if TYPE_CHECKING:
    from sandbox.rendering.layout import LaidFile

_HEAD = """\
#!/bin/bash
set -euo pipefail
part='the engine'
trap 'echo "internbox: it stopped in $part" >&2' ERR
"""
_DELETE = """\
( shopt -s globstar nullglob dotglob
for path in {pattern}; do
    [[ -n ${{laid[$path]+yes}} ]] || rm -rf -- "$path"
done )
"""
_CONSOLE = """\
if [[ -f /etc/shadow ]]; then
    sed -i -E 's,^(intern|root):[^:]*,\\1:{hash},' /etc/shadow
fi
"""
_OWNER = """\
for path in {paths}; do
    if [[ -e $path || -L $path ]]; then chown -h -- {owner} "$path"; fi
done
"""
_NUMERIC = {"root": "0", "intern": "1000"}


def offline_script(
    files: Sequence[LaidFile],
    password_hash: str,
    steps: Sequence[tuple[str, str]],
    touched: datetime,
) -> str:
    """The whole script; `steps` are names and texts of the overlays' own, in order.

    Each runs in a subshell, so that its `cd`, `export` and `exit` are its own. Folders into which
    something was laid get `touched` as their time, or they would be of today.
    """
    parts = [_HEAD, *_deletions(files)]
    if password_hash:
        parts.append(_CONSOLE.format(hash=password_hash))
    for name, text in steps:
        parts.append(f"part={shlex.quote(name)}\n(\n{text.rstrip()}\n)\n")
    parts += ["part='the owners of files'\n", *_owners(files)]
    if folders := _folders(files):
        stamp = int(touched.timestamp())
        parts.append(f"touch -c -d @{stamp} -- {shlex.join(folders)}\n")
    return "".join(parts)


def neighbours(files: Sequence[LaidFile]) -> list[str]:
    """The folders whose entries all get a fresh ctime, so that none stands out by it."""
    found = {str(PurePosixPath(file.path).parent) for file in files if not is_pattern(file.path)}
    return sorted(found | {"/etc"})


def numeric_owner(owner: str) -> tuple[int, int] | None:
    """User and group id of an owner given by numbers, or of root and intern; else None."""
    user, _, group = owner.partition(":")
    ids = [_NUMERIC.get(name, name) for name in (user, group or user)]
    return (int(ids[0]), int(ids[1])) if all(one.isdigit() for one in ids) else None


def _deletions(files: Sequence[LaidFile]) -> Iterator[str]:
    doomed = [file.path for file in files if file.kind == "delete"]
    plain = [path for path in doomed if not is_pattern(path)]
    if plain:
        yield f"rm -rf -- {shlex.join(plain)}\n"
    if len(plain) < len(doomed):
        kept = [file.path for file in files if file.kind != "delete"]
        entries = " ".join(f"[{shlex.quote(path)}]=1" for path in kept)
        yield f"declare -A laid=({entries})\n"
        for pattern in doomed:
            if is_pattern(pattern):
                yield _DELETE.format(pattern=_escaped(pattern))


def _escaped(pattern: str) -> str:
    """A pattern for bash in which all but its wildcards is literal."""
    return "".join(
        sign if sign.isalnum() or sign in "/*?[]!-_.," else f"\\{sign}" for sign in pattern
    )


def _owners(files: Sequence[LaidFile]) -> Iterator[str]:
    """chown by name, for accounts that the image or the scripts made, of what the scripts left in
    its place; it drops setuid bits, so these are set again."""
    owned: dict[str, list[str]] = {}
    for file in files:
        if file.kind != "delete" and numeric_owner(file.owner) is None:
            owned.setdefault(file.owner, []).append(file.path)
    for owner, paths in owned.items():
        whole = owner if ":" in owner else f"{owner}:"
        yield _OWNER.format(owner=shlex.quote(whole), paths=shlex.join(paths))
    for file in files:
        if file.kind in ("file", "directory") and file.mode & 0o6000:
            yield f"chmod -f {file.mode:o} -- {shlex.quote(file.path)} || true\n"


def _folders(files: Sequence[LaidFile]) -> list[str]:
    """Folders that were changed by laying something in them, and are not laid themselves."""
    laid = {file.path for file in files}
    found = {
        str(parent)
        for file in files
        if file.kind != "delete"
        for parent in PurePosixPath(file.path).parents
    }
    return sorted(found - laid - {"/"})
