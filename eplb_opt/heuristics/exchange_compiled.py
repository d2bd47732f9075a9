"""The steps of `exchange` slot by slot, compiled for the CPU (numba): the same bits, packing by packing."""

from __future__ import annotations

import numpy as np

from ..compiled import compiled
from .arrays import Numpy
from .differences import HIGH, LOW
from .exchange import PARTNER_BITS
from .splits import EXCHANGED

HIGH32 = np.int32(HIGH)
GAPS = (701, 301, 132, 57, 23, 10, 4, 1)  # Ciura's, of Shell's sort


def steps(state, bits, shift, schedule, goal, weights, blocks, swap):  # type: ignore[no-untyped-def]
    """Make the steps in place.

    Parameters
    ----------
    state : array [packings, slots, ranks], int32
        Keys; more than `splits.FULL_SPLITS` slots.
    bits, shift : int
        Bits of a key that hold the expert, and of an ordered load that hold the rank.
    schedule : array [steps, 3], int64
        Heavy ranks, partners of each, and `turn_above`.
    goal : array [packings], int64
        Quantised rank load that is good enough.
    weights, blocks, swap : array
        Of `splits.split_arrays`; the last alone is read.
    """
    _, slots, ranks = state.shape
    room = _workspace(slots, ranks, swap.shape[1])
    _steps(state, bits, shift, schedule, goal, swap, *room)


def _workspace(slots: int, ranks: int, splits: int) -> tuple[Numpy, ...]:
    """Room for what `_steps` works on: numba would compile the making of arrays anew for every kind of them."""
    sums = np.empty(splits, dtype=np.float32)
    number = np.empty(1, dtype=np.float32)
    loads = np.empty((slots, ranks), dtype=np.float32)
    best = np.empty(ranks, dtype=np.int32)
    old = np.empty((slots, ranks), dtype=np.int32)
    ordered = np.empty(ranks, dtype=np.int64)
    here = np.empty(1 << EXCHANGED, dtype=np.float32)
    there = np.empty(1 << EXCHANGED, dtype=np.float32)
    # Twice the same memory: patterns of numbers >= 0 are in their order.
    pattern = sums.view(np.int32)
    number_pattern = number.view(np.int32)
    return (
        loads, best, old, ordered, here, there, sums, pattern, number, number_pattern
    )  # fmt: skip


@compiled
def _steps(  # type: ignore[no-untyped-def]
    state, bits, shift, schedule, goal, swap,
    loads, best, old, ordered, here, there, sums, pattern, number, number_pattern,
):  # fmt: skip
    """As `steps`, in room of `_workspace`."""
    packings, slots, _ = state.shape
    exchanged = min(slots - 1, EXCHANGED)
    for packing in range(packings):
        held = state[packing]
        for step in range(schedule.shape[0]):
            heavy = schedule[step, 0]
            partners = schedule[step, 1]
            turn_above = schedule[step, 2]
            if total_loads(held, ordered, bits) <= goal[packing]:
                break
            order(held, old, ordered, shift, heavy, partners, turn_above)
            for s in range(slots):
                for i in range(heavy * (1 + partners)):
                    loads[s, i] = held[s, i] >> bits
            for q in range(heavy * partners):
                _exchanges(loads, q % heavy, heavy + q, exchanged, here, there, sums)
                best[q] = least(pattern)
            for h in range(heavy):
                q = chosen_partner(h, best, ordered, shift, heavy, partners, number, number_pattern)  # fmt: skip
                _exchange(held, h, heavy + q, swap, best[q] & LOW)
            if slots > EXCHANGED + 1:
                _roll(held, old)


@compiled
def total_loads(held, total, bits):  # type: ignore[no-untyped-def]
    """Add up each rank's load into ``total``; the heaviest."""
    slots, ranks = held.shape
    for r in range(ranks):
        total[r] = 0
    for s in range(slots):
        for r in range(ranks):
            total[r] += held[s, r] >> bits
    heaviest = total[0]
    for r in range(ranks):
        if total[r] > heaviest:
            heaviest = total[r]
    return heaviest


