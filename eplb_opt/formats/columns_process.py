"""Read a Parquet or an Arrow file in a process of its own, which a damaged file may end: pyarrow aborts on some.

A script, not a module: it needs nothing of the package. Data come on standard input, an answer goes to standard output,
pickled: ``("columns", [(name, values), ..])``, ``("size", bytes)`` where that is too much, or ``("refused", why)``.
"""

from __future__ import annotations

import os
import pickle
import sys
from typing import Any

VALUE = 8  # bytes that a value takes, at least

Answer = tuple[str, Any]


class _TooLargeError(Exception):
    """The bytes that it takes."""


def answer(data: bytes, kind: str, most: int) -> Answer:
    """What a file of some kind holds, if it takes at most so many bytes."""
    try:
        table = _parquet(data, most) if kind == "parquet" else _arrow(data, most)
        names = [str(name) for name in table.column_names]
        lists = [table.column(i).to_pylist() for i in range(len(names))]
    except _TooLargeError as error:
        return "size", error.args[0]
    except Exception as error:  # whatever a library makes of a damaged file
        return "refused", f"{error}" or type(error).__name__
    return "columns", list(zip(names, lists, strict=True))


def _parquet(data: bytes, most: int) -> Any:
    """The table of a Parquet file, once it is known how many values it has."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = pq.ParquetFile(pa.BufferReader(data))
    about = file.metadata
    groups = [about.row_group(i) for i in range(about.num_row_groups)]
    chunks = [group.column(i) for group in groups for i in range(group.num_columns)]
    values = sum(chunk.num_values for chunk in chunks)
    _check(max(VALUE * values, sum(group.total_byte_size for group in groups)), most)
    return file.read()


def _arrow(data: bytes, most: int) -> Any:
    """The table of an Arrow file, batch by batch."""
    import pyarrow as pa

    reader = pa.ipc.open_file(pa.BufferReader(data))
    batches = []
    size = 0
    for i in range(reader.num_record_batches):
        batches.append(reader.get_batch(i))
        size += batches[-1].nbytes
        _check(size, most)
    return pa.Table.from_batches(batches, reader.schema)


def _check(size: int, most: int) -> None:
    if size > most:
        raise _TooLargeError(size)


if __name__ == "__main__":
    # Not its own folder, whose modules have names that others have, too.
    del sys.path[0]
    pickle.dump(
        answer(sys.stdin.buffer.read(), sys.argv[1], int(sys.argv[2])),
        sys.stdout.buffer,
    )
    sys.stdout.buffer.flush()
    # Threads of a library may end a process that ends by itself.
    os._exit(0)
