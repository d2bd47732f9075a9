"""A pool's packing beside the one in use, in arrays, compiled: what steps of a repair read and change.

All numbers are integers; a replica's load is its expert's load divided by the replicas, cut. A step changes what
follows from it on the few ranks that it touches. Functions that are called often take arrays one by one, and call no
other (not even `max`) in their loops: numba would count references then, which takes longer than such a function does.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..compiled import compiled
from ..problem.pool import Ints

Records = npt.NDArray[Any]

EXPERT = np.dtype(
    [
        ("load", np.int64),
        ("count", np.int64),  # replicas
        ("share", np.int64),  # load of a replica
        (
            "fewer",
            np.int64,
        ),  # load of a replica if there is one less; 0 of the only one
        ("more", np.int64),  # load of a replica if there is one more
        # How much more overload there is with a replica less, of experts with several.
        ("harm", np.int64),
    ]
)
RANK = np.dtype(
    [
        ("load", np.int64),
        ("lightest", np.int64),  # load of its lightest replica
        ("num_spread", np.int64),  # experts that have other replicas
    ]
)


class PoolArrays(NamedTuple):
    """A packing, and what follows from it."""

    experts: Records  # [experts] of `EXPERT`
    ranks: Records  # [ranks] of `RANK`
    slots: Ints  # [ranks, slots a rank], the expert in every slot
    spread: Ints  # [ranks, slots a rank], first a slot of each expert that has other replicas, in order
    copies: Ints  # [experts, ranks], int16, replicas
    held: Ints  # [ranks, experts], int8, 1 where a rank has an expert already: its replica does not move
    until: Ints  # [ranks, experts], int32, up to which step an expert may not come back


@compiled
def begun(whole, held, slots, most):  # type: ignore[no-untyped-def]
    """The arrays of a packing, which is changed in place; a rank with at most so much load is good enough."""
    num_ranks, per_rank = slots.shape
    experts = np.zeros(len(whole), dtype=EXPERT)
    copies = np.zeros((len(whole), num_ranks), dtype=np.int16)
    for rank in range(num_ranks):
        for slot in range(per_rank):
            experts[slots[rank, slot]].count += 1
            copies[slots[rank, slot], rank] += 1
    for expert in range(len(whole)):
        experts[expert].load = whole[expert]
        _share(experts, expert)
    ranks = np.zeros(num_ranks, dtype=RANK)
    spread = np.zeros(slots.shape, dtype=np.int64)
    for rank in range(num_ranks):
        for slot in range(per_rank):
            ranks[rank].load += experts[slots[rank, slot]].share
        _note(experts, ranks, slots, spread, copies, most, rank)
    until = np.zeros(held.shape, dtype=np.int32)
    return PoolArrays(experts, ranks, slots, spread, copies, held, until)


@compiled
def _share(experts, number):  # type: ignore[no-untyped-def]
    """Divide an expert's load by its replicas, by one less and by one more."""
    load = experts[number].load
    count = experts[number].count
    if count <= 1:  # most experts, and no division
        experts[number].share = load
        experts[number].fewer = 0
        experts[number].more = load >> count
        return
    experts[number].share = load // count
    experts[number].fewer = load // (count - 1)
    experts[number].more = load // (count + 1)


@compiled
def _note(experts, ranks, slots, spread, copies, most, rank):  # type: ignore[no-untyped-def]
    """Note what follows from a rank's slots and load, and from the counts of its experts."""
    found = 0
    lightest = experts[slots[rank, 0]].share
    for slot in range(slots.shape[1]):
        expert = slots[rank, slot]
        share = experts[expert].share
        lightest = share if share < lightest else lightest
        is_new = experts[expert].count > 1
        for number in range(found):
            is_new &= slots[rank, spread[rank, number]] != expert
        if is_new:
            spread[rank, found] = slot
            found += 1
    ranks[rank].lightest = lightest
    ranks[rank].num_spread = found
    _add_harm(experts, ranks, slots, spread, copies, most, rank, 1)


@compiled
def _add_harm(experts, ranks, slots, spread, copies, most, rank, times):  # type: ignore[no-untyped-def]
    """Add what overload there is more on a rank with a replica less of its experts, so many times."""
    load = ranks[rank].load
    before = load if load > most else most
    for number in range(ranks[rank].num_spread):
        expert = slots[rank, spread[rank, number]]
        rise = experts[expert].fewer - experts[expert].share
        after = load + copies[expert, rank] * rise
        if after > most:
            experts[expert].harm += times * (after - before)


@compiled
def over(load, most):  # type: ignore[no-untyped-def]
    """What a rank has too much."""
    return max(load - most, 0)


@compiled
def moved(held, slots):  # type: ignore[no-untyped-def]
    """Replicas whose rank did not hold their expert."""
    total = 0
    ranks, per_rank = slots.shape
    for rank in range(ranks):
        for slot in range(per_rank):
            total += 1 - held[rank, slots[rank, slot]]
    return total


@compiled
def heaviest(ranks):  # type: ignore[no-untyped-def]
    """The heaviest rank, of several the first."""
    found = 0
    for rank in range(len(ranks)):
        if ranks[rank].load > ranks[found].load:
            found = rank
    return found


@compiled
def lightest_rank(ranks):  # type: ignore[no-untyped-def]
    """The lightest rank, of several the first."""
    found = 0
    for rank in range(len(ranks)):
        if ranks[rank].load < ranks[found].load:
            found = rank
    return found


@compiled
def coldest(experts):  # type: ignore[no-untyped-def]
    """The expert whose replicas are lightest with one more, of several the first."""
    found = 0
    for expert in range(len(experts)):
        if experts[expert].more < experts[found].more:
            found = expert
    return found


@compiled
def exchange(experts, ranks, slots, spread, copies, most, here, mine, there, theirs):  # type: ignore[no-untyped-def]
    """Exchange the replicas in two slots."""
    _add_harm(experts, ranks, slots, spread, copies, most, here, -1)
    _add_harm(experts, ranks, slots, spread, copies, most, there, -1)
    gone = slots[here, mine]
    come = slots[there, theirs]
    slots[here, mine] = come
    slots[there, theirs] = gone
    difference = experts[gone].share - experts[come].share
    ranks[here].load -= difference
    ranks[there].load += difference
    copies[gone, here] -= 1
    copies[come, here] += 1
    copies[come, there] -= 1
    copies[gone, there] += 1
    _note(experts, ranks, slots, spread, copies, most, here)
    _note(experts, ranks, slots, spread, copies, most, there)


@compiled
def replace(experts, ranks, slots, spread, copies, most, here, slot, come):  # type: ignore[no-untyped-def]
    """Give a slot to another expert; the replicas of both have another load then."""
    gone = slots[here, slot]
    for rank in range(len(ranks)):
        if rank == here or copies[gone, rank] or copies[come, rank]:
            _add_harm(experts, ranks, slots, spread, copies, most, rank, -1)
    slots[here, slot] = come
    rise = experts[gone].fewer - experts[gone].share
    fall = experts[come].share - experts[come].more
    for rank in range(len(ranks)):
        ranks[rank].load += copies[gone, rank] * rise - copies[come, rank] * fall
    ranks[here].load += experts[come].more - experts[gone].fewer
    experts[gone].count -= 1
    experts[come].count += 1
    copies[gone, here] -= 1
    copies[come, here] += 1
    _share(experts, gone)
    _share(experts, come)
    for rank in range(len(ranks)):
        if rank == here or copies[gone, rank] or copies[come, rank]:
            _note(experts, ranks, slots, spread, copies, most, rank)
