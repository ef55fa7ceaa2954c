"""Reads the files of a fix, which nobody has looked at: as they are, and only from their folder."""

from __future__ import annotations

import io
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path

from sandbox.errors import UsageError
from sandbox.steps import Program

SCRIPT_BYTES = 1_000_000
FOLDER_BYTES = 64_000_000
PLAYBOOKS = (".yml", ".yaml")
INTERPRETERS = {
    ".sh": "bash",
    ".bash": "bash",
    ".py": "python3",
    ".ps1": "pwsh -NoProfile -NonInteractive -File",
}
SHELL = re.compile(rb"^#!.*\b(ba|da|k|z)?sh\b")
SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}")
ATTRIBUTES = (
    "have Git keep LF: a line `*.sh text eol=lf` in .gitattributes, then git add --renormalize ."
)


class WrongFix(UsageError):
    """A fix that no machine could run, whoever calls for it; `file` is what reports point to."""

    file = ""

    @classmethod
    def of(cls, error: UsageError, file: str) -> WrongFix:
        """The same for a file of a fix; what is one already keeps its own."""
        found = error if isinstance(error, cls) else cls(error.message, hint=error.hint)
        found.file = found.file or file
        return found


@dataclass(frozen=True)
class Source:
    """The folder that a fix lies in. Nothing outside of it is read, whatever links say.

    `shown` is how the folder is called in messages.
    """

    folder: Path
    shown: str

    def file(self, name: str | Path) -> Path:
        """The path of a file of it. UsageError when it is missing, or lies elsewhere."""
        path = self._inside(name)
        if not path.is_file():
            raise UsageError(
                f"{self.name(name)}: there is no such file", hint=f"looked in {self.folder}"
            )
        return path

    def text(self, name: str | Path) -> str:
        """A file's text, for a note."""
        return _decoded(_bytes(self.file(name), self.name(name)), self.name(name))

    def program(self, name: str | Path) -> Program:
        """A script, with what runs it. WrongFix names the line that no shell would understand."""
        shown = self.name(name)
        data = _bytes(self.file(name), shown)
        suffix = Path(name).suffix.lower()
        _require_readable(data, shown, suffix)
        if data.startswith(b"#!"):
            command = ""
        elif suffix in INTERPRETERS:
            command = INTERPRETERS[suffix]
        else:
            raise WrongFix(
                f"{shown}: what runs it? It has no #! line, and its name does not say",
                hint="begin it with #!/bin/bash, or name it .sh, .py, .ps1 or .yml",
            )
        kept = suffix if SUFFIX.fullmatch(suffix) else ""
        return Program(Path(name).name, data, command, kept)

    def archive(self, name: str | Path) -> bytes:
        """A folder of it as a tar, its members relative to the folder itself."""
        root = self._inside(name)
        packed = io.BytesIO()
        total = 0
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for path in sorted(root.rglob("*")):
                inner = path.relative_to(root)
                if ".git" in inner.parts or path.is_dir():
                    continue
                data = _bytes(self.file(Path(name) / inner), self.name(Path(name) / inner))
                if data.startswith(b"#!") or path.suffix in (".sh", ".bash"):
                    _require_readable(data, self.name(Path(name) / inner), path.suffix.lower())
                if (total := total + len(data)) > FOLDER_BYTES:
                    raise WrongFix(
                        f"{self.name(name)}: more than {FOLDER_BYTES // 1_000_000} MB",
                        hint="copy only what the fix needs",
                    )
                member = tarfile.TarInfo(str(inner))
                member.size = len(data)
                member.mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
                tar.addfile(member, io.BytesIO(data))
        return packed.getvalue()

    def name(self, name: str | Path) -> str:
        """How a file of it is called in messages and reports."""
        return str(Path(self.shown) / name)

    def folder_of(self, name: str | Path) -> Source:
        """A folder of it, as a source that its files may not lead out of."""
        return Source(self._inside(name), self.name(name))

    def _inside(self, name: str | Path) -> Path:
        path = (self.folder / name).resolve()
        if not path.is_relative_to(self.folder.resolve()):
            raise WrongFix(
                f"{self.name(name)}: leads out of {self.shown}",
                hint="a fix consists of files of its own folder; put a copy there",
            )
        return path


def _bytes(path: Path, shown: str) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(FOLDER_BYTES + 1)
    except OSError as error:
        raise WrongFix(f"{shown}: cannot be read: {error.strerror}") from None
    if len(data) > FOLDER_BYTES:
        raise WrongFix(f"{shown}: more than {FOLDER_BYTES // 1_000_000} MB")
    return data


def _decoded(data: bytes, shown: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise WrongFix(
            f"{shown}: not UTF-8 at byte {error.start}", hint="save it as UTF-8"
        ) from None


def _require_readable(data: bytes, shown: str, suffix: str) -> None:
    """WrongFix for what an editor on Windows makes of a script, and Linux cannot run."""
    if len(data) > SCRIPT_BYTES:
        raise WrongFix(
            f"{shown}: a script of more than {SCRIPT_BYTES // 1_000_000} MB",
            hint="put data into a folder, which is copied: --fix HOST=FOLDER",
        )
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise WrongFix(f"{shown}: saved as UTF-16", hint="save it as UTF-8 without BOM")
    bare = data.removeprefix(b"\xef\xbb\xbf")
    if bare != data and (bare.startswith(b"#!") or suffix in (".sh", ".bash")):
        raise WrongFix(
            f"{shown}:1: begins with a byte order mark, so its first line is not understood",
            hint="save it as UTF-8 without BOM",
        )
    first, *rest = data.split(b"\n")
    is_shell = suffix in (".sh", ".bash") or bool(SHELL.match(first))
    lines = [first, *rest] if is_shell else [first] if first.startswith(b"#!") else []
    for number, line in enumerate(lines, 1):
        if line.endswith(b"\r"):
            raise WrongFix(
                f"{shown}:{number}: the line ends in CRLF, as on Windows: Linux takes the CR for a "
                "part of the command",
                hint=ATTRIBUTES,
            )
