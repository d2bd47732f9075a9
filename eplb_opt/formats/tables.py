"""Tables of text (CSV and its kin): cells, header, and the layouts in which people write loads.

A layout is told from the header. What it does not tell is an error, as is a table without header that may be read in
two ways: wrong loads would give a map that is proven optimal for nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NoReturn

from ..errors import FormatError
from .layers import MOST_LAYERS
from .table_cells import INTEGER, REAL, Cells, split_table, whole
from .table_names import (
    COUNT,
    EXPERT,
    EXPERT_LOAD,
    INDEX,
    LAYER,
    LAYER_LOAD,
    LAYOUTS,
    NUMBER,
    RANK,
    TOTAL,
    UNKNOWN,
    WINDOW,
    Column,
    column_of,
    label_of,
    says_total,
    why_unknown,
)

Number = int | float
Row = list[Number] | dict[int, Number]  # by expert; a list has all of them
MOST_LOAD = 1 << 53  # larger integers are not exact in float64
MOST_EXPERTS = 1 << 16
MOST_STEP = 4  # between the layers of a model that have experts


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
        Window and rank (as written; empty where the table has none) -> layer -> loads by expert.
    """

    numbered: bool
    sparse: bool = False
    bare: bool = False
    counts: dict[tuple[str, str], dict[int, Row]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Sheet:
    """Rows of a table with the lines that they are on, and where to say faults."""

    source: str
    columns: list[Column]
    rows: list[tuple[int, Cells]]

    def fail(self, line: int, what: str) -> NoReturn:
        raise FormatError(f"{self.source}, line {line}: {what}")

    def refuse(self, column: Column, what: str) -> NoReturn:
        raise FormatError(f"{self.source}: column {column.name[:40]!r} {what}; {LAYOUTS}")

    def all(self, *kinds: str) -> list[int]:
        """Where the columns of some kinds are."""
        return [i for i, column in enumerate(self.columns) if column.kind in kinds]

    def only(self, kind: str) -> int | None:
        """Where the column of a kind is."""
        found = self.all(kind)
        if len(found) > 1:
            names = " and ".join(repr(self.columns[i].name) for i in found[:2])
            raise FormatError(f"{self.source}: columns {names} both say the {kind}: keep one")
        return found[0] if found else None

    def numbers(self, *kinds: str) -> dict[int, int]:
        """Column of each expert, or layer, that columns name."""
        result: dict[int, int] = {}
        for i in self.all(*kinds):
            number = self.columns[i].number
            if number is None or number in result:
                self.refuse(self.columns[i], "is there twice")
            result[number] = i
        return result

    def load(self, line: int, cells: Cells, column: int) -> Number:
        """A cell that must be a load."""
        cell = cells[column]
        value: Number
        if INTEGER.fullmatch(cell):
            value = int(cell)
        elif REAL.fullmatch(cell):
            value = float(cell)
        else:
            self.fail(line, f"column {self.columns[column].name!r}: {cell[:30]!r} is no number, in no known format")
        if abs(value) > MOST_LOAD:
            self.fail(line, f"load {cell[:30]} is beyond 2^53")
        return value

    def label(self, line: int, cells: Cells, column: int, kind: str) -> int | None:
        """A cell that must name a layer or an expert; None: it names the total of all."""
        found = label_of(cells[column])
        if found is not None and found.kind == TOTAL:
            return None
        if found is None or found.kind not in (NUMBER, kind) or found.number is None:
            self.fail(line, f"column {self.columns[column].name!r}: {cells[column][:30]!r} is no {kind.split()[0]}")
        if found.number >= (MOST_LAYERS if kind == LAYER_LOAD else MOST_EXPERTS):
            self.fail(line, f"{kind.split()[0]} {found.number}: no model has so many")
        return found.number

    def key(self, cells: Cells, window: int | None, rank: int | None) -> tuple[str, str] | None:
        """The window and the rank of a row; None: it is the total of all."""
        labels = ("" if window is None else cells[window], "" if rank is None else cells[rank])
        return None if any(map(says_total, labels)) else labels

    def check_index(self) -> None:
        """Raise `FormatError` unless the index, which is left out beside a column of layers, only counts rows."""
        index = self.only(INDEX)
        if index is not None and [cells[index] for _, cells in self.rows] != list(map(str, range(len(self.rows)))):
            self.refuse(self.columns[index], "has no name, and does not count the rows")


def parse_table(text: str, source: str) -> Table:
    """The loads of a table.

    Raises
    ------
    FormatError
        It is malformed, its header is unknown, or it may be read in two ways.
    """
    header, rows = split_table(text, source)
    if not rows:
        raise FormatError(f"{source}: no rows below the header, in no known format of tables")
    width = len(rows[0][1] if header is None else header)
    if width > MOST_EXPERTS:
        raise FormatError(f"{source}: {width} columns: no model has more than {MOST_EXPERTS} experts")
    for line, cells in rows:
        if len(cells) != width:
            raise FormatError(f"{source}, line {line}: {len(cells)} cells, expected {width}: rows of different lengths")
    if header is None:
        return _bare(_Sheet(source, [Column(str(i), NUMBER, i) for i in range(width)], rows))
    sheet = _Sheet(source, [column_of(name) for name in header], rows)
    for column in sheet.columns:
        if column.kind == UNKNOWN:
            sheet.refuse(column, why_unknown(column.name))
    return _layout(sheet)(sheet)


def _layout(sheet: _Sheet) -> Callable[[_Sheet], Table]:
    """How the columns say that the table is to be read."""
    kinds = {column.kind for column in sheet.columns}
    loads = kinds & {EXPERT_LOAD, LAYER_LOAD, NUMBER}
    if {LAYER, EXPERT} <= kinds and not loads:
        return _long
    if len(loads) == 1 and COUNT not in kinds:
        if EXPERT in kinds and LAYER not in kinds and EXPERT_LOAD not in kinds:
            return _transposed
        if LAYER_LOAD in kinds and INDEX in kinds and LAYER not in kinds:
            return _transposed
        if LAYER_LOAD not in kinds and EXPERT not in kinds:
            return _transposed if _index_names_experts(sheet) else _wide
    names = ", ".join(column.name[:40] for column in sheet.columns[:8])
    raise FormatError(f"{sheet.source}: columns {names} are together in no known format; {LAYOUTS}")


def _index_names_experts(sheet: _Sheet) -> bool:
    index = sheet.only(INDEX)
    if index is None or sheet.all(LAYER, EXPERT_LOAD):
        return False
    first = label_of(sheet.rows[0][1][index])
    return first is not None and first.kind == EXPERT_LOAD


def _wide(sheet: _Sheet) -> Table:
    """One row a layer, one column an expert."""
    layer, window, rank = sheet.only(LAYER), sheet.only(WINDOW), sheet.only(RANK)
    if layer is None:
        if window is not None or rank is not None:
            raise FormatError(f"{sheet.source}: a column of steps or ranks and none of layers; {LAYOUTS}")
        layer = sheet.only(INDEX)
    else:
        sheet.check_index()
    columns = _complete(sheet, sheet.numbers(EXPERT_LOAD, NUMBER), "expert")
    table = Table(numbered=layer is not None)
    for row, (line, cells) in enumerate(sheet.rows):
        number = row if layer is None else sheet.label(line, cells, layer, LAYER_LOAD)
        key = sheet.key(cells, window, rank)
        if number is None or key is None:
            continue
        layers = table.counts.setdefault(key, {})
        if number in layers:
            sheet.fail(line, f"layer {number} is there twice")
        layers[number] = [sheet.load(line, cells, column) for column in columns]
    ids = [set(layers) for layers in table.counts.values()]
    if any(found != ids[0] for found in ids):
        raise FormatError(f"{sheet.source}: not all steps and ranks have all layers")
    if layer is not None and ids and _counts_moe_layers(sheet.columns[layer].name, ids[0]):
        table.numbered = False
    return table


def _counts_moe_layers(name: str, ids: set[int]) -> bool:
    """The first MoE layer is 0, whatever its index in the model: of a column ``moe_layer`` with 0, 1, 2 and so on."""
    return name.lower().lstrip().startswith("moe") and ids == set(range(len(ids)))


def _transposed(sheet: _Sheet) -> Table:
    """One row an expert, one column a layer."""
    for i in sheet.all(RANK, WINDOW):
        sheet.refuse(sheet.columns[i], "is beside columns of layers")
    label = sheet.only(EXPERT)
    if label is None:
        label = sheet.all(INDEX)[0]
    else:
        sheet.check_index()
    columns = sheet.numbers(LAYER_LOAD, NUMBER)
    rows: dict[int, tuple[int, Cells]] = {}
    for line, cells in sheet.rows:
        expert = sheet.label(line, cells, label, EXPERT_LOAD)
        if expert in rows:
            sheet.fail(line, f"expert {expert} is there twice")
        if expert is not None:
            rows[expert] = (line, cells)
    order = [rows[expert] for expert in _complete(sheet, {expert: expert for expert in rows}, "expert")]
    layers: dict[int, Row] = {
        layer: [sheet.load(line, cells, column) for line, cells in order] for layer, column in columns.items()
    }
    is_relative = all(_counts_moe_layers(sheet.columns[column].name, set(columns)) for column in columns.values())
    return Table(numbered=not is_relative, counts={("", ""): layers})


def _complete(sheet: _Sheet, found: dict[int, int], what: str) -> list[int]:
    """Values by number, which must be 0, 1, 2 and so on."""
    absent = next((i for i in range(len(found)) if i not in found), None)
    if absent is not None or not found:
        raise FormatError(
            f"{sheet.source}: no {what} {absent or 0} among {what}s {min(found, default=0)}..{max(found, default=0)}: "
            f"give all of them, numbered from 0; {LAYOUTS}"
        )
    return [found[i] for i in range(len(found))]


def _long(sheet: _Sheet) -> Table:
    """One row a count."""
    sheet.check_index()
    layer, expert = sheet.only(LAYER), sheet.only(EXPERT)
    count = sheet.only(COUNT)
    count = sheet.only(TOTAL) if count is None else count
    if layer is None or expert is None or count is None:
        raise FormatError(f"{sheet.source}: no column says the count; {LAYOUTS}")
    window, rank = sheet.only(WINDOW), sheet.only(RANK)
    table = Table(numbered=True, sparse=True)
    for line, cells in sheet.rows:
        layer_id = sheet.label(line, cells, layer, LAYER_LOAD)
        expert_id = sheet.label(line, cells, expert, EXPERT_LOAD)
        key = sheet.key(cells, window, rank)
        if layer_id is None or expert_id is None or key is None:
            continue
        row = table.counts.setdefault(key, {}).setdefault(layer_id, {})
        if expert_id in row:
            sheet.fail(line, f"expert {expert_id} of layer {layer_id} is there twice: name its rank or step")
        row[expert_id] = sheet.load(line, cells, count)
    ids = {layer_id for layers in table.counts.values() for layer_id in layers}
    if _counts_moe_layers(sheet.columns[layer].name, ids):
        table.numbered = False
    return table


def _may_be_layers(ids: list[int]) -> bool:
    """Small numbers in equal steps, up or down, as every other layer has them; of two rows, one after the other."""
    steps = {two - one for one, two in pairwise(ids)}
    most = MOST_STEP if len(ids) > 2 else 1
    return len(steps) == 1 and 0 < abs(next(iter(steps))) <= most and max(ids) < MOST_LAYERS


def _may_be_places(places: list[tuple[int, int]], width: int) -> bool:
    """Pairs that come once each: all that two lists of numbers make, or, of a table of counts, in rising order."""
    firsts, seconds = ({place[i] for place in places} for i in (0, 1))
    is_grid = len(set(places)) == len(places) == len(firsts) * len(seconds) and min(len(firsts), len(seconds)) > 1
    is_rising = all(one < two for one, two in pairwise(places)) and len(firsts) < len(places)
    return is_grid or (is_rising and width in (3, 4))


def _bare(sheet: _Sheet) -> Table:
    """One row a layer, one column an expert, and nothing that says so.

    Raises
    ------
    FormatError
        The first column counts: it may hold the layers; or the first two do, of a table of counts.
    """
    width = len(sheet.columns)
    pairs = [(whole(cells[0]), whole(cells[-1] if width == 1 else cells[1])) for _, cells in sheet.rows]
    ids = [first for first, _ in pairs if first is not None]
    if width > 1 and len(pairs) == len(ids) > 1 and _may_be_layers(ids):
        raise FormatError(
            f"{sheet.source}: the first column counts {ids[0]}..{ids[-1]}: layers, or loads of expert 0? Give the "
            f"table a header; {LAYOUTS}"
        )
    places = [(first, second) for first, second in pairs if first is not None and second is not None]
    if width > 2 and len(places) == len(pairs) and _may_be_places(places, width):
        raise FormatError(
            f"{sheet.source}: the first two columns count: layers and experts? Give the table a header; {LAYOUTS}"
        )
    rows: dict[int, Row] = {
        i: [sheet.load(line, cells, column) for column in range(width)] for i, (line, cells) in enumerate(sheet.rows)
    }
    return Table(numbered=False, bare=True, counts={("", ""): rows})
