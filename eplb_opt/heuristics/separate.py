"""Repair of maps in which a rank holds an expert twice: swaps until no rank does (``models/README.md``, D1)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..problem.pool import Floats, Ints


def separate(loads: Floats, placed: Ints, ranks: int) -> Ints:
    """Swap replicas until no rank holds an expert twice (termination: ``models/README.md``, D1).

    Parameters
    ----------
    loads : array [pools, experts]
    placed : array [pools, slots], int64
        The expert of each slot; no expert of a pool has more replicas than there are ranks.

    Returns
    -------
    array [pools, slots], int64
    """
    maps = placed.reshape(len(placed), ranks, -1).copy()
    rows = np.sort(maps, axis=2)
    for pool in np.flatnonzero((rows[:, :, 1:] == rows[:, :, :-1]).any(axis=(1, 2))):
        counts = np.bincount(placed[pool], minlength=loads.shape[1])
        maps[pool] = separate_ranks(maps[pool].tolist(), (loads[pool] / counts).tolist())
    return maps.reshape(len(placed), -1)


def separate_ranks(ranks: list[list[int]], replica_load: list[float]) -> list[list[int]]:
    """Repair one pool in place: the cheapest swap that removes a repetition, until there is none (D1).

    Parameters
    ----------
    ranks : the experts on each rank; no expert has more replicas than there are ranks.
    replica_load : load of a replica of each expert, [experts].
    """
    loads = [sum(replica_load[e] for e in held) for held in ranks]
    while True:
        pair = next(((r, e) for r, held in enumerate(ranks) for e in held if held.count(e) > 1), None)
        if pair is None:
            return ranks
        rank, expert = pair
        best = min(_swaps(ranks, loads, replica_load, rank, expert))
        _, other, partner = best
        ranks[rank][ranks[rank].index(expert)] = partner
        ranks[other][ranks[other].index(partner)] = expert
        shift = replica_load[partner] - replica_load[expert]
        loads[rank], loads[other] = loads[rank] + shift, loads[other] - shift


def _swaps(
    ranks: list[list[int]], loads: list[float], replica_load: list[float], rank: int, expert: int
) -> Iterator[tuple[float, int, int]]:
    """Swaps of ``expert`` on ``rank`` that lower the number of repetitions: (heavier load after, rank, partner)."""
    for other, held in enumerate(ranks):
        if expert in held:
            continue
        for partner in set(held):
            if partner not in ranks[rank] or held.count(partner) > 1:
                shift = replica_load[partner] - replica_load[expert]
                yield max(loads[rank] + shift, loads[other] - shift), other, partner
