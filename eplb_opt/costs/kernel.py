"""Annealing over swaps and re-replications where replicas have sizes, in one window or several; compiled.

Times are in units of the mean rank time of a window. What falls is the sum, over ranks by their speeds and over the
windows by their shares, of a power of the times: a high one is a soft maximum of the ranks, and any one also falls with
the total of all replicas, and is least where all ranks take the same time (``models/README.md``, section 15).
"""

from __future__ import annotations

import math

from ..compiled import compiled
from ..problem.pool import Floats, Ints
from ..random_numbers import Words, below, uniform
from ..search.slots import holds, move_place, replica_lists, swap_places

COOLING = 64  # moves between two temperatures: a power of two, so that asking is cheap
LEAST_DRAW = 1e-300  # added to a random number, whose logarithm is then finite


@compiled
def rank_times(
    sizes: Floats,
    experts: Ints,
    counts: Ints,
    times: Floats,
    speeds: Floats,
    besides: Floats,
) -> None:
    """Recompute the time of every rank from the slots.

    Parameters
    ----------
    sizes : array [experts, counts, windows], float64
        Of a replica of an expert with 1, 2, .. of them.
    experts : array [slots], int64
        The expert of every slot, rank after rank; -1 of a place that is no slot.
    counts : array [experts], int64
        Replicas of every expert.
    times : array [ranks, windows], float64
        Overwritten.
    speeds : array [ranks], float64
        What sizes are divided by.
    besides : array [ranks, windows], float64
        What every rank takes besides.
    """
    slots = experts.size // times.shape[0]
    times[:] = besides
    for p in range(experts.size):
        e = experts[p]
        if e < 0:
            continue
        r = p // slots
        for k in range(times.shape[1]):
            times[r, k] += sizes[e, counts[e] - 1, k] / speeds[r]


@compiled
def anneal(
    sizes: Floats,
    shares: Floats,
    experts: Ints,
    counts: Ints,
    times: Floats,
    speeds: Floats,
    besides: Floats,
    real: Ints,
    rng: Words,
    work: int,
    hot: float,
    cold: float,
    rereplicate: float,
    doublings: int,
    distinct: bool,
) -> None:
    """Propose moves while the temperature falls geometrically from hot to cold; the state is changed in place.

    Parameters
    ----------
    sizes : array [experts, counts, windows], float64
        In units of the mean rank time of each window.
    shares : array [windows], float64
        What each window weighs.
    experts, counts : arrays [places] and [experts], int64
        Changed; every rank has as many places, -1 where one is no slot.
    times : array [ranks, windows], float64
        Output only.
    speeds, besides : arrays [ranks] and [ranks, windows], float64
        As of `rank_times`.
    real : array [slots], int64
        The places that are slots.
    rng : array [1], uint64
        State of the random numbers.
    work : int
        Slots that may be touched; it sets the number of moves.
    hot, cold : float
        First and last temperature.
    rereplicate : float
        Share of the moves that turn a replica of one expert into one of another.
    doublings : int
        Of the power: 1 is the square, 4 the 16th.
    distinct : bool
        Never put an expert on a rank twice.
    """
    size = real.size
    slots = experts.size // times.shape[0]
    rank_times(sizes, experts, counts, times, speeds, besides)
    places, index = replica_lists(experts, counts)
    temperature = hot
    falling = math.log(cold / hot)
    spent = 0
    move = 0
    while spent < work:
        move += 1
        if move % COOLING == 0:
            temperature = hot * math.exp(falling * spent / work)
        p = real[below(rng, size)]
        bar = -temperature * math.log(uniform(rng) + LEAST_DRAW)
        spent += 1
        if rereplicate == 0.0 or uniform(rng) >= rereplicate:
            q = real[below(rng, size)]
            if _may_swap(experts, slots, p, q, distinct):
                _swap(
                    sizes,
                    shares,
                    experts,
                    counts,
                    times,
                    speeds,
                    places,
                    index,
                    p,
                    q,
                    bar,
                    doublings,
                )
        elif counts[experts[p]] > 1:
            f = below(rng, counts.size)
            spent += counts[experts[p]] + counts[f]
            if _may_replace(experts, counts, sizes, slots, p, f, distinct):
                _rereplicate(
                    sizes,
                    shares,
                    experts,
                    counts,
                    times,
                    speeds,
                    places,
                    index,
                    p,
                    f,
                    bar,
                    doublings,
                )
    rank_times(sizes, experts, counts, times, speeds, besides)


@compiled
def _power(time: float, doublings: int) -> float:
    """The time to a power of two."""
    for _ in range(doublings):
        time *= time
    return time


