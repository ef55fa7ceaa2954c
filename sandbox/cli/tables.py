"""Text laid out in columns that fit the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

GAP = "  "
NARROWEST = 10
AROUND_DIGITS = str.maketrans("", "", "/.-≤ ")


def laid_out(
    headings: Sequence[str], rows: Sequence[Sequence[str]], *, wraps: int, width: int
) -> list[str]:
    """Lines: the headings, then the rows; the column `wraps` is broken to fit `width`.

    Columns whose cells are all numbers stand to the right.
    """
    table = [list(headings), *(list(row) for row in rows)]
    widths = [max(len(line) for row in table for line in _lines(row[n])) for n in _columns(table)]
    spare = width - sum(widths) - len(GAP) * (len(widths) - 1)
    widths[wraps] = max(widths[wraps] + min(spare, 0), min(widths[wraps], NARROWEST))
    right = [_is_numeric([row[n] for row in rows]) for n in _columns(table)]
    out: list[str] = []
    for row in table:
        cells = [_lines(cell) for cell in row]
        cells[wraps] = _fold(row[wraps], widths[wraps])
        for depth in range(max(len(cell) for cell in cells)):
            parts = (cell[depth] if depth < len(cell) else "" for cell in cells)
            out.append(GAP.join(_placed(*each) for each in zip(parts, widths, right, strict=True)))
    return [line.rstrip() for line in out]


def _columns(table: Sequence[Sequence[str]]) -> range:
    return range(len(table[0]))


def _lines(text: str) -> list[str]:
    return text.splitlines() or [""]


def _fold(text: str, width: int) -> list[str]:
    return [part for line in _lines(text) for part in (wrap(line, width) or [""])]


def _placed(text: str, width: int, right: bool) -> str:
    return text.rjust(width) if right else text.ljust(width)


def _is_numeric(cells: Sequence[str]) -> bool:
    digits = [cell.translate(AROUND_DIGITS) for cell in cells if cell not in ("", "-")]
    return bool(digits) and all(cell.isdigit() for cell in digits)
