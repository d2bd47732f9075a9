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
from ..problem.pool import Ints

Bools = npt.NDArray[np.bool_]

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
    status, _ = branch(
        items,
        items,
        False,
        ranks,
        slots,
        limit,
        nodes,
        out,
    )
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
    status, _ = branch(
        items,
        owner,
        True,
        ranks,
        slots,
        limit,
        nodes,
        out,
    )
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
    after, before, used = _ring(items.size)
    cursor = np.zeros(items.size, np.int64)
    sums = np.zeros(items.size, np.int64)  # load of a rank up to each slot
    slack = np.zeros(
        ranks + 1, np.int64
    )  # what the ranks from each on may leave unused
    slack[0] = ranks * limit - items.sum()
    if slack[0] < 0 or not _may_fit(items, after, before, ranks, slots, limit):
        return IMPOSSIBLE, nodes
    depth = np.int64(
        0
    )  # a plain 0 would be a type of its own, and everything below compiled once more for it
    fresh = True  # nothing has been tried at this depth since the depth before changed
    while depth >= 0:
        rank = depth // slots
        if not fresh:
            _put_back(after, before, used, cursor[depth])
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
        _take_out(after, before, used, i)
        cursor[depth] = i
        sums[depth] = items[i] + (sums[depth - 1] if depth % slots else 0)
        if (depth + 1) % slots == 0:  # the rank is full
            slack[rank + 1] = slack[rank] - (limit - sums[depth])
            fresh = sums[depth] <= limit and slack[rank + 1] >= 0
            fresh = fresh and not _improvable(
                items,
                owner,
                distinct,
                before,
                cursor,
                depth,
                slots,
                limit - sums[depth],
            )
            fresh = fresh and _may_fit(
                items, after, before, ranks - rank - 1, slots, limit
            )
            if fresh and rank == ranks - 1:
                _write(cursor, slots, out)
                return PACKED, nodes
        depth += fresh  # stays where the rank cannot stand as it is
    return IMPOSSIBLE, nodes


@compiled
def _ring(size: int) -> tuple[Ints, Ints, Bools]:
    """Links (after, before) of the unused items in their order, a ring through ``size``; and that none is used."""
    after = np.empty(size + 1, np.int64)
    before = np.empty(size + 1, np.int64)
    for i in range(size + 1):
        after[i] = (i + 1) % (size + 1)
        before[i] = (i + size) % (size + 1)
    return after, before, np.zeros(size + 1, np.bool_)


@compiled
def _take_out(after: Ints, before: Ints, used: Bools, i: int) -> None:
    """Use an item. Its own links stay, so that it can be put back between its neighbours ("dancing links")."""
    after[before[i]] = after[i]
    before[after[i]] = before[i]
    used[i] = True


@compiled
def _put_back(after: Ints, before: Ints, used: Bools, i: int) -> None:
    """Undo ``_take_out``; of several, the last first."""
    after[before[i]] = i
    before[after[i]] = i
    used[i] = False


@compiled
def _write(cursor: Ints, slots: int, out: Ints) -> None:
    """The rank of each item."""
    for d in range(cursor.size):
        out[cursor[d]] = d // slots


@compiled
def _may_fit(
    items: Ints, after: Ints, before: Ints, ranks: int, slots: int, limit: int
) -> bool:
    """Necessary for the unused items to fit on the ranks left.

    Items above half the limit meet no other such item, so i of them take i * (slots - 1) light ones.
    """
    end = items.size
    heavy = after[end]  # largest first
    light = before[end]  # smallest first
    count = 0
    load = 0
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
        larger = before[
            i
        ]  # links of a removed item stay: the nearest unused item before it
        while larger != end and items[larger] - items[i] <= room:
            fits = not distinct or not _clashes(
                owner, cursor, depth + 1, slots, owner[larger]
            )
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
    if (
        not fresh and more == 0 and not distinct
    ):  # a smaller last companion could be exchanged for the first
        return int(end)
    i = (
        after[cursor[depth - 1]]
        if fresh
        else _next_unlike(items, owner, distinct, after, cursor[depth])
    )
    room = limit - sums[depth - 1]
    need = (
        room - slack[depth // slots]
    )  # else the rank leaves more unused than the slack
    light = before[end]
    for _ in range(more):  # the slots that follow take the smallest items at the least
        room -= items[light]
        light = before[light]
    if i != end and items[i] > room:
        i = _first_at_most(items, used, i, room)
    while i != end:
        top = _largest_sum(items, after, i, more)
        if top < 0 or top < need:
            return int(end)
        hopeless = (
            more == 0 and not fresh and _is_only(owner, i)
        )  # the one tried first was as large
        if not (
            distinct and (hopeless or _clashes(owner, cursor, depth, slot, owner[i]))
        ):
            return int(i)
        i = after[i]
    return int(end)


@compiled
def _next_unlike(
    items: Ints, owner: Ints, distinct: bool, after: Ints, last: int
) -> int:
    """The next unused item that is not the same as the last: of another load, or where it matters of another owner."""
    i = after[last]
    while (
        i != items.size
        and items[i] == items[last]
        and (not distinct or owner[i] == owner[last])
    ):
        i = after[i]
    return i  # type: ignore[no-any-return]


@compiled
def _largest_sum(items: Ints, after: Ints, i: int, more: int) -> int:
    """Load of an item and as many unused ones after it; -1 if there are not so many."""
    top = items[i]
    for _ in range(more):
        i = after[i]
        if i == items.size:
            return -1
        top += items[i]
    return top  # type: ignore[no-any-return]


@compiled
def _first_at_most(items: Ints, used: Bools, start: int, room: int) -> int:
    """The first unused item from ``start`` on with load <= room (``items.size`` if none)."""
    low = start
    high = items.size
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
    """Whether an item is its owner's only one: one owner's items stand side by side."""
    is_first = i == 0 or owner[i - 1] != owner[i]
    is_last = i + 1 == owner.size or owner[i + 1] != owner[i]
    return is_first and is_last
