"""Columns as lines of text: where they are too wide, columns are left out and names folded, numbers never cut."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

# Characters to which a column of names folds before another column is left out.
LEAST_NAME = 10
# Between a number and its unit a line is not broken.
BEFORE_UNIT = re.compile(r"(?<=\d) (?=%|(?:s|ms|[KMGTP]iB)\b)")
NO_BREAK = "\N{NO-BREAK SPACE}"
MARGINS = 2  # a space on either side of a cell


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Parameters
    ----------
    name : str
    cells : sequence of str
    order : int
        Where the table is too wide, the column with the largest order is left out first; one of order 0 never is.
    left : bool
        Aligned to the left, as texts are; numbers to the right.
    folds : bool
        Cells are names, which may take several lines.
    """

    name: str
    cells: Sequence[str]
    order: int = 0
    left: bool = False
    folds: bool = False

    @property
    def width(self) -> int:
        """Characters of the widest cell."""
        return max(len(cell) for cell in (self.name, *self.cells))

    @property
    def least(self) -> int:
        """Characters that it needs."""
        return (
            min(self.width, max(LEAST_NAME, len(self.name)))
            if self.folds
            else self.width
        )


def table_lines(columns: Sequence[Column], width: int | None = None) -> list[str]:
    """The table's lines, header first; none is longer than ``width`` where columns of order 0 fit.

    A last line names the columns that are left out.
    """
    shown = list(columns)
    while width is not None and sum(column.least + MARGINS for column in shown) > width:
        optional = [column for column in shown if column.order]
        if not optional:
            break
        shown.remove(max(optional, key=lambda column: column.order))
    room = _room(shown, width)
    lines = []
    for row in zip(*([column.name, *column.cells] for column in shown), strict=True):
        lines += _row_lines(row, shown, room)
    absent = [column.name for column in columns if column not in shown]
    if absent and width is not None:
        lines += text_lines(
            f"left out, as the terminal has {width} columns: {', '.join(absent)}", width
        )
    return lines


def text_lines(text: str, width: int | None) -> list[str]:
    """A text as lines that are broken between words, so never within a number; a word that is longer stays whole.

    Examples
    --------
    >>> text_lines("done after 1.7 s", 14)
    ['done after', '  1.7 s']
    """
    if width is None or len(text) <= width:
        return [text]
    lines = textwrap.wrap(
        BEFORE_UNIT.sub(NO_BREAK, text),
        width,
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(NO_BREAK, " ") for line in lines]


def _room(columns: Sequence[Column], width: int | None) -> list[int]:
    """Characters of each column's cells: a column that folds gets what the others leave, at most what it wants."""
    if width is None:
        return [column.width for column in columns]
    spare = width - sum(column.least + MARGINS for column in columns)
    room = []
    for column in columns:
        more = max(0, min(spare, column.width - column.least))
        spare -= more
        room.append(column.least + more)
    return room


def _row_lines(
    row: Sequence[str], columns: Sequence[Column], room: Sequence[int]
) -> list[str]:
    cells = [
        textwrap.wrap(cell, size) if column.folds and len(cell) > size else [cell]
        for cell, column, size in zip(row, columns, room, strict=True)
    ]
    lines = []
    for parts in zip_longest(*cells, fillvalue=""):
        padded = [
            part.ljust(size) if column.left else part.rjust(size)
            for part, column, size in zip(parts, columns, room, strict=True)
        ]
        lines.append("".join(f" {part} " for part in padded).rstrip())
    return lines
