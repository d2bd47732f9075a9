"""The steps of `exchange` with all splits, for few slots a rank, compiled for the CPU (numba): the same bits."""

from __future__ import annotations

import numpy as np

from ..compiled import compiled
from .arrays import Numpy
from .differences import LOW
from .exchange_compiled import chosen_partner, least, order, total_loads


def steps(state, bits, shift, schedule, goal, weights, blocks, swap):  # type: ignore[no-untyped-def]
    """Make the steps in place.

    Parameters
    ----------
    state : array [packings, slots, ranks], int32
        Keys; at most `splits.FULL_SPLITS` slots.
    bits, shift, schedule, goal
        As for `exchange_compiled.steps`; slots are never turned.
    weights, blocks, swap : array
        Of `splits.split_arrays`.
    """
    _, slots, ranks = state.shape
    never = schedule.copy()
    never[:, 2] = np.iinfo(np.int64).max
    room = _workspace(slots, ranks, len(weights), swap.shape[1])
    _steps(state, bits, shift, never, goal, weights, blocks, swap, *room)


def _workspace(slots: int, ranks: int, rows: int, splits: int) -> tuple[Numpy, ...]:
    """Room for what `_steps` works on, made where nothing is compiled for it."""
    sums = np.empty(splits, dtype=np.float32)
    number = np.empty(1, dtype=np.float32)
    sides = np.empty((rows, ranks), dtype=np.float32)
    best = np.empty(ranks, dtype=np.int32)
    old = np.empty((slots, ranks), dtype=np.int32)
    ordered = np.empty(ranks, dtype=np.int64)
    both = np.empty(2 * slots, dtype=np.int32)
    # Twice the same memory: patterns of numbers >= 0 are in their order.
    pattern = sums.view(np.int32)
    number_pattern = number.view(np.int32)
    return sides, best, old, ordered, both, sums, pattern, number, number_pattern


@compiled
def _steps(  # type: ignore[no-untyped-def]
    state, bits, shift, schedule, goal, weights, blocks, swap,
    sides, best, old, ordered, both, sums, pattern, number, number_pattern,
):  # fmt: skip
    """As `steps`, in room of `_workspace`."""
    for packing in range(state.shape[0]):
        held = state[packing]
        for step in range(schedule.shape[0]):
            heavy = schedule[step, 0]
            partners = schedule[step, 1]
            if total_loads(held, ordered, bits) <= goal[packing]:
                break
            order(held, old, ordered, shift, heavy, partners, schedule[step, 2])
            _fill_sides(held, weights, bits, heavy * (1 + partners), sides)
            for q in range(heavy * partners):
                _differences(sides, blocks, q % heavy, heavy + q, sums)
                best[q] = least(pattern)
            for h in range(heavy):
                q = chosen_partner(h, best, ordered, shift, heavy, partners, number, number_pattern)  # fmt: skip
                _split(held, h, heavy + q, swap, best[q] & LOW, both)


@compiled
def _fill_sides(held, weights, bits, columns, sides):  # type: ignore[no-untyped-def]
    """The product of the weights and the loads, whose sums are exact."""
    for row in range(weights.shape[0]):
        for i in range(columns):
            sides[row, i] = 0
        for s in range(weights.shape[1]):
            weight = weights[row, s]
            for i in range(columns):
                sides[row, i] += weight * np.float32(held[s, i] >> bits)


@compiled
def _differences(sides, blocks, mine, theirs, sums):  # type: ignore[no-untyped-def]
    """Differences of a pair after all splits, in their order."""
    at = 0
    for block in range(blocks.shape[0]):
        start = blocks[block, 0]
        other = blocks[block, 2]
        for i in range(blocks[block, 1]):
            side = sides[start + i, mine]
            for j in range(blocks[block, 3]):
                sums[at] = side - sides[other + j, theirs]
                at += 1


@compiled
def _split(held, mine, theirs, swap, split, both):  # type: ignore[no-untyped-def]
    """Put the slots of two ranks into the order of a split."""
    slots = held.shape[0]
    for s in range(slots):
        both[s] = held[s, mine]
        both[slots + s] = held[s, theirs]
    for s in range(slots):
        held[s, mine] = both[swap[s, split]]
        held[s, theirs] = both[swap[slots + s, split]]
