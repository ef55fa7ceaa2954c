"""A stand-in for the script of powershell-onboarding: right, or wrong in named ways."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
import unicodedata
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

FORMS = {"dd": "%d", "MM": "%m", "yyyy": "%Y"}
SIX = (("ß", "ss"), ("æ", "ae"), ("œ", "oe"), ("ø", "o"), ("ł", "l"), ("đ", "d"))
SOME = {"e": "éèêë", "a": "áàâä", "o": "óòôö"}
KEYS = ("Staff number", "First name", "Last name", "Department", "Start date")


class Said(NamedTuple):
    rc: int
    stdout: str = ""
    stderr: str = ""


class RefusedError(Exception):
    """Nothing can be done."""


class Script:
    """What a script does that was written for `variant`, with the mistakes in `wrong`."""

    def __init__(self, variant: dict[str, Any], wrong: set[str]) -> None:
        self.variant, self.wrong = variant, wrong
        self.keeps = variant["fault"] == "keep"
        self.groups = {title.lower(): (title, key) for key, title in variant["departments"].items()}

    def run(self, words: list[str]) -> Said:
        """`words` are what follows `pwsh`: its options, -File, the script and its arguments."""
        own = words[words.index("-File") + 2 :]
        source, folder = (Path(own[own.index(name) + 1]) for name in ("-Path", "-Destination"))
        whatif = "-WhatIf" in own and "whatif-ignored" not in self.wrong
        if "example" in self.wrong:
            for name, text in self.variant["example"].items():
                (folder / name).write_text(text, encoding="utf-8")
            return Said(2)
        if "stub" in self.wrong:
            return Said(0)
        if "rejects-removed-first" in self.wrong and not whatif:
            (folder / "rejects.csv").unlink(missing_ok=True)
        try:
            return self._done(source, folder, whatif)
        except (RefusedError, OSError, ValueError, KeyError) as error:
            return Said(1 if "ends-with-one" in self.wrong else 3, "", f"{error!r}\n")

    def _done(self, source: Path, folder: Path, whatif: bool) -> Said:
        if not folder.is_dir():
            raise RefusedError(f"{folder} is no folder")
        headings, rows = self._list(source)
        accounts = self._accounts(folder / "accounts.json")
        wanted, rejects = self._planned(rows, accounts)
        said = [f'What if: on target "{one["userName"]}".' for one in wanted.values()]
        everybody = list((accounts | wanted).values())
        if wanted and not whatif:
            if "calls-jq" in self.wrong and "jq" not in self.variant["programs"]:
                raise RefusedError("jq: not found")
            alone = "one-is-no-array" in self.wrong and len(everybody) == 1
            text = json.dumps(everybody[0] if alone else everybody, ensure_ascii=False, indent=2)
            (folder / "accounts.json").write_text(text + "\n", encoding="utf-8")
        if not whatif or "whatif-halfway" in self.wrong:
            self._refuse(folder / "rejects.csv", headings, rejects)
        code = 2 if rejects and "always-zero" not in self.wrong else 0
        return Said(code, "\n".join(said) if whatif else "")

    def _list(self, source: Path) -> tuple[list[str], list[dict[str, str | None]]]:
        text = source.read_text(encoding="utf-8-sig")
        separator = self.variant["separator"]
        lines = [
            line for line in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if line
        ]
        if not lines:
            return [], []
        headings = lines[0]
        rows: list[dict[str, str | None]] = []
        for line in lines[1:]:
            padded = [*line, *[None] * len(headings)][: len(headings)]
            rows.append(dict(zip(headings, padded, strict=True)))
        if rows and (lacking := set(KEYS) - set(headings)):
            raise RefusedError(f"no column {lacking}")
        return headings, rows

    def _accounts(self, file: Path) -> dict[str, dict[str, Any]]:
        if "starts-over" in self.wrong or not file.exists():
            return {}
        found = json.loads(file.read_text(encoding="utf-8-sig"))
        found = found if isinstance(found, list) else [found]
        return {one["staffNumber"]: one for one in found}

    def _planned(
        self, rows: list[dict[str, str | None]], accounts: dict[str, dict[str, Any]]
    ) -> tuple[dict[str, dict[str, Any]], list[dict[str, str]]]:
        taken = {one["userName"] for one in accounts.values()}
        wanted: dict[str, dict[str, Any]] = {}
        rejects: list[dict[str, str]] = []
        met: set[str] = set()
        for row in rows:
            if not "".join(value or "" for value in row.values()).strip():
                continue
            number, first, last, department, start = (self._value(row[key]) for key in KEYS)
            reason = self._reason(number, first, last, department, start)
            known_refused = "known-refused" in self.wrong and number in accounts
            if not reason and self.keeps and (number in met or known_refused):
                reason = "duplicate"
            if reason:
                if "bad-rows-dropped" not in self.wrong:
                    rejects.append({k: v or "" for k, v in row.items()} | {"Reason": reason})
                continue
            met.add(number)
            known = wanted.get(number) or accounts.get(number)
            if known and (self.keeps or "never-brought-up-to-date" in self.wrong):
                continue
            again = "known-named-again" in self.wrong
            name = known["userName"] if known and not again else self._name(first, last, taken)
            taken.add(name)
            title, group = self.groups[department.lower()]
            record = {
                "staffNumber": number.lstrip("0") if "zeros-lost" in self.wrong else number,
                "userName": name,
                "displayName": f"{first} {last}",
                "mail": f"{name}@{self.variant['domain']}",
                "department": title,
                "groups": ["staff", group],
                "startDate": self._day(start),
            }
            if number in wanted or record != accounts.get(number):
                wanted[number] = record
        return wanted, rejects

    def _value(self, value: str | None) -> str:
        if value is None and "falls-over-short-rows" in self.wrong:
            raise RefusedError("there is no Trim of nothing")
        if "blanks-kept" in self.wrong:
            return value or ""
        return re.sub(r"\s+", " ", value or "").strip()

    def _reason(self, number: str, first: str, last: str, department: str, start: str) -> str:
        if "" in (number, first, last, department, start):
            return "missing"
        if not re.fullmatch(r"[0-9]{5}", number):
            return "number"
        if "" in (self._plain(first), self._plain(last)):
            return "name"
        if department.lower() not in self.groups:
            return "department"
        return "" if self._day(start) else "date"

    def _day(self, text: str) -> str:
        form = self.variant["day_form"]
        if len(text) != len(form):
            return ""
        if "months-first" in self.wrong:
            form = form.replace("dd", "x").replace("MM", "dd").replace("x", "MM")
        for part, code in FORMS.items():
            form = form.replace(part, code)
        try:
            return datetime.strptime(text, form).date().isoformat()
        except ValueError:
            return ""

    def _plain(self, name: str) -> str:
        name = name.lower()
        for letter, instead in SIX:
            name = name.replace(letter, instead)
        if "accents-by-table" in self.wrong:
            for letter, accented in SOME.items():
                name = re.sub(f"[{accented}]", letter, name)
        else:
            name = unicodedata.normalize("NFKD", name)
        return "".join(char for char in name if "a" <= char <= "z")

    def _name(self, first: str, last: str, taken: set[str]) -> str:
        base = f"{self._plain(first)}.{self._plain(last)}"
        longest = 999 if "names-not-cut" in self.wrong else self.variant["longest"]
        number = 1
        if "namesakes-counted" in self.wrong:
            number += sum(name.startswith(base) for name in taken)
        while True:
            suffix = str(number).zfill(self.variant["digits"]) if number > 1 else ""
            name = base[: longest - len(suffix)] + suffix
            if name not in taken:
                return name
            number += 1

    def _refuse(self, file: Path, headings: list[str], rejects: list[dict[str, str]]) -> None:
        if not rejects:
            if "rejects-stay" not in self.wrong:
                file.unlink(missing_ok=True)
            return
        with file.open("w", encoding="utf-8", newline="") as held:
            separator = self.variant["separator"]
            writer = csv.DictWriter(
                held, [*headings, "Reason"], delimiter=separator, quoting=csv.QUOTE_ALL
            )
            writer.writeheader()
            writer.writerows(rejects)


def main() -> int:
    """As `pwsh`: the variant is in the JSON file that the first argument names."""
    variant = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    said = Script(variant, set(variant["wrong"])).run(sys.argv[2:])
    sys.stdout.write(said.stdout)
    sys.stderr.write(said.stderr)
    return said.rc


if __name__ == "__main__":
    sys.exit(main())
