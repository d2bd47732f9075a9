"""Moves taken back from a packing that is good enough, compiled: what has moved goes where it was, if that fits.

A step exchanges a replica that has moved with one of a rank that held its expert, or gives its slot to an expert that
the rank held. It is made if fewer replicas have moved then, and no rank gets too heavy.
"""

from __future__ import annotations

from ..compiled import compiled
from .pool_arrays import exchange, replace


@compiled
def take_back(pool, most, distinct):  # type: ignore[no-untyped-def]
    """Take moves back until none can be; how many fewer replicas have moved then."""
    held = pool.held
    slots = pool.slots
    total = 0
    fewer = 1
    while fewer:
        fewer = 0
        for here in range(slots.shape[0]):
            for mine in range(slots.shape[1]):
                if held[here, slots[here, mine]]:
                    continue
                back = _exchange_back(pool, most, distinct, here, mine)
                if not back:
                    back = _give_back(pool, most, distinct, here, mine)
                fewer += back
        total += fewer
    return total


@compiled
def _exchange_back(pool, most, distinct, here, mine):  # type: ignore[no-untyped-def]
    """Exchange a replica that has moved with the one for which fewest have moved then, if fewer have."""
    experts, ranks, slots, spread, copies, held, _ = pool
    gone = slots[here, mine]
    best = best_there = best_theirs = 0
    for there in range(len(ranks)):
        if not held[there, gone] or (distinct and copies[gone, there]):
            continue
        for theirs in range(slots.shape[1]):
            come = slots[there, theirs]
            fewer = 1 + held[here, come] - held[there, come]
            if fewer <= best or (distinct and copies[come, here]):
                continue
            rise = experts[gone].share - experts[come].share
            if max(ranks[here].load - rise, ranks[there].load + rise) <= most:
                best = fewer
                best_there = there
                best_theirs = theirs
    if best:
        exchange(
            experts, ranks, slots, spread, copies, most, here, mine, best_there, best_theirs
        )  # fmt: skip
    return best


@compiled
def _give_back(pool, most, distinct, here, mine):  # type: ignore[no-untyped-def]
    """Give the slot of a replica that has moved to an expert that the rank held; 1 if that can be."""
    experts, ranks, slots, spread, copies, held, _ = pool
    gone = slots[here, mine]
    if experts[gone].count < 2:
        return 0
    for come in range(len(experts)):
        if not held[here, come] or (distinct and copies[come, here]):
            continue
        if _fits(experts, ranks, copies, most, here, gone, come):
            replace(experts, ranks, slots, spread, copies, most, here, mine, come)
            return 1
    return 0


@compiled
def _fits(experts, ranks, copies, most, here, gone, come):  # type: ignore[no-untyped-def]
    """Whether no rank is too heavy with a replica of another expert in place of one."""
    rise = experts[gone].fewer - experts[gone].share
    fall = experts[come].share - experts[come].more
    for rank in range(len(ranks)):
        load = ranks[rank].load + copies[gone, rank] * rise - copies[come, rank] * fall
        if rank == here:
            load += experts[come].more - experts[gone].fewer
        if load > most:
            return False
    return True
