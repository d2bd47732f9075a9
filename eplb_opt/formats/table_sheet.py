"""A table by its columns: where the cells of each kind are, and what a cell says, or where it is wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NoReturn

from ..errors import FormatError
from .layers import MOST_LAYERS
from .table_cells import INTEGER, REAL, Cells
from .table_names import (
    INDEX,
    LAYER_LOAD,
    LAYOUTS,
    NUMBER,
    TOTAL,
    Column,
    label_of,
    says_total,
)

Number = int | float
Row = list[Number] | dict[int, Number]  # by expert; a list has all of them
Key = tuple[str, str]  # window and rank, as written; empty where the table has none
MOST_LOAD = 1 << 53  # larger integers are not exact in float64
MOST_EXPERTS = 1 << 16


@dataclass
class Table:
    """The loads of one table.

    Attributes
    ----------
    numbered : bool
        Layers are ids; if not, they are rows, in order.
    sparse : bool
        One row a count: what has no row is 0.
    bare : bool
        Nothing but numbers.
    counts : dict
        Window and rank -> layer -> loads by expert.
    """

    numbered: bool
    sparse: bool = False
    bare: bool = False
    counts: dict[Key, dict[int, Row]] = field(default_factory=dict)


@dataclass(frozen=True)
class Sheet:
    """Rows of a table with the lines that they are on, and where to say faults."""

    source: str
    columns: list[Column]
    rows: list[tuple[int, Cells]]

    def fail(self, line: int, what: str) -> NoReturn:
        """Say what is wrong on a line."""
        raise FormatError(f"{self.source}, line {line}: {what}")

    def refuse(self, column: Column, what: str) -> NoReturn:
        """Say what is wrong with a column."""
        raise FormatError(
            f"{self.source}: column {column.name[:40]!r} {what}; {LAYOUTS}"
        )

    def all(self, *kinds: str) -> list[int]:
        """Where the columns of some kinds are."""
        return [i for i, column in enumerate(self.columns) if column.kind in kinds]

    def only(self, kind: str) -> int | None:
        """Where the column of a kind is."""
        places = self.all(kind)
        if len(places) > 1:
            names = " and ".join(repr(self.columns[i].name) for i in places[:2])
            raise FormatError(
                f"{self.source}: columns {names} both say the {kind}: keep one"
            )
        return places[0] if places else None

    def numbers(self, *kinds: str) -> dict[int, int]:
        """Column of each expert, or layer, that columns name."""
        column_of_number: dict[int, int] = {}
        for i in self.all(*kinds):
            number = self.columns[i].number
            if number is None or number in column_of_number:
                self.refuse(self.columns[i], "is there twice")
            column_of_number[number] = i
        return column_of_number

    def load(self, line: int, cells: Cells, column: int) -> Number:
        """A cell that must be a load."""
        cell = cells[column]
        value: Number
        if INTEGER.fullmatch(cell):
            value = int(cell)
        elif REAL.fullmatch(cell):
            value = float(cell)
        else:
            name = self.columns[column].name
            self.fail(
                line, f"column {name!r}: {cell[:30]!r} is no number, in no known format"
            )
        if abs(value) > MOST_LOAD:
            self.fail(line, f"load {cell[:30]} is beyond 2^53")
        return value

    def loads(self, line: int, cells: Cells, columns: list[int]) -> list[Number]:
        """Cells that must be loads."""
        return [self.load(line, cells, column) for column in columns]

    def label(self, line: int, cells: Cells, column: int, kind: str) -> int | None:
        """A cell that must name a layer or an expert; None: it names the total of all."""
        cell = cells[column]
        what = kind.split()[0]  # "layer load" -> "layer"
        label = label_of(cell)
        if label is not None and label.kind == TOTAL:
            return None
        if label is None or label.kind not in (NUMBER, kind) or label.number is None:
            self.fail(
                line,
                f"column {self.columns[column].name!r}: {cell[:30]!r} is no {what}",
            )
        most = MOST_LAYERS if kind == LAYER_LOAD else MOST_EXPERTS
        if label.number >= most:
            self.fail(line, f"{what} {label.number}: no model has so many")
        return label.number

    def key(self, cells: Cells, window: int | None, rank: int | None) -> Key | None:
        """The window and the rank of a row; None: it is the total of all."""
        window_label = "" if window is None else cells[window]
        rank_label = "" if rank is None else cells[rank]
        if says_total(window_label) or says_total(rank_label):
            return None
        return window_label, rank_label

    def check_index(self) -> None:
        """Raise `FormatError` unless the index, which is left out beside a column of layers, only counts rows."""
        index = self.only(INDEX)
        if index is None:
            return
        labels = [cells[index] for _, cells in self.rows]
        if labels != [str(i) for i in range(len(labels))]:
            self.refuse(self.columns[index], "has no name, and does not count the rows")
