"""Files of columns: Parquet and Arrow (Feather). Plain columns are a table like any other, lists are arrays by name."""

from __future__ import annotations

from typing import Any

from ..packages import require
from .reading import PARQUET, check_unpacked
from .table_sheet import Table
from .tables import table_of

INDEX = "__index_level_"  # of pandas, which writes it as a column
EXPERTS = "routed_experts"  # of requests, also in text
VALUE = 8  # bytes that a value takes, at least


def parse_columns(data: bytes, source: str) -> dict[str, Any] | Table:
    """What a Parquet or an Arrow file holds.

    Returns
    -------
    Table, or dict of lists
        The second where a column holds lists, or the experts of requests.

    Raises
    ------
    MissingPackageError
        pyarrow is not installed.
    """
    require(f"reading {source}", "pyarrow.parquet")
    columns = _parquet(data) if data.startswith(PARQUET) else _arrow(data)
    if not columns:
        raise ValueError("no columns")
    has_lists = any(_is_nested(values) for values in columns.values())
    if has_lists or EXPERTS in columns:
        return columns
    cells = zip(*columns.values(), strict=True)
    rows = [(i, [_text(cell) for cell in row]) for i, row in enumerate(cells, 1)]
    return table_of(list(columns), rows, source)


def _parquet(data: bytes) -> dict[str, list[Any]]:
    """The columns of a Parquet file, once it is known how many values they have."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = pq.ParquetFile(pa.BufferReader(data))
    about = file.metadata
    groups = [about.row_group(i) for i in range(about.num_row_groups)]
    chunks = [group.column(i) for group in groups for i in range(group.num_columns)]
    values = sum(chunk.num_values for chunk in chunks)
    check_unpacked(max(VALUE * values, sum(group.total_byte_size for group in groups)))
    return _named(file.read())


def _arrow(data: bytes) -> dict[str, list[Any]]:
    """The columns of an Arrow file, batch by batch."""
    import pyarrow as pa

    reader = pa.ipc.open_file(pa.BufferReader(data))
    batches = []
    size = 0
    for i in range(reader.num_record_batches):
        batches.append(reader.get_batch(i))
        size += batches[-1].nbytes
        check_unpacked(size)
    return _named(pa.Table.from_batches(batches, reader.schema))


def _named(table: Any) -> dict[str, list[Any]]:
    """Columns by name, each of which is there once."""
    names = [str(name) for name in table.column_names]
    if len(set(names)) < len(names):
        raise ValueError("a column is there twice")
    return {
        name: table.column(i).to_pylist()
        for i, name in enumerate(names)
        if not name.startswith(INDEX)
    }


def _is_nested(values: list[Any]) -> bool:
    return any(isinstance(value, (list, dict)) for value in values[:1])


def _text(cell: Any) -> str:
    """A cell as tables have it; of a missing one nothing."""
    return "" if cell is None else str(cell)
