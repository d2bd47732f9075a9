"""The greedy's heaviest rank replica by replica, compiled for the CPU (numba)."""

from __future__ import annotations

import numpy as np

from ..compiled import compiled

MOST_RANKS = 128  # that are looked through for every replica; with more, numpy's rounds are faster


def heaviest_of_greedy(ordered, ranks):  # type: ignore[no-untyped-def]
    """Load of the heaviest rank of the greedy's packing, float64 [pools].

    Parameters
    ----------
    ordered : float64 [pools, slots], replica loads, heaviest first
    ranks : int
        Of which the number of slots is a multiple.
    """
    heaviest = np.zeros(len(ordered))
    load = np.empty(ranks)
    # Of numbers >= 0, in the same order; only the least integer is found in blocks.
    pattern = load.view(np.int64)
    room = np.empty(ranks, dtype=np.int64)
    _pack(ordered, heaviest, load, pattern, room)
    return heaviest


@compiled
def _pack(ordered, heaviest, load, pattern, room):  # type: ignore[no-untyped-def]
    """As `heaviest_of_greedy`, with room for what is worked on."""
    pools, slots = ordered.shape
    ranks = len(load)
    for pool in range(pools):
        for rank in range(ranks):
            load[rank] = 0
            room[rank] = slots // ranks
        for slot in range(slots):
            lightest = _first_least(pattern)
            load[lightest] += ordered[pool, slot]
            room[lightest] -= 1
            if room[lightest] == 0:
                if load[lightest] > heaviest[pool]:
                    heaviest[pool] = load[lightest]
                load[lightest] = np.inf


@compiled
def _first_least(numbers):  # type: ignore[no-untyped-def]
    least = numbers[0]
    for at in range(len(numbers)):
        if numbers[at] < least:  # not min(): this is vectorised
            least = numbers[at]
    at = 0
    while numbers[at] != least:
        at += 1
    return at
