"""Loads of tables: one, or a folder with one a rank, which add up."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import FormatError, FormatWarning
from .content import read_content
from .files import Loads
from .reading import OversizeError, check_unpacked
from .table_names import ranks_of
from .tables import Table

ENDINGS = (".csv", ".tsv")
USUAL = 4  # numbers of experts are multiples of it


def tables_in(folder: Path) -> list[Path]:
    """The tables of a folder."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS)


def folder_loads(folder: Path, source: str) -> Loads:
    """The sum over a folder's tables, one a rank.

    Raises
    ------
    FormatError
        A file does not say its rank, ranks are missing or there twice, or a file is no table.
    """
    files = tables_in(folder)
    ranks = {path: ranks_of(path.stem) for path in files}
    if len(files) > 1:
        _check_ranks(ranks, source)
    tables = []
    for path in files:
        table = read_content(path)
        if not isinstance(table, Table):
            raise FormatError(f"{path}: no table")
        tables.append(table)
    return loads_of(tables, source)


def _check_ranks(ranks: dict[Path, tuple[int, ...]], source: str) -> None:
    seen: dict[tuple[int, ...], Path] = {}
    for path, found in ranks.items():
        if not found:
            raise FormatError(
                f"{source}: the name of {path.name} says no rank (rank0.csv, rank1.csv), so it is not known whether "
                "the files add up: give one file"
            )
        if found in seen:
            raise FormatError(
                f"{source}: {seen[found].name} and {path.name} are of one rank: give the files of one recording"
            )
        seen[found] = path
    if all(len(found) == 1 for found in seen):
        check_all_ranks([found[0] for found in seen], source)


def check_all_ranks(numbers: Iterable[int], source: str) -> None:
    """Raise `FormatError` unless the ranks are 0, 1, 2 and so on."""
    present = sorted(numbers)
    absent = next((i for i, number in enumerate(present) if i != number), None)
    if absent is not None:
        raise FormatError(f"{source}: rank {present[-1]} without rank {absent}: collect the files of all ranks")


@dataclass(frozen=True)
class _Axes:
    """Where in the array a window, a layer and an expert are."""

    windows: dict[str, int]
    layers: dict[int, int]
    experts: int


def loads_of(tables: list[Table], source: str) -> Loads:
    """The sum of tables, by window, layer and expert.

    Raises
    ------
    FormatError
        There is no load of expert 0 in tables of counts, which may number experts from 1, or they are too many.

    Warns
    -----
    FormatWarning
        Counts that are 0 are left out, and perhaps experts with them.
    """
    axes = _axes(tables)
    shape = (len(axes.windows), len(axes.layers), axes.experts)
    cells = shape[0] * shape[1] * shape[2]
    if not cells:
        raise FormatError(f"{source}: no loads but totals, in no known format")
    try:
        check_unpacked(cells * 8)
    except OversizeError as error:
        raise FormatError(f"{source}: {error}") from None
    load = _sum(tables, axes, shape)
    if any(table.sparse for table in tables):
        _check_experts(tables, axes, source)
    numbered = all(table.numbered for table in tables)
    labels = tuple(axes.windows) if list(axes.windows) != [""] else ("0",)
    return Loads(load, tuple(axes.layers) if numbered else None, labels)


def _axes(tables: list[Table]) -> _Axes:
    keys = [window for table in tables for window, _ in table.counts]
    windows = list(dict.fromkeys(keys))
    if all(window.isdecimal() for window in windows):
        windows.sort(key=int)
    layers = list(dict.fromkeys(i for table in tables for found in table.counts.values() for i in found))
    if len(tables) > 1 or any(table.sparse for table in tables):
        layers.sort()
    rows = [row for table in tables for found in table.counts.values() for row in found.values()]
    experts = max((len(row) if isinstance(row, list) else max(row) + 1 for row in rows), default=0)
    return _Axes({w: i for i, w in enumerate(windows)}, {layer: i for i, layer in enumerate(layers)}, experts)


def _sum(tables: list[Table], axes: _Axes, shape: tuple[int, int, int]) -> npt.NDArray[Any]:
    total: npt.NDArray[Any] = np.zeros(shape, dtype=np.int64)
    for table in tables:
        for (window, _), found in table.counts.items():
            for layer, row in found.items():
                values = np.asarray(row if isinstance(row, list) else list(row.values()))
                places = slice(len(row)) if isinstance(row, list) else list(row)
                if values.dtype.kind == "f" and total.dtype.kind != "f":
                    total = total.astype(np.float64)
                total[axes.windows[window], axes.layers[layer], places] += values
    return total


def _check_experts(tables: list[Table], axes: _Axes, source: str) -> None:
    rows = [row for table in tables for found in table.counts.values() for row in found.values()]
    if not any(isinstance(row, list) or 0 in row for row in rows):
        raise FormatError(
            f"{source}: experts 1..{axes.experts - 1}, and none is 0: number them from 0, or give a row of expert 0"
        )
    if axes.experts % USUAL and any(len(row) < axes.experts for row in rows):
        warnings.warn(
            f"{source}: counts of 0 are left out, and {axes.experts - 1} is the largest expert: taken for "
            f"{axes.experts} experts; if the model has more, give a row of the last one",
            FormatWarning, stacklevel=2,
        )  # fmt: skip
