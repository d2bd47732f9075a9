"""Loads of tables: one, or a folder with one a rank, which add up."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import FormatError, FormatWarning
from .content import read_content
from .held import Loads
from .reading import OversizeError, check_unpacked
from .table_names import ranks_of
from .table_sheet import Row, Table

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
    return loads_of([_table(path) for path in files], source)


def _table(path: Path) -> Table:
    table = read_content(path)
    if not isinstance(table, Table):
        raise FormatError(f"{path}: no table")
    return table


def _check_ranks(ranks: dict[Path, tuple[int, ...]], source: str) -> None:
    """Raise `FormatError` unless each file is of one rank, and all ranks are there."""
    seen: dict[tuple[int, ...], Path] = {}
    for path, numbers in ranks.items():
        if not numbers:
            raise FormatError(
                f"{source}: the name of {path.name} says no rank (rank0.csv, rank1.csv), so it is not known whether "
                "the files add up: give one file"
            )
        if numbers in seen:
            raise FormatError(
                f"{source}: {seen[numbers].name} and {path.name} are of one rank: give the files of one recording"
            )
        seen[numbers] = path
    # Names such as dp_1_ep_2 say several numbers: which ranks there should be is not known then.
    if all(len(numbers) == 1 for numbers in seen):
        check_all_ranks([numbers[0] for numbers in seen], source)


def check_all_ranks(numbers: Iterable[int], source: str) -> None:
    """Raise `FormatError` unless the ranks are 0, 1, 2 and so on."""
    present = sorted(numbers)
    for expected, number in enumerate(present):
        if number != expected:
            raise FormatError(
                f"{source}: rank {present[-1]} without rank {expected}: collect the files of all ranks"
            )


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
    cells = len(axes.windows) * len(axes.layers) * axes.experts
    if not cells:
        raise FormatError(f"{source}: no loads but totals, in no known format")
    try:
        check_unpacked(cells * 8)  # 8 bytes each, as int64 or float64
    except OversizeError as error:
        raise FormatError(f"{source}: {error}") from None
    load = _sum(tables, axes)
    if any(table.sparse for table in tables):
        _check_experts(tables, axes, source)
    is_numbered = all(table.numbered for table in tables)
    ids = tuple(axes.layers) if is_numbered else None
    labels = tuple(axes.windows)
    if labels == ("",):  # no column of windows
        labels = ("0",)
    return Loads(load, ids, labels)


def _rows(tables: list[Table]) -> Iterator[tuple[str, int, Row]]:
    """Window, layer and loads of each row of all tables."""
    for table in tables:
        for (window, _), layers in table.counts.items():
            for layer, row in layers.items():
                yield window, layer, row


def _axes(tables: list[Table]) -> _Axes:
    windows: dict[str, int] = {}
    layers: dict[int, int] = {}
    experts = 0
    for table in tables:
        for window, _ in table.counts:
            windows.setdefault(window, len(windows))
    for _, layer, row in _rows(tables):
        layers.setdefault(layer, len(layers))
        width = len(row) if isinstance(row, list) else max(row) + 1
        experts = max(experts, width)
    # As they come, but windows that are numbers, and layers that come in pieces, in ascending order.
    if all(window.isdecimal() for window in windows):
        in_order = sorted(windows, key=int)
        windows = {window: i for i, window in enumerate(in_order)}
    if len(tables) > 1 or any(table.sparse for table in tables):
        layers = {layer: i for i, layer in enumerate(sorted(layers))}
    return _Axes(windows, layers, experts)


def _sum(tables: list[Table], axes: _Axes) -> npt.NDArray[Any]:
    """The loads [windows, layers, experts]: integers while all are."""
    shape = (len(axes.windows), len(axes.layers), axes.experts)
    total: npt.NDArray[Any] = np.zeros(shape, dtype=np.int64)
    for window, layer, row in _rows(tables):
        if isinstance(row, list):
            places: slice | list[int] = slice(len(row))
            values = np.asarray(row)
        else:
            places = list(row)
            values = np.asarray(list(row.values()))
        if values.dtype.kind == "f" and total.dtype.kind != "f":
            total = total.astype(np.float64)
        total[axes.windows[window], axes.layers[layer], places] += values
    return total


def _check_experts(tables: list[Table], axes: _Axes, source: str) -> None:
    """What may be missing from tables in which counts of 0 have no row: the first expert, or the last ones."""
    rows = [row for _, _, row in _rows(tables)]
    if not any(isinstance(row, list) or 0 in row for row in rows):
        raise FormatError(
            f"{source}: experts 1..{axes.experts - 1}, and none is 0: number them from 0, or give a row of expert 0"
        )
    if axes.experts % USUAL and any(len(row) < axes.experts for row in rows):
        warnings.warn(
            f"{source}: counts of 0 are left out, and {axes.experts - 1} is the largest expert: taken for "
            f"{axes.experts} experts; if the model has more, give a row of the last one",
            FormatWarning,
            stacklevel=2,
        )
