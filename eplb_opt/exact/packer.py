"""Exact packer: do these replicas fit on these ranks within a limit? Branch and bound, compiled.

The largest remaining item opens a rank, so ranks need no numbering. Its companions are enumerated largest first.
All ranks share the slack ``ranks * limit - total``: what a finished rank leaves unused is taken from it, and a rank
that would leave more than the rest of it is cut off. A rank is also cut off when one companion could be exchanged for a
larger unused item and still fit: in any packing that contains the rank, the two items can trade places, which lightens
the other rank. In particular only the largest fitting last companion is tried. With owners, that holds for a companion
that is its owner's only item (the other rank then holds no other one) and a larger item whose owner is not on the rank.
"""

from __future__ import annotations

import numpy as np

from ..compiled import compiled
from ..problem.pool import Ints
from .packer_items import (
    Bools,
    first_at_most,
    largest_sum,
    may_fit,
    next_unlike,
    put_back,
    ring,
    take_out,
)

PACKED = 1
IMPOSSIBLE = 0
EXHAUSTED = -1


def pack(items: Ints, ranks: int, slots: int, limit: int, nodes: int, out: Ints) -> int:
    """Pack items on identical ranks, none above the limit (``models/README.md``, X9).

    Parameters
    ----------
    items : array [ranks * slots], int64
        Loads >= 0, largest first. ``ranks * limit`` and the sum of the items must fit into int64.
    ranks, slots : int
        Ranks, and slots of each; every slot is filled.
    limit : int
        The most load a rank may carry, in the unit of the items.
    nodes : int
        Budget: the most items placed before the search gives up.
    out : array [ranks * slots], int64
        Filled with the rank of each item if a packing was found; else its content means nothing.

    Returns
    -------
    int
        PACKED, IMPOSSIBLE (proven) or EXHAUSTED (the budget).

    Raises
    ------
    ValueError
        The number of items is not ``ranks * slots``.
    """
    status, _ = branch(items, items, False, ranks, slots, limit, nodes, out)
    return int(status)


def pack_distinct(
    items: Ints, owner: Ints, ranks: int, slots: int, limit: int, nodes: int, out: Ints
) -> int:
    """As ``pack``, but no rank may hold two items of the same owner.

    Parameters
    ----------
    items, ranks, slots, limit, nodes, out : as in `pack`
    owner : array [ranks * slots], int64
        Expert of each item. Items of one owner have one load and stand side by side.

    Returns
    -------
    int
        PACKED, IMPOSSIBLE (proven) or EXHAUSTED (the budget).

    Raises
    ------
    ValueError
        The number of items is not ``ranks * slots``.
    """
    status, _ = branch(items, owner, True, ranks, slots, limit, nodes, out)
    return int(status)


@compiled
def branch(
    items: Ints,
    owner: Ints,
    distinct: bool,
    ranks: int,
    slots: int,
    limit: int,
    nodes: int,
    out: Ints,
) -> tuple[int, int]:
    """The depth-first search behind ``pack`` and ``pack_distinct``.

    Depth d is slot d % slots of rank d // slots, ``cursor[d]`` the item there.

    Parameters
    ----------
    items, owner, ranks, slots, limit, nodes, out : as in `pack_distinct`
    distinct : bool
        No rank may hold two items of the same owner.

    Returns
    -------
    status : int
        As in `pack_distinct`.
    left : int
        Of the nodes.

    Raises
    ------
    ValueError
        The number of items is not ``ranks * slots``.
    """
    if items.size != ranks * slots:
        raise ValueError(
            "items must fill every slot: give ranks * slots of them (pad with zeros)"
        )
    after, before, used = ring(items.size)
    cursor = np.zeros(items.size, np.int64)
    sums = np.zeros(items.size, np.int64)  # load of a rank up to each slot
    # what the ranks from each on may leave unused
    slack = np.zeros(ranks + 1, np.int64)
    slack[0] = ranks * limit - items.sum()
    if slack[0] < 0 or not may_fit(items, after, before, ranks, slots, limit):
        return IMPOSSIBLE, nodes
    # a plain 0 would be a type of its own, and everything below compiled once more for it
    depth = np.int64(0)
    fresh = True  # nothing has been tried at this depth since the depth before changed
    while depth >= 0:
        rank = depth // slots
        if not fresh:
            put_back(after, before, used, cursor[depth])
        i = _candidate(
            items,
            owner,
            distinct,
            after,
            before,
            used,
            cursor,
            sums,
            depth,
            slots,
            fresh,
            limit,
            slack,
        )
        fresh = i < items.size
        if not fresh:
            depth -= 1
            continue
        if nodes <= 0:
            return EXHAUSTED, 0
        nodes -= 1
        take_out(after, before, used, i)
        cursor[depth] = i
        sums[depth] = items[i] + (sums[depth - 1] if depth % slots else 0)
        if (depth + 1) % slots == 0:  # the rank is full
            room = limit - sums[depth]
            slack[rank + 1] = slack[rank] - room
            fresh = room >= 0 and slack[rank + 1] >= 0
            fresh = fresh and not _improvable(
                items, owner, distinct, before, cursor, depth, slots, room
            )
            left = ranks - rank - 1
            fresh = fresh and may_fit(items, after, before, left, slots, limit)
            if fresh and rank == ranks - 1:
                _write(cursor, slots, out)
                return PACKED, nodes
        depth += fresh  # stays where the rank cannot stand as it is
    return IMPOSSIBLE, nodes