@compiled
def order(held, old, ordered, shift, heavy, partners, turn_above):  # type: ignore[no-untyped-def]
    """Sort the ranks by the loads in ``ordered``, bring them into the order of a step, turn the partners' slots."""
    slots, ranks = held.shape
    for r in range(ranks):
        ordered[r] = (ordered[r] << shift) | r
    _sort(ordered)
    turned = ordered[ranks - 1] >> shift > turn_above
    _copy(held, old)
    for i in range(ranks):
        # Heavy ranks first, then partners, then the rest, of ranks in ascending order.
        place = ranks - 1 - i if i < heavy else i - heavy
        at = ordered[place] & ((1 << shift) - 1)
        turn = 1 if turned and heavy <= i < heavy * (1 + partners) else 0
        held[0, i] = old[slots - turn if turn else 0, at]
        for s in range(1, slots):
            held[s, i] = old[s - turn, at]


@compiled
def _copy(held, to):  # type: ignore[no-untyped-def]
    """Loops: the assignment of a whole array takes numba seconds to compile, for its errors' texts."""
    slots, ranks = held.shape
    for s in range(slots):
        for r in range(ranks):
            to[s, r] = held[s, r]


@compiled
def _roll(held, old):  # type: ignore[no-untyped-def]
    """Turn the slots, as `exchange.roll`."""
    slots, ranks = held.shape
    _copy(held, old)
    for s in range(slots):
        start = (s - EXCHANGED) % slots
        for r in range(ranks):
            held[s, r] = old[start, r]


@compiled
def _sort(keys):  # type: ignore[no-untyped-def]
    """Shell's sort of different keys, in place: numba takes seconds to compile the sort of arrays."""
    for gap in GAPS:
        for i in range(gap, len(keys)):
            key = keys[i]
            j = i
            while j >= gap and keys[j - gap] > key:
                keys[j] = keys[j - gap]
                j -= gap
            keys[j] = key


@compiled
def chosen_partner(h, best, ordered, shift, heavy, partners, number, number_pattern):  # type: ignore[no-untyped-def]  # fmt: skip
    """The pair of a heavy rank's partner whose heavier side is lightest, each after its best split."""
    chosen = h
    least_side = np.int64(1) << 62
    for p in range(partners):
        q = p * heavy + h
        # The difference of the best split, as a number again.
        number_pattern[0] = best[q] & HIGH32
        # As in `exchange._choose`.
        heavier_side = np.int64(number[0]) + (ordered[q] >> shift)
        ranked = (heavier_side << PARTNER_BITS) | p
        if ranked < least_side:
            least_side = ranked
            chosen = q
    return chosen


@compiled
def _exchange(held, mine, theirs, swap, split):  # type: ignore[no-untyped-def]
    """Exchange the slots of two ranks that a split names."""
    for s in range(held.shape[0]):
        if swap[s, split]:
            key = held[s, mine]
            held[s, mine] = held[s, theirs]
            held[s, theirs] = key


@compiled
def _exchanges(loads, mine, theirs, number, here, there, sums):  # type: ignore[no-untyped-def]
    """Differences of a pair after all exchanges slot by slot: the outer sum of two halves, each built by doubling."""
    first = number // 2
    total = np.float32(0)
    for s in range(len(loads)):
        total += loads[s, mine] - loads[s, theirs]
    here[0] = 0
    there[0] = total
    size = 1
    others = 1
    for s in range(first - 1, -1, -1):
        twice = np.float32(2) * (loads[s, mine] - loads[s, theirs])
        for i in range(size):
            here[size + i] = here[i] - twice
        size *= 2
    for s in range(number - 1, first - 1, -1):
        twice = np.float32(2) * (loads[s, mine] - loads[s, theirs])
        for i in range(others):
            there[others + i] = there[i] - twice
        others *= 2
    for i in range(size):
        base = here[i]
        row = sums[i * others : (i + 1) * others]
        for j in range(others):
            row[j] = base + there[j]


@compiled
def least(pattern):  # type: ignore[no-untyped-def]
    """The smallest pattern, whose low bits give way to the number of its place."""
    for k in range(len(pattern)):
        pattern[k] = (pattern[k] & HIGH32) | np.int32(k)
    best = pattern[0]
    for k in range(len(pattern)):
        if pattern[k] < best:  # not min(): this is vectorised
            best = pattern[k]
    return best
