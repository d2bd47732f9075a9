"""The compiled loop over count vectors (proofs: ``models/README.md``, X6-X9); it can pause anywhere and go on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from .packer import pack, pack_distinct

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

DONE, FOUND, PAUSED, FULL = 0, 1, 2, 3
STATE_SIZE = 3  # depth, number of open count vectors, whether the leaf at hand is to be tried again
TOLERANCE = 1e-9  # potentials are scaled to a largest entry of 1; their sums are exact to far less than this


@njit(cache=True)
def suffix_minima(potentials: Floats, items: Ints, slots: int, limit: int) -> Floats:
    """Least potential of experts d.. that fill exactly so many slots.

    Parameters
    ----------
    potentials : array [tables, experts, K + 1], float64
    items : array [experts, K + 1], int64
        Load of a replica; counts with more than ``limit`` are excluded.

    Returns
    -------
    array [tables, experts + 1, slots + 1], float64
        Infinite where no counts fill the slots.
    """
    tables, experts, width = potentials.shape
    least = np.full((tables, experts + 1, slots + 1), np.inf)
    for t in range(tables):
        least[t, experts, 0] = 0.0
        for d in range(experts - 1, -1, -1):
            for k in range(1, min(width - 1, slots) + 1):
                if items[d, k] <= limit:
                    for left in range(k, slots + 1):
                        value = potentials[t, d, k] + least[t, d + 1, left - k]
                        if value < least[t, d, left]:
                            least[t, d, left] = value
    return least


@njit(cache=True)
def advance(
    items: Ints,
    choices: Ints,
    same: Bools,
    potentials: Floats,
    least: Floats,
    shape: tuple[int, int, bool],
    limit: int,
    ticks: int,
    nodes: int,
    state: Ints,
    cursor: Ints,
    counts: Ints,
    left: Ints,
    prefix: Floats,
    sorted_: Ints,
    pending: Ints,
    loads: Ints,
    owner: Ints,
    out: Ints,
) -> tuple[int, int]:
    """Go on from ``state``; returns (DONE, FOUND, PAUSED or FULL; ticks spent).

    Parameters
    ----------
    items, choices, same : see ``_Tables``; potentials, least : see ``suffix_minima``.
    shape : ranks, slots per rank, distinct.
    limit : greatest load of a rank, in units of the items.
    ticks : budget; nodes : packer budget of one count vector.
    state, cursor [experts], counts [experts], left [experts + 1], prefix [experts + 1, tables],
    sorted_ [experts, experts] : position in the tree, to be kept between calls.
    pending : array [capacity, experts]
        Count vectors that the packer left open; ``state[1]`` of them.
    loads, owner, out : arrays [slots]
        After FOUND: load, position of the expert, and rank of each replica. The next call tries the same counts.
    """
    ranks, per_rank, distinct = shape
    experts = items.shape[0]
    spent = 0
    depth = state[0]
    while depth >= 0:
        if spent >= ticks:
            state[0] = depth
            return PAUSED, spent
        if state[2] == 0:
            spent += 1
            k = _next_choice(items, choices, same, potentials, least, limit, depth, cursor, counts, left, prefix)
            if k == 0:
                depth -= 1
                continue
            counts[depth] = k
            _insert(items, counts, sorted_, depth)
            if depth < experts - 1:
                depth += 1
                cursor[depth] = 0
                continue
        state[2] = 0
        _expand(items, counts, sorted_[experts - 1], loads, owner)
        if _too_heavy(loads, ranks, per_rank, limit):
            continue
        spent += loads.size
        if distinct:
            found = pack_distinct(loads, owner, ranks, per_rank, limit, nodes, out)
        else:
            found = pack(loads, ranks, per_rank, limit, nodes, out)
        if found == 1:
            state[0], state[2] = depth, 1
            return FOUND, spent
        if found < 0:
            spent += nodes
            pending[state[1]] = counts
            state[1] += 1
            if state[1] == pending.shape[0]:
                state[0] = depth
                return FULL, spent
    state[0] = depth
    return DONE, spent


@njit(cache=True)
def _next_choice(
    items: Ints,
    choices: Ints,
    same: Bools,
    potentials: Floats,
    least: Floats,
    limit: int,
    depth: int,
    cursor: Ints,
    counts: Ints,
    left: Ints,
    prefix: Floats,
) -> int:
    """The next count worth trying at this depth (0: none); updates cursor, left and prefix."""
    while cursor[depth] < choices.shape[1]:
        k = choices[depth, cursor[depth]]
        cursor[depth] += 1
        if k == 0:
            return 0
        rest = left[depth] - k
        if rest < 0 or items[depth, k] > limit or (same[depth] and k > counts[depth - 1]):
            continue
        fits = True
        for t in range(potentials.shape[0]):
            value = prefix[depth, t] + potentials[t, depth, k]
            prefix[depth + 1, t] = value
            if value + least[t, depth + 1, rest] > TOLERANCE:
                fits = False
                break
        if fits:
            left[depth + 1] = rest
            return k  # type: ignore[no-any-return]
    return 0


@njit(cache=True)
def _insert(items: Ints, counts: Ints, sorted_: Ints, depth: int) -> None:
    """Row ``depth`` of sorted_: positions 0..depth by replica load, heaviest first."""
    load = items[depth, counts[depth]]
    place = depth
    while place > 0 and items[sorted_[depth - 1, place - 1], counts[sorted_[depth - 1, place - 1]]] < load:
        sorted_[depth, place] = sorted_[depth - 1, place - 1]
        place -= 1
    sorted_[depth, place] = depth
    for i in range(place):
        sorted_[depth, i] = sorted_[depth - 1, i]


@njit(cache=True)
def _expand(items: Ints, counts: Ints, order: Ints, loads: Ints, owner: Ints) -> None:
    """Replicas, heaviest first, those of an expert together."""
    j = 0
    for position in order:
        for _ in range(counts[position]):
            loads[j], owner[j] = items[position, counts[position]], position
            j += 1


@njit(cache=True)
def _too_heavy(loads: Ints, ranks: int, per_rank: int, limit: int) -> bool:
    """Whether i replicas above half the limit and the i (s - 1) lightest ones exceed i limits, for some i."""
    total, light = 0, loads.size - 1
    for i in range(loads.size):
        if 2 * loads[i] <= limit:
            return False
        if i == ranks:
            return True
        total += loads[i] - limit
        for _ in range(per_rank - 1):
            total += loads[light]
            light -= 1
        if total > 0:
            return True
    return False
