"""Text to cells: delimiter, comments, quotes, and which line is the header."""

from __future__ import annotations

import csv
import math
import re

from ..errors import FormatError

Cells = list[str]
INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
REAL = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]{1,3})?")
QUOTED = re.compile('"[^"]*"')


def whole(cell: str) -> int | None:
    """The integer that a cell holds, also as a float: pandas and numpy write it so."""
    if INTEGER.fullmatch(cell):
        return int(cell)
    value = float(cell) if REAL.fullmatch(cell) else math.nan
    return int(value) if value.is_integer() and abs(value) < 1 << 53 else None


def split_table(text: str, source: str) -> tuple[Cells | None, list[tuple[int, Cells]]]:
    """The header, or None, and the rows below it, each with the line that it is on.

    Raises
    ------
    FormatError
        Quotes are left open, or numbers may be a header as well as loads.
    """
    lines = [(number, line.strip(" ")) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    content = [(number, line) for number, line in lines if not line.startswith("#")]
    if not content:
        raise FormatError(f"{source}: nothing but comments, in no known format")
    delimiter = delimiter_of(content[0][1])
    numbers = [number for number, _ in content]
    rows = list(zip(numbers, _cells([line for _, line in content], delimiter, source), strict=True))
    rows = [(number, cells) for number, cells in rows if any(cells)] or rows[:1]
    header = None
    if not _all_numbers(rows[0][1]) or _counts(rows, source):
        header = rows.pop(0)[1]
    else:
        comments = [line.lstrip("# ") for number, line in lines if line.startswith("#") and number < rows[0][0]]
        header = _header_in_comment(comments, len(rows[0][1]), delimiter, source)
    return _without_last(header, rows)


def delimiter_of(line: str) -> str:
    """What stands between the cells of a line."""
    plain = QUOTED.sub("", line)
    return next((sign for sign in (";", "\t", ",", "|") if sign in plain), " ")


def _cells(lines: list[str], delimiter: str, source: str) -> list[Cells]:
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        rows = [[cell.strip() for cell in cells] for cells in reader]
    except csv.Error as error:
        raise FormatError(f"{source}: in no known format of tables ({error})") from None
    if len(rows) != len(lines):
        raise FormatError(f"{source}: in no known format of tables (a quoted cell of several lines)")
    return rows


def _all_numbers(cells: Cells) -> bool:
    return all(REAL.fullmatch(cell) for cell in cells)


def _counts(rows: list[tuple[int, Cells]], source: str) -> bool:
    """Whether the first row is 0, 1, 2 and so on, as pandas names columns; with two numbers nobody can tell."""
    cells = rows[0][1]
    if len(cells) < 2 or cells != list(map(str, range(len(cells)))):
        return False
    if len(cells) == 2:
        raise FormatError(f"{source}: the first row is 0, 1: names of experts, or loads? Name them expert_0, expert_1")
    return True


def _header_in_comment(comments: list[str], width: int, delimiter: str, source: str) -> Cells | None:
    """The header that numpy writes as a comment: the last one, if it has a name for each column."""
    if not comments or not comments[-1] or width == 1:
        return None
    for sign in dict.fromkeys((delimiter, delimiter_of(comments[-1]))):
        cells = _cells([comments[-1]], sign, source)[0]
        if len(cells) == width:
            return cells
    return None


def _without_last(header: Cells | None, rows: list[tuple[int, Cells]]) -> tuple[Cells | None, list[tuple[int, Cells]]]:
    """Without the empty cell behind a delimiter at the end of every line."""
    if not rows or any(len(cells) < 2 or cells[-1] for _, cells in rows):
        return header, rows
    width = len(rows[0][1])
    if header is not None and len(header) == width:
        if header[-1]:
            return header, rows
        header = header[:-1]
    return header, [(number, cells[:-1]) for number, cells in rows]