@compiled
def _write(cursor: Ints, slots: int, out: Ints) -> None:
    """The rank of each item."""
    for d in range(cursor.size):
        out[cursor[d]] = d // slots


@compiled
def _improvable(
    items: Ints,
    owner: Ints,
    distinct: bool,
    before: Ints,
    cursor: Ints,
    depth: int,
    slots: int,
    room: int,
) -> bool:
    """Whether a companion on the rank just filled can be exchanged for a larger unused item within the room."""
    end = items.size
    for d in range(depth - slots + 2, depth + 1):  # the rank's slots after its first
        i = cursor[d]
        if distinct and not _is_only(owner, i):
            continue
        # links of a removed item stay: the nearest unused item before it
        larger = before[i]
        while larger != end and items[larger] - items[i] <= room:
            expert = owner[larger]
            fits = not distinct or not _clashes(owner, cursor, depth + 1, slots, expert)
            if items[larger] > items[i] and fits:
                return True
            larger = before[larger]
    return False


@compiled
def _candidate(
    items: Ints,
    owner: Ints,
    distinct: bool,
    after: Ints,
    before: Ints,
    used: Bools,
    cursor: Ints,
    sums: Ints,
    depth: int,
    slots: int,
    fresh: bool,
    limit: int,
    slack: Ints,
) -> int:
    """The next item to try at this depth, or ``items.size`` if none is left."""
    end = items.size
    slot = depth % slots
    if slot == 0:  # the largest item opens a rank: it must be somewhere
        return int(after[end]) if fresh else int(end)
    more = slots - 1 - slot  # slots after this one
    # a smaller last companion could be exchanged for the first
    if not fresh and more == 0 and not distinct:
        return int(end)
    i = (
        after[cursor[depth - 1]]
        if fresh
        else next_unlike(items, owner, distinct, after, cursor[depth])
    )
    room = limit - sums[depth - 1]
    # else the rank leaves more unused than the slack
    need = room - slack[depth // slots]
    light = before[end]
    for _ in range(more):  # the slots that follow take the smallest items at the least
        room -= items[light]
        light = before[light]
    if i != end and items[i] > room:
        i = first_at_most(items, used, i, room)
    while i != end:
        top = largest_sum(items, after, i, more)
        if top < 0 or top < need:
            return int(end)
        if not distinct:
            return int(i)
        # the one tried first was as large
        hopeless = more == 0 and not fresh and _is_only(owner, i)
        if not hopeless and not _clashes(owner, cursor, depth, slot, owner[i]):
            return int(i)
        i = after[i]
    return int(end)


@compiled
def _clashes(owner: Ints, cursor: Ints, depth: int, slot: int, expert: int) -> bool:
    """Whether the rank being filled already holds this expert."""
    for d in range(depth - slot, depth):  # noqa: SIM110 (numba has no any() over generators)
        if owner[cursor[d]] == expert:
            return True
    return False


@compiled
def _is_only(owner: Ints, i: int) -> bool:
    """Whether an item is its owner's only one: one owner's items stand side by side."""
    is_first = i == 0 or owner[i - 1] != owner[i]
    is_last = i + 1 == owner.size or owner[i + 1] != owner[i]
    return is_first and is_last
