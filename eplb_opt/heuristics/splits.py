"""The splits that a step of `exchange` tries for a pair of ranks: tables made once for every number of slots.

A split's difference of loads is an outer sum of two small tables, one number of each rank's side (of few slots) or one
of the first and one of the further slots (of many).
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..problem.pool import Ints
from . import arrays as xp
from .arrays import Array, Device

FULL_SPLITS = 6  # slots a rank up to which all balanced splits are tried
EXCHANGED = 8  # slots exchanged at a time beyond that

# First row and number of rows of the heavy side, then of the light one.
Block = tuple[int, int, int, int]
RowStep = tuple[slice, slice, slice]  # rows that are made, earlier rows, slots


@dataclass(frozen=True, eq=False)
class Splits:
    """The splits of a pair of ranks: ``weights`` turns a rank's loads into its side of the outer sums.

    Parameters
    ----------
    weights : array [rows, slots], float32
        A row is a rank's load with some slots counted negative.
    blocks : tuple of Block
        Which rows of the heavy side meet which of the light one, in the order of the splits.
    swap : array
        int64 [2 * slots, splits], the order of both ranks' slots after each split; or, of more than `FULL_SPLITS`
        slots, int32 [slots, splits], masks of keys: all bits where a slot is exchanged.
    number : array [splits, 1], int32
    """

    weights: Array
    blocks: tuple[Block, ...]
    swap: Array
    number: Array


@functools.cache
def splits(slots: int, device: Device) -> Splits:
    """All splits that a step tries for ranks of ``slots`` slots; number 0 changes nothing."""
    weights, blocks, swap = split_arrays(slots)
    number = np.arange(swap.shape[1], dtype=np.int32)[:, None]
    swap_or_masks = swap if slots <= FULL_SPLITS else swap.astype(np.int32)
    return Splits(
        weights=xp.asarray(weights, device),
        blocks=tuple(map(tuple, blocks.tolist())),
        swap=xp.asarray(swap_or_masks, device),
        number=xp.asarray(number, device),
    )


@functools.cache
def split_arrays(slots: int) -> tuple[npt.NDArray[np.float32], Ints, Ints]:
    """``weights``, ``blocks`` and ``swap`` of `splits` as numpy's arrays."""
    weights, blocks, swap = (
        _all_splits(slots) if slots <= FULL_SPLITS else _exchanges(slots)
    )
    return weights, np.array(blocks, dtype=np.int64), swap.astype(np.int64)


def _all_splits(
    slots: int,
) -> tuple[npt.NDArray[np.float32], list[Block], npt.NDArray[Any]]:
    """Exchange any t slots of one rank with any t of the other, t <= slots / 2 (more is the same pair mirrored)."""
    unchanged = list(range(2 * slots))
    rows = [np.ones(slots)]
    blocks = [(0, 1, 0, 1)]
    orders = [unchanged]
    for exchanged in range(1, slots // 2 + 1):
        subsets = list(itertools.combinations(range(slots), exchanged))
        blocks.append((len(rows), len(subsets), len(rows), len(subsets)))
        for subset in subsets:
            row = np.ones(slots)
            row[list(subset)] = -1
            rows.append(row)
        for mine, theirs in itertools.product(subsets, subsets):
            order = unchanged.copy()
            for i, j in zip(mine, theirs, strict=True):
                order[i] = slots + j
                order[slots + j] = i
            orders.append(order)
    return (
        np.array(rows, dtype=np.float32),
        blocks,
        np.array(orders, dtype=np.int64).T.copy(),
    )


def _exchanges(
    slots: int,
) -> tuple[npt.NDArray[np.float32], list[Block], npt.NDArray[Any]]:
    """Exchange any of the first slots with the same slots of the other rank; the weights apply to differences."""
    number = min(slots - 1, EXCHANGED)
    half = number // 2
    here = _subsets(half)
    there = _subsets(number - half)
    # An exchange turns the sign of a slot's difference: it counts -1 instead of 1, so 2 less. The 1 of every slot is
    # in the second half's rows.
    weights = np.zeros((len(here) + len(there), slots), dtype=np.float32)
    weights[: len(here), :half] = -2 * here
    weights[len(here) :] = 1
    weights[len(here) :, half:number] -= 2 * there
    swap = np.zeros((slots, len(here), len(there)), dtype=np.int32)
    swap[:half] = -here.T[:, :, None]  # -1 has all bits
    swap[half:number] = -there.T[:, None, :]
    return weights, [(0, len(here), len(here), len(there))], swap.reshape(slots, -1)


def _subsets(slots: int) -> Ints:
    """All vectors of zeros and ones, [2 ** slots, slots], of which the last slot changes fastest."""
    return np.array(
        list(itertools.product((0, 1), repeat=slots)), dtype=np.int64
    ).reshape(2**slots, slots)


@functools.cache
def row_steps(slots: int) -> tuple[int, list[RowStep]]:
    """Which row of `Splits.weights` is all ones, and how others follow: rows = earlier rows - 2 * slots.

    Row 0 is the other one without an earlier one: all ones as well, or all zeros.
    """
    return (
        (0, _steps_of_all_splits(slots))
        if slots <= FULL_SPLITS
        else _steps_of_exchanges(slots)
    )


def _steps_of_all_splits(slots: int) -> list[RowStep]:
    """A set with one slot more follows from the set without its last slot."""
    steps = []
    rows = 1
    subsets = [(0, 0)]  # row, and the first slot that a larger subset may have besides
    for _ in range(slots // 2):
        larger = []
        for row, first in subsets:
            more = slots - first
            steps.append(
                (slice(rows, rows + more), slice(row, row + 1), slice(first, slots))
            )
            larger += [(rows + slot - first, slot + 1) for slot in range(first, slots)]
            rows += more
        subsets = larger
    return steps


def _steps_of_exchanges(slots: int) -> tuple[int, list[RowStep]]:
    """Of each half, the rows with a slot are those without it less twice that slot: as many again, slot by slot."""
    number = min(slots - 1, EXCHANGED)
    steps = []
    first_of_half = 0
    for first, end in ((0, number // 2), (number // 2, number)):
        rows = 1
        # As `_subsets`, where the last slot changes fastest.
        for slot in reversed(range(first, end)):
            middle = first_of_half + rows
            steps.append(
                (
                    slice(middle, middle + rows),
                    slice(first_of_half, middle),
                    slice(slot, slot + 1),
                )
            )
            rows *= 2
        plain = first_of_half
        first_of_half += rows
    return plain, steps
