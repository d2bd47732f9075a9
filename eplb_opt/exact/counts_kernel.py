"""Compiled: enumerate counts, leave out what prices exclude, and try to pack the rest (``models/README.md``, X9)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..compiled import compiled
from ..problem.pool import Ints
from ..random_numbers import Words, below
from .packer import branch

PACKED = 1
IMPOSSIBLE = 0
PAUSED = -1
OPEN_LEAF = -2
LEAF_STEPS = 50  # of a slot, for a leaf, where trees are estimated
NEVER = 1 << 60  # cost of counts that do not exist


class Counts(NamedTuple):
    """Where the enumeration is; it can pause and go on. Experts are numbered by position, heaviest first.

    Attributes
    ----------
    state : array [2], int64
        Depth (experts whose count is chosen), the price vector that excluded last.
    extra : array [experts + 1], int64
        Count beyond the least that is chosen at each depth; -1: none yet.
    spare : array [experts + 1], int64
        Slots beyond the least counts that the experts from here on share.
    spent : array [experts + 1, prices], int64
        Cost of the counts chosen so far under each price vector.
    """

    state: Ints
    extra: Ints
    spare: Ints
    spent: Ints


@compiled
def cheapest(cost: Ints, options: Ints, spare: int) -> Ints:
    """Least cost of the experts from each on with exactly q spare slots (L1.8), by a dynamic program.

    Parameters
    ----------
    cost : array [prices, experts, range], int64
        Of each choice of a count, under each price vector.
    options : array [experts], int64
        Choices of each expert.
    spare : int
        Slots beyond the least counts.

    Returns
    -------
    array [prices, experts + 1, spare + 1], int64
        NEVER where no counts use exactly so many.
    """
    prices, experts, _ = cost.shape
    rest = np.full((prices, experts + 1, spare + 1), NEVER, np.int64)
    for v in range(prices):
        rest[v, experts, 0] = 0
        for i in range(experts - 1, -1, -1):
            for q in range(spare + 1):
                best = NEVER
                for j in range(min(options[i], q + 1)):
                    others = rest[v, i + 1, q - j]
                    if others < NEVER:
                        best = min(best, cost[v, i, j] + others)
                rest[v, i, q] = best
    return rest


@compiled
def tree_size(
    cost: Ints,
    most: Ints,
    rest: Ints,
    options: Ints,
    slots: int,
    dives: int,
    rng: Words,
    chosen: Counts,
) -> float:
    """Estimated steps of the enumeration: the mean over random dives (Knuth's estimate).

    A dive weighs each node that it meets by the product of the choices above it.

    Parameters
    ----------
    cost, most : arrays
        As in `exclusion.Prices`, by position.
    rest : array
        As `cheapest` returns it.
    options : array [experts], int64
        Choices of each expert's count.
    slots : int
        Of all ranks.
    dives : int
    rng : array [1], uint64
        State of the random numbers.
    chosen : Counts
        At the root; changed.

    Returns
    -------
    float
        Counts tried, and some steps for each slot of each leaf.
    """
    experts = options.size
    total = 0.0
    allowed = np.empty(options.max(), np.int64)
    for _ in range(dives):
        weight = 1.0
        # no literal: `_excluded` would be compiled once more for it
        depth = np.int64(0)
        while depth < experts:
            choices = 0
            for j in range(min(options[depth], chosen.spare[depth] + 1)):
                total += weight
                if not _excluded(cost, most, rest, chosen, depth, j):
                    allowed[choices] = j
                    choices += 1
            if choices == 0:
                break
            weight *= choices
            _choose(cost, chosen, depth, allowed[below(rng, choices)])
            depth += 1
        if depth == experts:
            total += weight * slots * LEAF_STEPS
    return total / dives


@compiled
def enumerate_counts(
    cost: Ints,
    most: Ints,
    rest: Ints,
    options: Ints,
    least: Ints,
    item: Ints,
    shape: tuple[int, int, bool],
    limit: int,
    ticks: int,
    leaf: int,
    chosen: Counts,
    owner: Ints,
    out: Ints,
) -> tuple[int, int]:
    """Go on with the enumeration (X9).

    Parameters
    ----------
    cost, most : arrays
        As in `exclusion.Prices`, by position.
    rest : array
        As `cheapest` returns it.
    options, least : arrays [experts], int64
        Choices of each expert's count, from its least.
    item : array [experts, range], int64
        Load of a replica for each choice.
    shape : tuple of int, int, bool
        Ranks, slots per rank, distinct.
    limit : int
        The most load of a rank, in the unit of the items.
    ticks : int
        Counts tried and items placed after which to pause.
    leaf : int
        Items placed after which a count vector is left to the caller: OPEN_LEAF, its counts are in ``chosen.extra``.
    chosen : Counts
        Where the enumeration is; changed.
    owner, out : arrays [slots], int64
        PACKED: filled with the expert's position of each item, and its rank.

    Returns
    -------
    status : int
        PACKED, IMPOSSIBLE, PAUSED or OPEN_LEAF.
    used : int
        Ticks.
    """
    ranks, slots, distinct = shape
    experts = options.size
    items = np.empty(ranks * slots, np.int64)
    used = 0
    while chosen.state[0] >= 0:
        depth = chosen.state[0]
        if used >= ticks:
            return PAUSED, used
        if depth == experts:
            _items(
                chosen.extra,
                least,
                item,
                items,
                owner,
            )
            answer, left = branch(
                items, owner, distinct, ranks, slots, limit, leaf, out
            )
            used += leaf - left + experts
            if answer == 1:
                return PACKED, used
            chosen.state[0] -= 1
            if answer < 0:
                return OPEN_LEAF, used
            continue
        j = chosen.extra[depth] + 1
        if j >= options[depth] or j > chosen.spare[depth]:
            chosen.extra[depth] = -1
            chosen.state[0] -= 1
            continue
        chosen.extra[depth] = j
        used += 1
        if not _excluded(cost, most, rest, chosen, depth, j):
            _choose(cost, chosen, depth, j)
            chosen.state[0] += 1
    return IMPOSSIBLE, used


@compiled
def _choose(cost: Ints, chosen: Counts, depth: int, j: int) -> None:
    """What the next depth starts with if an expert takes j slots beyond its least count."""
    for v in range(cost.shape[0]):
        chosen.spent[depth + 1, v] = chosen.spent[depth, v] + cost[v, depth, j]
    chosen.spare[depth + 1] = chosen.spare[depth] - j


@compiled
def _excluded(
    cost: Ints, most: Ints, rest: Ints, chosen: Counts, depth: int, j: int
) -> bool:
    """Whether no completion of the counts chosen so far, and of this one, is cheap enough for some price vector."""
    spare = chosen.spare[depth] - j
    last = chosen.state[1]
    for n in range(-1, rest.shape[0]):
        # the vector that excluded last is asked first: it often excludes the next one, too
        v = last if n < 0 else n
        least = chosen.spent[depth, v] + cost[v, depth, j] + rest[v, depth + 1, spare]
        if least > most[v]:
            chosen.state[1] = v
            return True
    return False


@compiled
def _items(extra: Ints, least: Ints, item: Ints, items: Ints, owner: Ints) -> None:
    """All replicas, largest first, those of one expert side by side; ``owner``: their experts."""
    ranked = np.empty(least.size, np.int64)
    # insertion sort, heaviest replicas first, among equals the earlier expert
    for e in range(least.size):
        place = e
        while place > 0 and _load(item, extra, ranked[place - 1]) < _load(
            item, extra, e
        ):
            ranked[place] = ranked[place - 1]
            place -= 1
        ranked[place] = e
    n = 0
    for place in range(ranked.size):
        heaviest = ranked[place]
        for _ in range(least[heaviest] + extra[heaviest]):
            items[n] = _load(item, extra, heaviest)
            owner[n] = heaviest
            n += 1


@compiled
def _load(item: Ints, extra: Ints, e: int) -> int:
    """Load of a replica of an expert with the count chosen."""
    return item[e, extra[e]]  # type: ignore[no-any-return]