@compiled
def _may_swap(experts: Ints, slots: int, p: int, q: int, distinct: bool) -> bool:
    """Whether the slots hold different experts on different ranks, and may change them."""
    e = experts[p]
    f = experts[q]
    r = p // slots
    t = q // slots
    if e == f or r == t:
        return False
    if not distinct:
        return True
    return not (holds(experts, slots, r, f) or holds(experts, slots, t, e))


@compiled
def _may_replace(
    experts: Ints,
    counts: Ints,
    sizes: Floats,
    slots: int,
    p: int,
    f: int,
    distinct: bool,
) -> bool:
    """Whether the slot may hold expert f instead."""
    if experts[p] == f or counts[f] == sizes.shape[1]:
        return False
    return not (distinct and holds(experts, slots, p // slots, f))


@compiled
def _swap(
    sizes: Floats,
    shares: Floats,
    experts: Ints,
    counts: Ints,
    times: Floats,
    speeds: Floats,
    places: Ints,
    index: Ints,
    p: int,
    q: int,
    bar: float,
    doublings: int,
) -> None:
    """Swap the slots p and q if what falls rises by less than the bar."""
    slots = experts.size // times.shape[0]
    r = p // slots
    t = q // slots
    e = experts[p]
    f = experts[q]
    v = speeds[r]
    w = speeds[t]
    rise = 0.0
    for k in range(shares.size):
        by = sizes[f, counts[f] - 1, k] - sizes[e, counts[e] - 1, k]
        after = v * _power(times[r, k] + by / v, doublings)
        after += w * _power(times[t, k] - by / w, doublings)
        before = v * _power(times[r, k], doublings)
        before += w * _power(times[t, k], doublings)
        rise += shares[k] * (after - before)
    if rise >= bar:
        return
    for k in range(shares.size):
        by = sizes[f, counts[f] - 1, k] - sizes[e, counts[e] - 1, k]
        times[r, k] += by / v
        times[t, k] -= by / w
    swap_places(experts, places, index, p, q)


@compiled
def _rereplicate(
    sizes: Floats,
    shares: Floats,
    experts: Ints,
    counts: Ints,
    times: Floats,
    speeds: Floats,
    places: Ints,
    index: Ints,
    p: int,
    f: int,
    bar: float,
    doublings: int,
) -> None:
    """Turn the replica in slot p into one of expert f if what falls rises by less than the bar.

    All replicas of both experts change their sizes. The change is made, and undone if it rises too much.
    """
    slots = experts.size // times.shape[0]
    r = p // slots
    e = experts[p]
    c = counts[e]
    d = counts[f]
    rise = 0.0
    for k in range(shares.size):
        share = shares[k]
        fewer = sizes[e, c - 2, k]
        more = sizes[f, d, k]
        # Slot p counts as a replica of e with the others, and then becomes one of f.
        of_e = fewer - sizes[e, c - 1, k]
        of_f = more - sizes[f, d - 1, k]
        rise += _shift(times, speeds, places[e, :c], slots, k, of_e, share, doublings)
        rise += _shift(times, speeds, places[f, :d], slots, k, of_f, share, doublings)
        rise += _add(times, speeds, r, k, more - fewer, share, doublings)
    if rise < bar:
        move_place(experts, counts, places, index, p, f)
        return
    for k in range(shares.size):
        fewer = sizes[e, c - 2, k]
        more = sizes[f, d, k]
        times[r, k] -= (more - fewer) / speeds[r]
        _take_back(times, speeds, places[f, :d], slots, k, more - sizes[f, d - 1, k])
        _take_back(times, speeds, places[e, :c], slots, k, fewer - sizes[e, c - 1, k])


@compiled
def _add(
    times: Floats,
    speeds: Floats,
    rank: int,
    k: int,
    by: float,
    share: float,
    doublings: int,
) -> float:
    """Add work to a rank in a window; the rise of what falls."""
    v = speeds[rank]
    before = float(v * _power(times[rank, k], doublings))
    times[rank, k] += by / v
    after = float(v * _power(times[rank, k], doublings))
    return share * (after - before)


@compiled
def _shift(
    times: Floats,
    speeds: Floats,
    places: Ints,
    slots: int,
    k: int,
    by: float,
    share: float,
    doublings: int,
) -> float:
    """Add work to the rank of every slot listed; the rise of what falls."""
    rise = 0.0
    for p in places:
        rise += _add(times, speeds, p // slots, k, by, share, doublings)
    return rise


@compiled
def _take_back(
    times: Floats, speeds: Floats, places: Ints, slots: int, k: int, by: float
) -> None:
    """Take what was added to the rank of every slot listed."""
    for p in places:
        times[p // slots, k] -= by / speeds[p // slots]
