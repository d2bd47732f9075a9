"""A pool's packing beside the one in use, in arrays, compiled: what steps of a repair read and change.

All numbers are integers; a replica's load is its expert's load divided by the replicas, cut.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..compiled import compiled
from ..problem.pool import Ints


class PoolArrays(NamedTuple):
    """A packing, and what follows from it."""

    whole: Ints  # [experts], loads
    held: Ints  # [ranks, experts], int8, 1 where a rank has an expert already: its replica does not move
    slots: Ints  # [ranks, slots a rank], the expert in every slot
    counts: Ints  # [experts], replicas
    copies: Ints  # [ranks, experts], int16, replicas
    shares: Ints  # [experts], load of a replica
    fewer: Ints  # [experts], load of a replica if there is one less; 0 of an expert's only one
    more: Ints  # [experts], load of a replica if there is one more
    loads: Ints  # [ranks]
    until: Ints  # [ranks, experts], int32, up to which step an expert may not come back


@compiled
def begun(whole, held, slots):  # type: ignore[no-untyped-def]
    """The arrays of a packing, which is changed in place."""
    ranks, per_rank = slots.shape
    experts = len(whole)
    counts = np.zeros(experts, dtype=np.int64)
    copies = np.zeros((ranks, experts), dtype=np.int16)
    for rank in range(ranks):
        for slot in range(per_rank):
            counts[slots[rank, slot]] += 1
            copies[rank, slots[rank, slot]] += 1
    shares = np.zeros(experts, dtype=np.int64)
    fewer = np.zeros(experts, dtype=np.int64)
    more = np.zeros(experts, dtype=np.int64)
    for expert in range(experts):
        _share(whole, counts, shares, fewer, more, expert)
    loads = np.zeros(ranks, dtype=np.int64)
    for rank in range(ranks):
        for slot in range(per_rank):
            loads[rank] += shares[slots[rank, slot]]
    until = np.zeros((ranks, experts), dtype=np.int32)
    return PoolArrays(
        whole, held, slots, counts, copies, shares, fewer, more, loads, until
    )


@compiled
def _share(whole, counts, shares, fewer, more, expert):  # type: ignore[no-untyped-def]
    """Divide an expert's load by its replicas, by one less and by one more."""
    count = counts[expert]
    shares[expert] = whole[expert] // max(count, 1)
    fewer[expert] = whole[expert] // (count - 1) if count > 1 else 0
    more[expert] = whole[expert] // (count + 1)


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
def over(load, most):  # type: ignore[no-untyped-def]
    """What a rank has too much."""
    return max(load - most, 0)


@compiled
def exchange(pool, here, mine, there, theirs):  # type: ignore[no-untyped-def]
    """Exchange the replicas in two slots."""
    gone = pool.slots[here, mine]
    come = pool.slots[there, theirs]
    pool.slots[here, mine] = come
    pool.slots[there, theirs] = gone
    difference = pool.shares[gone] - pool.shares[come]
    pool.loads[here] -= difference
    pool.loads[there] += difference
    pool.copies[here, gone] -= 1
    pool.copies[here, come] += 1
    pool.copies[there, come] -= 1
    pool.copies[there, gone] += 1


@compiled
def replace(pool, here, slot, come):  # type: ignore[no-untyped-def]
    """Give a slot to another expert; the replicas of both have another load then."""
    gone = pool.slots[here, slot]
    pool.slots[here, slot] = come
    for expert, more in ((gone, -1), (come, 1)):
        before = pool.shares[expert]
        pool.counts[expert] += more
        _share(pool.whole, pool.counts, pool.shares, pool.fewer, pool.more, expert)
        change = pool.shares[expert] - before
        for rank in range(len(pool.loads)):
            pool.loads[rank] += pool.copies[rank, expert] * change
        pool.copies[here, expert] += more
        pool.loads[here] += more * pool.shares[expert]
