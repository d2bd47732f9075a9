"""Annealing over swaps and re-replications, compiled.

Loads are in units of the mean rank load. The cost is the sum of their squares: up to a constant that of
``(load - 1)^2``, as the total is the same for every packing. It is smooth where the heaviest rank is not; the last
step to a small maximum is left to the repacking in ``repack``.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ..compiled import compiled
from ..random_numbers import Words, below, uniform

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@compiled
def rank_loads(weights: Floats, experts: Ints, counts: Ints, loads: Floats) -> None:
    """Recompute the load of every rank, [ranks], from the slots."""
    slots = experts.size // loads.size
    loads[:] = 0.0
    for p in range(experts.size):
        loads[p // slots] += weights[experts[p]] / counts[experts[p]]


@compiled
def anneal(
    weights: Floats,
    experts: Ints,
    counts: Ints,
    loads: Floats,
    rng: Words,
    work: int,
    hot: float,
    cold: float,
    rereplicate: float,
    distinct: bool,
) -> None:
    """Propose moves while the temperature falls geometrically from hot to cold; the state is changed in place.

    Parameters
    ----------
    weights : array [experts], float64
        Expert loads in units of the mean rank load.
    experts, counts, loads : arrays [slots], [experts], [ranks]
        The expert of every slot (rank after rank), replicas of every expert; rank loads are output only.
    rng : array [1], uint64
        State of the random numbers.
    work : int
        Slots that may be touched; it sets the number of moves.
    hot, cold : float
        First and last temperature, in units of the cost.
    rereplicate : float
        Share of the moves that turn a replica of one expert into one of another.
    distinct : bool
        Never put an expert on a rank twice.
    """
    size, slots = experts.size, experts.size // loads.size
    rank_loads(weights, experts, counts, loads)
    places, index = _replica_lists(experts, counts)
    temperature, falling = hot, math.log(cold / hot)
    spent, move = 0, 0
    while spent < work:
        move += 1
        if move % 64 == 0:
            temperature = hot * math.exp(falling * spent / work)
        p = below(rng, size)
        bar = -temperature * math.log(uniform(rng) + 1e-300)  # Metropolis: accept iff the cost rises by less
        spent += 1
        if rereplicate == 0.0 or uniform(rng) >= rereplicate:
            _swap(weights, experts, counts, loads, places, index, p, below(rng, size), bar, slots, distinct)
        elif counts[experts[p]] > 1:
            f = below(rng, counts.size)
            spent += counts[experts[p]] + counts[f]
            _rereplicate(weights, experts, counts, loads, places, index, p, f, bar, slots, distinct)


@compiled
def _replica_lists(experts: Ints, counts: Ints) -> tuple[Ints, Ints]:
    """The slots of each expert, [experts, most], and the position of each slot in that list, [slots]."""
    places = np.zeros((counts.size, experts.size - counts.size + 1), np.int64)
    index = np.zeros(experts.size, np.int64)
    filled = np.zeros(counts.size, np.int64)
    for p in range(experts.size):
        e = experts[p]
        places[e, filled[e]] = p
        index[p] = filled[e]
        filled[e] += 1
    return places, index


@compiled
def _holds(experts: Ints, slots: int, rank: int, expert: int) -> bool:
    for p in range(rank * slots, (rank + 1) * slots):  # noqa: SIM110 (numba has no any() over generators)
        if experts[p] == expert:
            return True
    return False


@compiled
def _swap(
    weights: Floats,
    experts: Ints,
    counts: Ints,
    loads: Floats,
    places: Ints,
    index: Ints,
    p: int,
    q: int,
    bar: float,
    slots: int,
    distinct: bool,
) -> None:
    """Swap the slots p and q if the cost rises by less than the bar."""
    a, b, r, t = experts[p], experts[q], p // slots, q // slots
    if a == b or r == t:
        return
    by = weights[b] / counts[b] - weights[a] / counts[a]
    if 2.0 * by * (loads[r] - loads[t] + by) >= bar:
        return
    if distinct and (_holds(experts, slots, r, b) or _holds(experts, slots, t, a)):
        return
    loads[r] += by
    loads[t] -= by
    experts[p], experts[q] = b, a
    places[a, index[p]], places[b, index[q]] = q, p
    index[p], index[q] = index[q], index[p]


@compiled
def _rereplicate(
    weights: Floats,
    experts: Ints,
    counts: Ints,
    loads: Floats,
    places: Ints,
    index: Ints,
    p: int,
    f: int,
    bar: float,
    slots: int,
    distinct: bool,
) -> None:
    """Turn the replica in slot p into one of expert f if the cost rises by less than the bar."""
    e, r = experts[p], p // slots
    if e == f or (distinct and _holds(experts, slots, r, f)):
        return
    new_e, new_f = weights[e] / (counts[e] - 1), weights[f] / (counts[f] + 1)
    by_e, by_f = new_e - weights[e] / counts[e], new_f - weights[f] / counts[f]
    before = loads[r]
    rise = (new_f - new_e) * (2.0 * before + new_f - new_e)  # slot p also counts as a replica of e below
    loads[r] += new_f - new_e
    rise += _shift(loads, places[e, : counts[e]], slots, by_e)
    rise += _shift(loads, places[f, : counts[f]], slots, by_f)
    if rise >= bar:
        _shift(loads, places[f, : counts[f]], slots, -by_f)
        _shift(loads, places[e, : counts[e]], slots, -by_e)
        loads[r] = before
        return
    last = places[e, counts[e] - 1]
    places[e, index[p]] = last
    index[last] = index[p]
    places[f, counts[f]] = p
    index[p] = counts[f]
    counts[e] -= 1
    counts[f] += 1
    experts[p] = f


@compiled
def _shift(loads: Floats, places: Ints, slots: int, by: float) -> float:
    """Add ``by`` to the rank of every slot listed; the rise of the cost."""
    rise = 0.0
    for p in places:
        rise += by * (2.0 * loads[p // slots] + by)
        loads[p // slots] += by
    return rise
