"""Compiled: enumerate counts, leave out what prices exclude, and try to pack the rest (``models/README.md``, X9)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..compiled import compiled
from ..random_numbers import Words, below
from .packer import branch

Ints = npt.NDArray[np.int64]

PACKED, IMPOSSIBLE, PAUSED, OPEN_LEAF = 1, 0, -1, -2
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
    """Least cost of the experts from each on with exactly q spare slots: [prices, experts + 1, spare + 1].

    ``cost`` [prices, experts, range]; ``options`` [experts]: choices of each.
    """
    prices, experts, _ = cost.shape
    rest = np.full((prices, experts + 1, spare + 1), NEVER, np.int64)
    for v in range(prices):
        rest[v, experts, 0] = 0
        for i in range(experts - 1, -1, -1):
            for q in range(spare + 1):
                best = NEVER
                for j in range(min(options[i], q + 1)):
                    if rest[v, i + 1, q - j] < NEVER:
                        best = min(best, cost[v, i, j] + rest[v, i + 1, q - j])
                rest[v, i, q] = best
    return rest


@compiled
def tree_size(
    cost: Ints, most: Ints, rest: Ints, options: Ints, slots: int, dives: int, rng: Words, at: Counts
) -> float:
    """Estimated steps: counts tried, and some for each slot of each leaf. Mean of random dives; ``at`` is changed."""
    experts, total = options.size, 0.0
    allowed = np.empty(options.max(), np.int64)
    for _ in range(dives):
        share = 1.0
        depth = np.int64(0)  # no literal: `_excluded` would be compiled once more for it
        while depth < experts:
            found = 0
            for j in range(min(options[depth], at.spare[depth] + 1)):
                total += share
                if not _excluded(cost, most, rest, at, depth, j):
                    allowed[found] = j
                    found += 1
            if found == 0:
                break
            share *= found
            j = allowed[below(rng, found)]
            for v in range(cost.shape[0]):
                at.spent[depth + 1, v] = at.spent[depth, v] + cost[v, depth, j]
            at.spare[depth + 1] = at.spare[depth] - j
            depth += 1
        if depth == experts:
            total += share * slots * LEAF_STEPS
    return total / dives


@compiled
def enumerate_counts(
    cost: Ints, most: Ints, rest: Ints, options: Ints, least: Ints, item: Ints,
    shape: tuple[int, int, bool], limit: int, ticks: int, leaf: int, at: Counts, owner: Ints, out: Ints,
) -> tuple[int, int]:  # fmt: skip
    """Go on: (PACKED, IMPOSSIBLE, PAUSED or OPEN_LEAF; ticks spent).

    Parameters
    ----------
    cost, most, rest : as in `exclusion.Prices`, by position; of `cheapest`
    options, least : arrays [experts]
        Choices of each expert's count, from its least.
    item : array [experts, range]
        Load of a replica for each choice.
    shape : ranks, slots per rank, distinct
    limit : the most load of a rank
    ticks : counts tried and items placed after which to pause
    leaf : items placed after which a count vector is left to the caller: OPEN_LEAF, its counts are in ``at.extra``
    owner, out : arrays [slots]
        PACKED: the expert's position of each item, and its rank.
    """
    ranks, slots, distinct = shape
    prices, experts, _ = cost.shape
    items = np.empty(ranks * slots, np.int64)
    used = 0
    while at.state[0] >= 0:
        depth = at.state[0]
        if used >= ticks:
            return PAUSED, used
        if depth == experts:
            _items(at.extra, least, item, items, owner)
            answer, left = branch(items, owner, distinct, ranks, slots, limit, leaf, out)
            used += leaf - left + experts
            if answer == 1:
                return PACKED, used
            at.state[0] -= 1
            if answer < 0:
                return OPEN_LEAF, used
            continue
        j = at.extra[depth] + 1
        if j >= options[depth] or j > at.spare[depth]:
            at.extra[depth] = -1
            at.state[0] -= 1
            continue
        at.extra[depth] = j
        used += 1
        if _excluded(cost, most, rest, at, depth, j):
            continue
        for v in range(prices):
            at.spent[depth + 1, v] = at.spent[depth, v] + cost[v, depth, j]
        at.spare[depth + 1] = at.spare[depth] - j
        at.state[0] += 1
    return IMPOSSIBLE, used


@compiled
def _excluded(cost: Ints, most: Ints, rest: Ints, at: Counts, depth: int, j: int) -> bool:
    """Whether no completion of the counts chosen so far, and of this one, is cheap enough for some price vector."""
    q = at.spare[depth] - j
    last = at.state[1]
    for n in range(-1, rest.shape[0]):
        v = last if n < 0 else n
        if at.spent[depth, v] + cost[v, depth, j] + rest[v, depth + 1, q] > most[v]:
            at.state[1] = v
            return True
    return False


@compiled
def _items(extra: Ints, least: Ints, item: Ints, items: Ints, owner: Ints) -> None:
    """All replicas, largest first, those of one expert side by side; ``owner``: their experts."""
    ranked = np.empty(least.size, np.int64)
    for e in range(least.size):  # insertion sort, heaviest replicas first, among equals the earlier expert
        place = e
        while place > 0 and item[ranked[place - 1], extra[ranked[place - 1]]] < item[e, extra[e]]:
            ranked[place] = ranked[place - 1]
            place -= 1
        ranked[place] = e
    n = 0
    for place in range(ranked.size):
        heaviest = ranked[place]
        for _ in range(least[heaviest] + extra[heaviest]):
            items[n] = item[heaviest, extra[heaviest]]
            owner[n] = heaviest
            n += 1
