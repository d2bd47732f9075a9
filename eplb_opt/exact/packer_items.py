"""The packer's items that are not used yet: a ring of links through them, largest first, compiled."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..compiled import compiled
from ..problem.pool import Ints

Bools = npt.NDArray[np.bool_]


@compiled
def ring(size: int) -> tuple[Ints, Ints, Bools]:
    """Links (after, before) of the unused items in their order, a ring through ``size``; and that none is used."""
    after = np.empty(size + 1, np.int64)
    before = np.empty(size + 1, np.int64)
    for i in range(size + 1):
        after[i] = (i + 1) % (size + 1)
        before[i] = (i + size) % (size + 1)
    return after, before, np.zeros(size + 1, np.bool_)


@compiled
def take_out(after: Ints, before: Ints, used: Bools, i: int) -> None:
    """Use an item. Its own links stay, so that it can be put back between its neighbours ("dancing links")."""
    after[before[i]] = after[i]
    before[after[i]] = before[i]
    used[i] = True


@compiled
def put_back(after: Ints, before: Ints, used: Bools, i: int) -> None:
    """Undo ``take_out``; of several, the last first."""
    after[before[i]] = i
    before[after[i]] = i
    used[i] = False


@compiled
def may_fit(
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
def next_unlike(
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
def largest_sum(items: Ints, after: Ints, i: int, more: int) -> int:
    """Load of an item and as many unused ones after it; -1 if there are not so many."""
    top = items[i]
    for _ in range(more):
        i = after[i]
        if i == items.size:
            return -1
        top += items[i]
    return top  # type: ignore[no-any-return]


@compiled
def first_at_most(items: Ints, used: Bools, start: int, room: int) -> int:
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
