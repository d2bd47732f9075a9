"""Tables of text (CSV and its kin): the layouts in which people write loads.

A layout is told from the header. What it does not tell is an error, as is a table without header that may be read in
two ways: wrong loads would give a map that is proven optimal for nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from ..errors import FormatError
from .layers import MOST_LAYERS
from .table_cells import Cells, Rows, split_table, whole
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
    why_unknown,
)
from .table_sheet import MOST_EXPERTS, Key, Row, Sheet, Table

MOST_STEP = 4  # between the layers of a model that have experts
Counts = dict[Key, dict[int, Row]]  # window and rank -> layer -> loads by expert
NO_KEY = ("", "")  # of a table without windows and ranks


def parse_table(text: str, source: str) -> Table:
    """The loads of a table.

    Raises
    ------
    FormatError
        It is malformed, its header is unknown, or it may be read in two ways.
    """
    header, rows = split_table(text, source)
    return table_of(header, rows, source)


def table_of(header: list[str] | None, rows: Rows, source: str) -> Table:
    """The loads of a table of which the cells are known (see `parse_table`)."""
    if not rows:
        raise FormatError(
            f"{source}: no rows below the header, in no known format of tables"
        )
    _, first = rows[0]
    width = len(first if header is None else header)
    _check_width(rows, width, source)
    if header is None:
        columns = [Column(str(i), NUMBER, i) for i in range(width)]
        return _bare(Sheet(source, columns, rows))
    sheet = Sheet(source, [column_of(name) for name in header], rows)
    for column in sheet.columns:
        if column.kind == UNKNOWN:
            sheet.refuse(column, why_unknown(column.name))
    read = _layout(sheet)
    return read(sheet)


def _check_width(rows: Rows, width: int, source: str) -> None:
    """Raise `FormatError` unless all rows have so many cells, and experts are no more than models have."""
    if width > MOST_EXPERTS:
        raise FormatError(
            f"{source}: {width} columns: no model has more than {MOST_EXPERTS} experts"
        )
    for line, cells in rows:
        if len(cells) != width:
            raise FormatError(
                f"{source}, line {line}: {len(cells)} cells, expected {width}: rows of different lengths"
            )


def _layout(sheet: Sheet) -> Callable[[Sheet], Table]:
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
    raise FormatError(
        f"{sheet.source}: columns {names} are together in no known format; {LAYOUTS}"
    )


def _index_names_experts(sheet: Sheet) -> bool:
    """Whether the first cell of the index is ``expert_0`` or the like."""
    index = sheet.only(INDEX)
    if index is None or sheet.all(LAYER, EXPERT_LOAD):
        return False
    _, cells = sheet.rows[0]
    label = label_of(cells[index])
    return label is not None and label.kind == EXPERT_LOAD


def _wide(sheet: Sheet) -> Table:
    """One row a layer, one column an expert."""
    layer = sheet.only(LAYER)
    if layer is None:
        layer = _index_of_layers(sheet)
    else:
        sheet.check_index()
    table = Table(numbered=layer is not None, counts=_counts_of_wide(sheet, layer))
    ids = [set(layers) for layers in table.counts.values()]
    if any(some != ids[0] for some in ids):
        raise FormatError(f"{sheet.source}: not all steps and ranks have all layers")
    if layer is not None and ids:
        name = sheet.columns[layer].name
        table.numbered = not _counts_moe_layers(name, ids[0])
    return table


def _counts_of_wide(sheet: Sheet, layer: int | None) -> Counts:
    """The counts, of layers that a column names or that are rows in order."""
    window = sheet.only(WINDOW)
    rank = sheet.only(RANK)
    columns = _complete(sheet, sheet.numbers(EXPERT_LOAD, NUMBER), "expert")
    counts: Counts = {}
    for row, (line, cells) in enumerate(sheet.rows):
        number = row if layer is None else sheet.label(line, cells, layer, LAYER_LOAD)
        key = sheet.key(cells, window, rank)
        if number is None or key is None:  # a total
            continue
        layers = counts.setdefault(key, {})
        if number in layers:
            sheet.fail(line, f"layer {number} is there twice")
        layers[number] = sheet.loads(line, cells, columns)
    return counts


def _index_of_layers(sheet: Sheet) -> int | None:
    """The index, where no column is named after layers; None: rows are layers in order."""
    if sheet.all(WINDOW, RANK):
        raise FormatError(
            f"{sheet.source}: a column of steps or ranks and none of layers; {LAYOUTS}"
        )
    return sheet.only(INDEX)


def _counts_moe_layers(name: str, ids: set[int]) -> bool:
    """The first MoE layer is 0, whatever its index in the model: of a column ``moe_layer`` with 0, 1, 2 and so on."""
    is_of_moe = name.lower().lstrip().startswith("moe")
    return is_of_moe and ids == set(range(len(ids)))


def _transposed(sheet: Sheet) -> Table:
    """One row an expert, one column a layer."""
    for i in sheet.all(RANK, WINDOW):
        sheet.refuse(sheet.columns[i], "is beside columns of layers")
    label = sheet.only(EXPERT)
    if label is None:
        label = sheet.all(INDEX)[0]
    else:
        sheet.check_index()
    columns = sheet.numbers(LAYER_LOAD, NUMBER)
    in_order = _rows_by_expert(sheet, label)
    layers: dict[int, Row] = {}
    for layer, column in columns.items():
        layers[layer] = [sheet.load(line, cells, column) for line, cells in in_order]
    names = [sheet.columns[column].name for column in columns.values()]
    is_relative = all(_counts_moe_layers(name, set(columns)) for name in names)
    return Table(numbered=not is_relative, counts={NO_KEY: layers})


def _rows_by_expert(sheet: Sheet, label: int) -> Rows:
    """The rows in the order of the experts that a column names."""
    rows: dict[int, tuple[int, Cells]] = {}  # expert -> its line and cells
    for line, cells in sheet.rows:
        expert = sheet.label(line, cells, label, EXPERT_LOAD)
        if expert in rows:
            sheet.fail(line, f"expert {expert} is there twice")
        if expert is not None:
            rows[expert] = (line, cells)
    experts = _complete(sheet, {expert: expert for expert in rows}, "expert")
    return [rows[expert] for expert in experts]


def _complete(sheet: Sheet, by_number: dict[int, int], what: str) -> list[int]:
    """Values by number, which must be 0, 1, 2 and so on."""
    numbers = range(len(by_number))
    absent = [i for i in numbers if i not in by_number]
    if absent or not by_number:
        lowest = min(by_number, default=0)
        highest = max(by_number, default=0)
        first = absent[0] if absent else 0
        raise FormatError(
            f"{sheet.source}: no {what} {first} among {what}s {lowest}..{highest}: "
            f"give all of them, numbered from 0; {LAYOUTS}"
        )
    return [by_number[i] for i in numbers]


def _long(sheet: Sheet) -> Table:
    """One row a count."""
    sheet.check_index()
    layer = sheet.only(LAYER)
    expert = sheet.only(EXPERT)
    count = sheet.only(COUNT)
    if count is None:
        # Beside layers and experts a total is that of the row.
        count = sheet.only(TOTAL)
    if layer is None or expert is None or count is None:
        raise FormatError(f"{sheet.source}: no column says the count; {LAYOUTS}")
    counts = _counts_of_long(sheet, layer, expert, count)
    ids = {layer_id for layers in counts.values() for layer_id in layers}
    is_relative = _counts_moe_layers(sheet.columns[layer].name, ids)
    return Table(numbered=not is_relative, sparse=True, counts=counts)


def _counts_of_long(sheet: Sheet, layer: int, expert: int, count: int) -> Counts:
    """The counts, one a row, by the columns of their layer, expert and count."""
    window = sheet.only(WINDOW)
    rank = sheet.only(RANK)
    counts: Counts = {}
    for line, cells in sheet.rows:
        layer_id = sheet.label(line, cells, layer, LAYER_LOAD)
        expert_id = sheet.label(line, cells, expert, EXPERT_LOAD)
        key = sheet.key(cells, window, rank)
        if layer_id is None or expert_id is None or key is None:  # a total
            continue
        row = counts.setdefault(key, {}).setdefault(layer_id, {})
        if expert_id in row:
            what = f"expert {expert_id} of layer {layer_id} is there twice"
            sheet.fail(line, f"{what}: name its rank or step")
        row[expert_id] = sheet.load(line, cells, count)
    return counts


def _may_be_layers(ids: list[int]) -> bool:
    """Small numbers in equal steps, up or down, as every other layer has them; of two rows, one after the other."""
    steps = {two - one for one, two in pairwise(ids)}
    if len(steps) != 1 or max(ids) >= MOST_LAYERS:
        return False
    step = abs(steps.pop())
    most = MOST_STEP if len(ids) > 2 else 1
    return 0 < step <= most


def _may_be_places(places: list[tuple[int, int]], width: int) -> bool:
    """Pairs that come once each: all that two lists of numbers make, or, of a table of counts, in rising order."""
    firsts = {first for first, _ in places}
    seconds = {second for _, second in places}
    are_different = len(set(places)) == len(places)
    is_grid = are_different and len(places) == len(firsts) * len(seconds)
    if is_grid and len(firsts) > 1 and len(seconds) > 1:
        return True
    is_rising = all(one < two for one, two in pairwise(places))
    return is_rising and len(firsts) < len(places) and width in (3, 4)


def _bare(sheet: Sheet) -> Table:
    """One row a layer, one column an expert, and nothing that says so."""
    _check_first_columns(sheet)
    columns = list(range(len(sheet.columns)))
    rows: dict[int, Row] = {}
    for i, (line, cells) in enumerate(sheet.rows):
        rows[i] = sheet.loads(line, cells, columns)
    return Table(numbered=False, bare=True, counts={NO_KEY: rows})


def _check_first_columns(sheet: Sheet) -> None:
    """Refuse a table without header that may be read in two ways.

    Raises
    ------
    FormatError
        The first column counts: it may hold the layers; or the first two do, of a table of counts.
    """
    width = len(sheet.columns)
    if width == 1:
        return
    firsts = [whole(cells[0]) for _, cells in sheet.rows]
    _check_first_column(sheet, firsts)
    seconds = [whole(cells[1]) for _, cells in sheet.rows]
    pairs = zip(firsts, seconds, strict=True)
    places = [
        (first, second)
        for first, second in pairs
        if first is not None and second is not None
    ]
    if width > 2 and len(places) == len(firsts) and _may_be_places(places, width):
        raise FormatError(
            f"{sheet.source}: the first two columns count: layers and experts? Give the table a header; {LAYOUTS}"
        )


def _check_first_column(sheet: Sheet, firsts: list[int | None]) -> None:
    """Raise `FormatError` if a column of these integers may hold the layers."""
    ids = [first for first in firsts if first is not None]
    if 1 < len(ids) == len(firsts) and _may_be_layers(ids):
        raise FormatError(
            f"{sheet.source}: the first column counts {ids[0]}..{ids[-1]}: layers, or loads of expert 0? Give the "
            f"table a header; {LAYOUTS}"
        )
