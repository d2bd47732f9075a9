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
import numpy.typing as npt

from ..compiled import compiled

Ints = npt.NDArray[np.int64]

PACKED, IMPOSSIBLE, EXHAUSTED = 1, 0, -1


def pack(items: Ints, ranks: int, slots: int, limit: int, nodes: int, out: Ints) -> int:
    """Pack items on identical ranks, none above the limit.

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
        1 (packed), 0 (proven impossible) or -1 (budget exhausted).

    Raises
    ------
    ValueError
        The number of items is not ``ranks * slots``.
    """
    return int(branch(items, items, False, ranks, slots, limit, nodes, out)[0])


def pack_distinct(items: Ints, owner: Ints, ranks: int, slots: int, limit: int, nodes: int, out: Ints) -> int:
    """As ``pack``, but no rank may hold two items of the same owner.

    ``owner``: expert of each item, [ranks * slots], int64. Items of one owner have one load and stand side by side.
    """
    return int(branch(items, owner, True, ranks, slots, limit, nodes, out)[0])


@compiled
def branch(
    items: Ints, owner: Ints, distinct: bool, ranks: int, slots: int, limit: int, nodes: int, out: Ints
) -> tuple[int, int]:
    """The depth-first search behind ``pack`` and ``pack_distinct``: (their answer, nodes left of the budget).

    Depth d is slot d % slots of rank d // slots, ``cursor[d]`` the item there.
    """
    size = items.size
    if size != ranks * slots:
        raise ValueError("items must fill every slot: give ranks * slots of them (pad with zeros)")
    after, before = np.empty(size + 1, np.int64), np.empty(size + 1, np.int64)  # unused items, ring through `size`
    for i in range(size + 1):
        after[i], before[i] = (i + 1) % (size + 1), (i + size) % (size + 1)
    after[size], before[0] = 0, size
    used = np.zeros(size + 1, np.bool_)
    cursor, sums, slack = np.zeros(size, np.int64), np.zeros(size, np.int64), np.zeros(ranks + 1, np.int64)
    slack[0] = ranks * limit - items.sum()
    if slack[0] < 0 or not _may_fit(items, after, before, ranks, slots, limit):
        return 0, nodes
    depth = np.int64(0)  # a plain 0 would be a type of its own, and everything below compiled once more for it
    fresh = True
    while depth >= 0:
        rank, slot = depth // slots, depth % slots
        if not fresh:
            i = cursor[depth]
            after[before[i]], before[after[i]], used[i] = i, i, False
        i = _candidate(items, owner, distinct, after, before, used, cursor, sums, depth, slots, fresh, limit, slack)
        if i == size:
            depth, fresh = depth - 1, False
            continue
        if nodes <= 0:
            return -1, 0
        nodes -= 1
        after[before[i]], before[after[i]], used[i] = after[i], before[i], True
        cursor[depth], sums[depth] = i, items[i] + (sums[depth - 1] if slot else 0)
        fresh = True
        if slot == slots - 1:
            slack[rank + 1] = slack[rank] - (limit - sums[depth])
            fresh = sums[depth] <= limit and slack[rank + 1] >= 0
            room = limit - sums[depth]
            fresh = fresh and not _improvable(items, owner, distinct, before, cursor, depth, slots, room)
            fresh = fresh and _may_fit(items, after, before, ranks - rank - 1, slots, limit)
            if fresh and rank == ranks - 1:
                for d in range(size):
                    out[cursor[d]] = d // slots
                return 1, nodes
        depth += fresh
    return 0, nodes


@compiled
def _may_fit(items: Ints, after: Ints, before: Ints, ranks: int, slots: int, limit: int) -> bool:
    """Necessary: items above half the limit meet no other such item, so i of them take i * (slots - 1) light ones."""
    end = items.size
    heavy, light = after[end], before[end]
    count, load = 0, 0
    while heavy != end and 2 * items[heavy] > limit:
        count += 1
        if count > ranks:
            return False
        load += items[heavy]
        for _ in range(slots - 1):
            load += items[light]
            light = before[light]
        if load > count * limit:
            return False
        heavy = after[heavy]
    return True


@compiled
def _improvable(
    items: Ints, owner: Ints, distinct: bool, before: Ints, cursor: Ints, depth: int, slots: int, room: int
) -> bool:
    """Whether a companion on the rank just filled can be exchanged for a larger unused item within the room."""
    end = items.size
    for d in range(depth - slots + 2, depth + 1):
        i = cursor[d]
        if distinct and not _is_only(owner, i):
            continue
        larger = before[i]  # links of a removed item stay: the nearest unused item before it
        while larger != end and items[larger] - items[i] <= room:
            fits = not distinct or not _clashes(owner, cursor, depth + 1, slots, owner[larger])
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
    used: npt.NDArray[np.bool_],
    cursor: Ints,
    sums: Ints,
    depth: int,
    slots: int,
    fresh: bool,
    limit: int,
    slack: Ints,
) -> int:
    """The next item to try at this depth, or ``items.size`` if none is left."""
    end, slot = items.size, depth % slots
    if slot == 0:
        return int(after[end]) if fresh else int(end)
    more = slots - 1 - slot
    if not fresh and more == 0 and not distinct:
        return int(end)
    i = after[cursor[depth - 1]]
    if not fresh:
        last = cursor[depth]
        i = after[last]
        while i != end and items[i] == items[last] and (not distinct or owner[i] == owner[last]):
            i = after[i]
    room, need = limit - sums[depth - 1], limit - slack[depth // slots] - sums[depth - 1]
    light = before[end]
    for _ in range(more):
        room -= items[light]
        light = before[light]
    if i != end and items[i] > room:
        i = _first_at_most(items, used, i, room)
    while i != end:
        top, last = items[i], i
        for _ in range(more):
            last = after[last]
            if last == end:
                return int(end)
            top += items[last]
        if top < need:
            return int(end)
        hopeless = more == 0 and not fresh and _is_only(owner, i)  # the one tried first was as large
        if not (distinct and (hopeless or _clashes(owner, cursor, depth, slot, owner[i]))):
            return int(i)
        i = after[i]
    return int(end)


@compiled
def _first_at_most(items: Ints, used: npt.NDArray[np.bool_], start: int, room: int) -> int:
    """The first unused item from ``start`` on with load <= room (``items.size`` if none)."""
    low, high = start, items.size
    while low < high:
        middle = (low + high) // 2
        if items[middle] > room:
            low = middle + 1
        else:
            high = middle
    while low < items.size and used[low]:
        low += 1
    return low


@compiled
def _clashes(owner: Ints, cursor: Ints, depth: int, slot: int, expert: int) -> bool:
    """Whether the rank being filled already holds this expert."""
    for d in range(depth - slot, depth):  # noqa: SIM110 (numba has no any() over generators)
        if owner[cursor[d]] == expert:
            return True
    return False


@compiled
def _is_only(owner: Ints, i: int) -> bool:
    """Whether an item is its owner's only one."""
    return (i == 0 or owner[i - 1] != owner[i]) and (i + 1 == owner.size or owner[i + 1] != owner[i])
