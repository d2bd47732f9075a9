"""Annealing over swaps and re-replications, compiled.

Loads are in units of the mean rank load. The cost is the sum of their squares: up to a constant that of
``(load - 1)^2``, as the total is the same for every packing. It is smooth where the heaviest rank is not; the last
step to a small maximum is left to the repacking in ``repack``.
"""

from __future__ import annotations

import math

from ..compiled import compiled
from ..problem.pool import Floats, Ints
from ..random_numbers import Words, below, uniform
from .slots import holds, move_place, replica_lists, swap_places

COOLING = 64  # moves between two temperatures: a power of two, so that asking is cheap
LEAST_DRAW = 1e-300  # added to a random number, whose logarithm is then finite


@compiled
def rank_loads(weights: Floats, experts: Ints, counts: Ints, loads: Floats) -> None:
    """Recompute the load of every rank from the slots.

    Parameters
    ----------
    weights : array [experts], float64
        Expert loads.
    experts : array [slots], int64
        The expert of every slot, rank after rank.
    counts : array [experts], int64
        Replicas of every expert.
    loads : array [ranks], float64
        Overwritten, in the unit of the weights.
    """
    slots = experts.size // loads.size
    loads[:] = 0.0
    for p in range(experts.size):
        e = experts[p]
        loads[p // slots] += weights[e] / counts[e]


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
    experts : array [slots], int64
        The expert of every slot, rank after rank; changed.
    counts : array [experts], int64
        Replicas of every expert; changed.
    loads : array [ranks], float64
        Rank loads in the same units; output only.
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
    size = experts.size
    slots = size // loads.size
    rank_loads(weights, experts, counts, loads)
    places, index = replica_lists(experts, counts)
    temperature = hot
    falling = math.log(cold / hot)
    spent = 0
    move = 0
    while spent < work:
        move += 1
        if move % COOLING == 0:
            temperature = hot * math.exp(falling * spent / work)
        p = below(rng, size)
        # Metropolis: a move is accepted with probability exp(-rise / temperature), that is iff the cost rises by less
        # than -temperature * log(u), u uniform
        bar = -temperature * math.log(uniform(rng) + LEAST_DRAW)
        spent += 1
        if rereplicate == 0.0 or uniform(rng) >= rereplicate:
            _swap(
                weights,
                experts,
                counts,
                loads,
                places,
                index,
                p,
                below(rng, size),
                bar,
                slots,
                distinct,
            )
        elif counts[experts[p]] > 1:
            f = below(rng, counts.size)
            spent += counts[experts[p]] + counts[f]
            _rereplicate(
                weights,
                experts,
                counts,
                loads,
                places,
                index,
                p,
                f,
                bar,
                slots,
                distinct,
            )


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
    """Swap the slots p and q if the cost rises by less than the bar.

    Rank r gets d more and rank t as much less: the squares rise by (l_r + d)^2 - l_r^2 + (l_t - d)^2 - l_t^2.
    """
    e = experts[p]
    f = experts[q]
    r = p // slots
    t = q // slots
    if e == f or r == t:
        return
    by = weights[f] / counts[f] - weights[e] / counts[e]
    if 2.0 * by * (loads[r] - loads[t] + by) >= bar:
        return
    if distinct and (holds(experts, slots, r, f) or holds(experts, slots, t, e)):
        return
    loads[r] += by
    loads[t] -= by
    swap_places(experts, places, index, p, q)


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
    """Turn the replica in slot p into one of expert f if the cost rises by less than the bar.

    All replicas of both experts change their loads. The change is made, and undone if the cost rises too much.
    """
    e = experts[p]
    r = p // slots
    if e == f or (distinct and holds(experts, slots, r, f)):
        return
    new_e = weights[e] / (counts[e] - 1)  # load of a replica with the new count
    new_f = weights[f] / (counts[f] + 1)
    by_e = new_e - weights[e] / counts[e]
    by_f = new_f - weights[f] / counts[f]
    before = loads[r]
    # slot p also counts as a replica of e below
    rise = (new_f - new_e) * (2.0 * before + new_f - new_e)
    loads[r] += new_f - new_e
    rise += _shift(loads, places[e, : counts[e]], slots, by_e)
    rise += _shift(loads, places[f, : counts[f]], slots, by_f)
    if rise < bar:
        move_place(experts, counts, places, index, p, f)
        return
    _shift(loads, places[f, : counts[f]], slots, -by_f)
    _shift(loads, places[e, : counts[e]], slots, -by_e)
    loads[r] = before


@compiled
def _shift(loads: Floats, places: Ints, slots: int, by: float) -> float:
    """Add ``by`` to the rank of every slot listed; the rise of the cost."""
    rise = 0.0
    for p in places:
        rank = p // slots
        rise += by * (2.0 * loads[rank] + by)
        loads[rank] += by
    return rise
