"""Files of columns: Parquet and Arrow (Feather). Plain columns are a table like any other, lists are arrays by name."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

from ..packages import require
from .reading import PARQUET, check_unpacked, most_unpacked
from .table_sheet import Table
from .tables import table_of

INDEX = "__index_level_"  # of pandas, which writes it as a column
EXPERTS = "routed_experts"  # of requests, also in text
SCRIPT = Path(__file__).with_name("columns_process.py")


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
    columns = _columns(data)
    if not columns:
        raise ValueError("no columns")
    has_lists = any(_is_nested(values) for values in columns.values())
    if has_lists or EXPERTS in columns:
        return columns
    cells = zip(*columns.values(), strict=True)
    rows = [(i, [_text(cell) for cell in row]) for i, row in enumerate(cells, 1)]
    return table_of(list(columns), rows, source)


def _columns(data: bytes) -> dict[str, list[Any]]:
    """Columns by name, each of which is there once, as a process of its own reads them."""
    kind = "parquet" if data.startswith(PARQUET) else "arrow"
    command = [sys.executable, str(SCRIPT), kind, str(most_unpacked())]
    ended = subprocess.run(command, input=data, capture_output=True, check=False)
    if ended.returncode:
        raise ValueError(f"no {kind} file that can be read: pyarrow ended on it")
    what, found = pickle.loads(ended.stdout)
    if what == "size":
        check_unpacked(found)
    if what != "columns":
        raise ValueError(str(found))
    named = dict(found)
    if len(named) < len(found):
        raise ValueError("a column is there twice")
    return {
        name: values for name, values in named.items() if not name.startswith(INDEX)
    }


def _is_nested(values: list[Any]) -> bool:
    return any(isinstance(value, (list, dict)) for value in values[:1])


def _text(cell: Any) -> str:
    """A cell as tables have it; of a missing one nothing."""
    return "" if cell is None else str(cell)
