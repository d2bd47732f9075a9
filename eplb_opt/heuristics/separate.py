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
    ranks : int

    Returns
    -------
    array [pools, slots], int64
    """
    maps = placed.reshape(len(placed), ranks, -1).copy()
    rows = np.sort(maps, axis=2)
    is_repeated = rows[:, :, 1:] == rows[:, :, :-1]
    for pool in np.flatnonzero(is_repeated.any(axis=(1, 2))):
        counts = np.bincount(placed[pool], minlength=loads.shape[1])
        maps[pool] = separate_ranks(
            maps[pool].tolist(), (loads[pool] / counts).tolist()
        )
    return maps.reshape(len(placed), -1)


def separate_ranks(
    ranks: list[list[int]], replica_load: list[float]
) -> list[list[int]]:
    """Repair one pool in place: the cheapest swap that removes a repetition, until there is none (D1).

    Parameters
    ----------
    ranks : list of list of int
        The experts on each rank; no expert has more replicas than there are ranks.
    replica_load : list of float
        Load of a replica of each expert.

    Returns
    -------
    list of list of int
        The same lists.
    """
    loads = [sum(replica_load[e] for e in held) for held in ranks]
    while True:
        pair = _first_repeated(ranks)
        if pair is None:
            return ranks
        rank, expert = pair
        _, other, partner = min(_swaps(ranks, loads, replica_load, rank, expert))
        ranks[rank][ranks[rank].index(expert)] = partner
        ranks[other][ranks[other].index(partner)] = expert
        shift = replica_load[partner] - replica_load[expert]
        loads[rank] += shift
        loads[other] -= shift


def _first_repeated(ranks: list[list[int]]) -> tuple[int, int] | None:
    """A rank that holds an expert more than once, and that expert; None if no rank does."""
    for rank, held in enumerate(ranks):
        for expert in held:
            if held.count(expert) > 1:
                return rank, expert
    return None


def _swaps(
    ranks: list[list[int]],
    loads: list[float],
    replica_load: list[float],
    rank: int,
    expert: int,
) -> Iterator[tuple[float, int, int]]:
    """Swaps of ``expert`` on ``rank`` that lower the number of repetitions: (heavier load after, rank, partner)."""
    for other, held in enumerate(ranks):
        if expert in held:
            continue
        for partner in set(held):
            if partner not in ranks[rank] or held.count(partner) > 1:
                shift = replica_load[partner] - replica_load[expert]
                yield max(loads[rank] + shift, loads[other] - shift), other, partner
