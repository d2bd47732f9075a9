"""The slots of each expert, which annealing keeps while slots change hands; compiled."""

from __future__ import annotations

import numpy as np

from ..compiled import compiled
from ..problem.pool import Ints


@compiled
def replica_lists(experts: Ints, counts: Ints) -> tuple[Ints, Ints]:
    """The slots of each expert, [experts, most], and the position of each slot in that list, [slots].

    Parameters
    ----------
    experts : array [slots], int64
        The expert of every slot, rank after rank; -1 of a place that is no slot.
    counts : array [experts], int64
        Replicas of every expert.
    """
    most = experts.size - counts.size + 1
    places = np.zeros((counts.size, most), np.int64)
    index = np.zeros(experts.size, np.int64)
    filled = np.zeros(counts.size, np.int64)
    for p in range(experts.size):
        e = experts[p]
        if e < 0:
            continue
        places[e, filled[e]] = p
        index[p] = filled[e]
        filled[e] += 1
    return places, index


@compiled
def holds(experts: Ints, slots: int, rank: int, expert: int) -> bool:
    """Whether a rank of so many slots holds an expert."""
    for p in range(rank * slots, (rank + 1) * slots):  # noqa: SIM110 (numba has no any() over generators)
        if experts[p] == expert:
            return True
    return False


@compiled
def swap_places(experts: Ints, places: Ints, index: Ints, p: int, q: int) -> None:
    """Let the slots p and q have each other's expert."""
    e = experts[p]
    f = experts[q]
    experts[p] = f
    experts[q] = e
    place_of_p = index[p]
    place_of_q = index[q]
    places[e, place_of_p] = q
    places[f, place_of_q] = p
    index[p] = place_of_q
    index[q] = place_of_p


@compiled
def move_place(
    experts: Ints, counts: Ints, places: Ints, index: Ints, p: int, f: int
) -> None:
    """Take slot p from its expert's list, where the last one fills its place, and append it to that of f."""
    e = experts[p]
    last = places[e, counts[e] - 1]
    places[e, index[p]] = last
    index[last] = index[p]
    places[f, counts[f]] = p
    index[p] = counts[f]
    counts[e] -= 1
    counts[f] += 1
    experts[p] = f
