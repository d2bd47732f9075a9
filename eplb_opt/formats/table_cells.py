"""Text to cells: delimiter, comments, quotes, and which line is the header."""

from __future__ import annotations

import csv
import re

from ..errors import FormatError

Cells = list[str]
Rows = list[tuple[int, Cells]]  # each with the line that it is on
INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
REAL = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]{1,3})?")
EXACT = 1 << 53  # integers below it are exact in float64
QUOTED = re.compile('"[^"]*"')


def whole(cell: str) -> int | None:
    """The integer that a cell holds, also as a float: pandas and numpy write it so."""
    if INTEGER.fullmatch(cell):
        return int(cell)
    if not REAL.fullmatch(cell):
        return None
    value = float(cell)
    return int(value) if value.is_integer() and abs(value) < EXACT else None


def split_table(text: str, source: str) -> tuple[Cells | None, Rows]:
    """The header, or None, and the rows below it, each with the line that it is on.

    Raises
    ------
    FormatError
        Quotes are left open, or numbers may be a header as well as loads.
    """
    lines = _lines(text)
    content = [(number, line) for number, line in lines if not line.startswith("#")]
    if not content:
        raise FormatError(f"{source}: nothing but comments, in no known format")
    delimiter = delimiter_of(content[0][1])
    all_rows = _rows(content, delimiter, source)
    rows = [(number, cells) for number, cells in all_rows if any(cells)] or all_rows[:1]
    first_line, first = rows[0]
    if not _all_numbers(first) or _counts(first, source):
        return _without_last(first, rows[1:])
    above = [
        line for number, line in lines if line.startswith("#") and number < first_line
    ]
    header = _header_in_comment(above, len(first), delimiter, source)
    return _without_last(header, rows)


def _lines(text: str) -> list[tuple[int, str]]:
    """Lines that are not blank, with their numbers."""
    numbered = enumerate(text.splitlines(), 1)
    return [(number, line.strip(" ")) for number, line in numbered if line.strip()]


def _rows(content: list[tuple[int, str]], delimiter: str, source: str) -> Rows:
    """The cells of each line."""
    cells = _cells([line for _, line in content], delimiter, source)
    numbers = [number for number, _ in content]
    return list(zip(numbers, cells, strict=True))


def delimiter_of(line: str) -> str:
    """What stands between the cells of a line."""
    plain = QUOTED.sub("", line)
    for sign in (";", "\t", ",", "|"):
        if sign in plain:
            return sign
    return " "


def _cells(lines: list[str], delimiter: str, source: str) -> list[Cells]:
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        rows = [[cell.strip() for cell in cells] for cells in reader]
    except csv.Error as error:
        raise FormatError(f"{source}: in no known format of tables ({error})") from None
    if len(rows) != len(lines):
        raise FormatError(
            f"{source}: in no known format of tables (a quoted cell of several lines)"
        )
    return rows


def _all_numbers(cells: Cells) -> bool:
    return all(REAL.fullmatch(cell) for cell in cells)


def _counts(cells: Cells, source: str) -> bool:
    """Whether the first row is 0, 1, 2 and so on, as pandas names columns; with two numbers nobody can tell."""
    numbers = [str(i) for i in range(len(cells))]
    if len(cells) < 2 or cells != numbers:
        return False
    if len(cells) == 2:
        raise FormatError(
            f"{source}: the first row is 0, 1: names of experts, or loads? Name them expert_0, expert_1"
        )
    return True


def _header_in_comment(
    comments: list[str], width: int, delimiter: str, source: str
) -> Cells | None:
    """The header that numpy writes as a comment: the last one, if it has a name for each column."""
    if not comments or width == 1:
        return None
    last = comments[-1].lstrip("# ")
    if not last:
        return None
    # numpy delimits its comment as the rows, people who write one by hand may not.
    for sign in dict.fromkeys((delimiter, delimiter_of(last))):
        cells = _cells([last], sign, source)[0]
        if len(cells) == width:
            return cells
    return None


def _without_last(header: Cells | None, rows: Rows) -> tuple[Cells | None, Rows]:
    """Without the empty cell behind a delimiter at the end of every line."""
    if not rows or any(len(cells) < 2 or cells[-1] for _, cells in rows):
        return header, rows
    _, first = rows[0]
    if header is not None and len(header) == len(first):
        if header[-1]:  # it is a column, and empty
            return header, rows
        header = header[:-1]
    return header, [(number, cells[:-1]) for number, cells in rows]
