"""Annealing over windows, compiled: exchanges of two replicas, and one expert's replica replaced by another's.

The cost is the sum over windows of ``weight * log2(sum over ranks of exp(SHARPNESS * load))``, a soft maximum of the
rank loads of every window. Loads, weights and logarithms are integers; the exponentials are floats that are only added
and subtracted, in one order. So the same loads give the same bits everywhere.
"""

from __future__ import annotations

import numpy as np

from ..compiled import compiled, inlined
from ..random_numbers import numbered
from .soft_maximum import alike, cost_of, new_cost, sum_up
from .tables import DRAW_BITS, MEAN, PRICE

LOW32 = np.uint64(0xFFFFFFFF)
# Of sixteen proposals, so many replace an expert, as far as there are spare replicas.
REPLACED = 4


@compiled
def anneal_windows(  # type: ignore[no-untyped-def]
    whole,
    weights,
    slots,
    counts,
    pool_ranks,
    first,
    moves,
    distinct,
    most_load,
    prices,
    in_use,
    move_price,
    most_moves,
    tables,
):
    """Anneal one layer; ``slots`` and ``counts`` are changed in place.

    Parameters
    ----------
    whole : array [experts, windows], int64
        Loads in units of which a rank has `tables.MEAN` on average in every window.
    weights : array [windows], int64
    slots : array [ranks, slots a rank], int64
        The expert in every slot.
    counts : array [experts], int64
        Replicas.
    pool_ranks : int
        Ranks among which replicas may be exchanged: those of a node, or all.
    first, moves : int
        The number of the first proposal, which other numbers follow, and how many there are.
    distinct : bool
        No rank gets an expert twice.
    most_load : int
        What no rank should have in the first window.
    prices : array [stages], int64
        What a unit of load above that costs, stage by stage; at `tables.PRICE` there never is more of it.
    in_use : array [experts, ranks], int64
        1 where a rank has an expert in the map in use, so that a replica of it does not move, else 0.
    move_price : int
        What a replica that moves costs.
    most_moves : int
        How many may move, if there are not more at the start.
    tables : tuple of arrays
        `tables.Tables`.
    """
    exponential, logarithm, patience, temperatures = tables
    ranks, per_rank = slots.shape
    windows = whole.shape[1]
    shares = 1.0 / np.arange(1, slots.size + 2)  # of an expert's load, by its replicas
    replicas, held, loads = _begun(whole, shares, slots, counts)
    grown = np.empty((ranks, windows), dtype=np.float64)  # exponentials of the loads
    sums = np.empty(windows, dtype=np.float64)
    factors = np.empty(windows, dtype=np.float64)
    factor_bits = factors.view(np.int64)
    weight = alike(weights)
    new_loads = np.empty((ranks, windows), dtype=np.int32)
    new_grown = np.empty((ranks, windows), dtype=np.float64)
    new_sums = np.empty(windows, dtype=np.float64)
    new_bits = new_sums.view(np.int64)
    fewer = np.empty(windows, dtype=np.int32)  # a replica's load of who loses one
    more = np.empty(windows, dtype=np.int32)  # and of who gains one
    touched = np.empty(ranks, dtype=np.int64)
    moved = _moved(slots, in_use)
    stages = len(temperatures)
    for stage in range(stages):
        sum_up(loads, grown, sums, exponential)
        new_sums[:] = sums
        cost = cost_of(new_bits, weights, weight, factors, factor_bits, logarithm)
        for move in range(moves * stage // stages, moves * (stage + 1) // stages):
            here, there, replace, draw = _drawn(
                first + move, slots.size, pool_ranks * per_rank
            )
            mine = slots[here // per_rank, here % per_rank]
            theirs = slots[there // per_rank, there % per_rank]
            here_rank = here // per_rank
            there_rank = there // per_rank
            if not _is_allowed(
                mine, theirs, here_rank, there_rank, replace, counts, held, distinct
            ):
                continue
            more_moved = _more_moved(
                in_use, mine, theirs, here_rank, there_rank, replace
            )
            if more_moved > 0 and moved + more_moved > most_moves:
                continue
            if replace:
                _share(whole, mine, shares[counts[mine] - 2], fewer)
                _share(whole, theirs, shares[counts[theirs]], more)
                number = _replaced(
                    replicas,
                    fewer,
                    more,
                    held,
                    loads,
                    here_rank,
                    mine,
                    theirs,
                    touched,
                    new_loads,
                )
            else:
                number = _exchanged(
                    replicas,
                    loads,
                    mine,
                    theirs,
                    here_rank,
                    there_rank,
                    touched,
                    new_loads,
                )
            excess = _excess_change(touched, number, new_loads, loads, most_load)
            if excess > 0 and prices[stage] >= PRICE:
                continue
            after = new_cost(
                touched, number, new_loads, new_grown, new_sums, new_bits, grown, sums, weights, weight, factors,
                factor_bits, exponential, logarithm,
            )  # fmt: skip
            change = move_price * more_moved + prices[stage] * excess + after - cost
            if change > temperatures[stage] * patience[draw]:
                continue
            _take_loads(
                touched, number, new_loads, new_grown, new_sums, loads, grown, sums
            )
            cost = after
            moved += more_moved
            slots[here_rank, here % per_rank] = theirs
            _move(held, mine, theirs, here_rank)
            if replace:
                counts[mine] -= 1
                counts[theirs] += 1
                _take_replicas(replicas, mine, theirs, fewer, more)
            else:
                slots[there_rank, there % per_rank] = mine
                _move(held, theirs, mine, there_rank)


@compiled
def _begun(whole, shares, slots, counts):  # type: ignore[no-untyped-def]
    """Loads of replicas [experts, windows], replicas there [experts, ranks], loads of ranks [ranks, windows]."""
    ranks, per_rank = slots.shape
    experts, windows = whole.shape
    replicas = np.empty((experts, windows), dtype=np.int32)
    for expert in range(experts):
        _share(whole, expert, shares[counts[expert] - 1], replicas[expert])
    held = np.zeros((experts, ranks), dtype=np.int32)
    loads = np.zeros((ranks, windows), dtype=np.int32)
    for rank in range(ranks):
        for slot in range(per_rank):
            held[slots[rank, slot], rank] += 1
            loads[rank] += replicas[slots[rank, slot]]
    return replicas, held, loads


@compiled
def _drawn(move, total, pool_slots):  # type: ignore[no-untyped-def]
    """A proposal: two slots of one pool, whether the first's expert is replaced by the other's, and its patience."""
    where = numbered(np.uint64(2 * move))
    how = numbered(np.uint64(2 * move + 1))
    here = _below(where & LOW32, total)
    first = here // pool_slots * pool_slots
    there = first + _below(where >> np.uint64(32), pool_slots)
    replace = np.int64(how & np.uint64(15)) < REPLACED
    draw = np.int64(how >> np.uint64(64 - DRAW_BITS))
    return here, there, replace, draw


@compiled
def _is_allowed(  # type: ignore[no-untyped-def]
    mine, theirs, here_rank, there_rank, replace, counts, held, distinct
):
    """Whether a proposal changes anything, and leaves every expert a replica, and ranks distinct ones if asked."""
    if mine == theirs or (distinct and held[theirs, here_rank] > 0):
        return False
    if replace:
        return counts[mine] > 1
    return here_rank != there_rank and not (distinct and held[mine, there_rank] > 0)


@compiled
def _moved(slots, in_use):  # type: ignore[no-untyped-def]
    """Replicas on a rank that has not their expert in the map in use."""
    total = 0
    for rank in range(len(slots)):
        for expert in slots[rank]:
            total += 1 - in_use[expert, rank]
    return total


@compiled
def _more_moved(in_use, mine, theirs, here_rank, there_rank, replace):  # type: ignore[no-untyped-def]
    """How many replicas more are moved after a proposal."""
    more = in_use[mine, here_rank] - in_use[theirs, here_rank]
    if not replace:
        more += in_use[theirs, there_rank] - in_use[mine, there_rank]
    return more


@compiled
def _excess_change(touched, number, new_loads, loads, most_load):  # type: ignore[no-untyped-def]
    """By how much more the ranks are above the most load of the first window, within a mean rank load."""
    change = np.int64(0)
    for i in range(number):
        change += max(new_loads[i, 0] - most_load, 0)
        change -= max(loads[touched[i], 0] - most_load, 0)
    return min(
        max(change, -MEAN), MEAN
    )  # so that times a price it has less than 63 bits


@compiled
def _below(word, number):  # type: ignore[no-untyped-def]
    """A number below another, of 32 random bits."""
    return np.int64((word * np.uint64(number)) >> np.uint64(32))


@compiled
def _share(whole, expert, share, replica):  # type: ignore[no-untyped-def]
    """Load of one replica of an expert in every window, of its share."""
    for k in range(whole.shape[1]):
        replica[k] = np.int32(whole[expert, k] * share)


@compiled
def _exchanged(  # type: ignore[no-untyped-def]
    replicas, loads, mine, theirs, here_rank, there_rank, touched, new_loads
):
    """Loads of two ranks after the exchange of two replicas; how many ranks they are."""
    touched[0] = here_rank
    touched[1] = there_rank
    for k in range(loads.shape[1]):
        gain = replicas[theirs, k] - replicas[mine, k]
        new_loads[0, k] = loads[here_rank, k] + gain
        new_loads[1, k] = loads[there_rank, k] - gain
    return 2


@compiled
def _replaced(  # type: ignore[no-untyped-def]
    replicas, fewer, more, held, loads, here_rank, lost, gained, touched, new_loads
):
    """Loads of all ranks that change as one slot takes another expert; how many ranks these are."""
    number = 0
    for rank in range(len(loads)):
        of_lost = held[lost, rank]
        of_gained = held[gained, rank]
        if of_lost == 0 and of_gained == 0 and rank != here_rank:
            continue
        is_here = np.int32(rank == here_rank)
        touched[number] = rank
        _load_after(
            loads[rank],
            replicas[lost],
            replicas[gained],
            fewer,
            more,
            of_lost,
            of_gained,
            of_lost - is_here,
            of_gained + is_here,
            new_loads[number],
        )
        number += 1
    return number


@compiled
def _load_after(  # type: ignore[no-untyped-def]
    load, lost, gained, fewer, more, of_lost, of_gained, now_lost, now_gained, new_load
):
    """A rank's load after its replicas of two experts have changed in number and load."""
    for k in range(len(load)):
        before = of_lost * lost[k] + of_gained * gained[k]
        after = now_lost * fewer[k] + now_gained * more[k]
        new_load[k] = load[k] + np.int32(after - before)


@inlined
def _take_loads(  # type: ignore[no-untyped-def]
    touched, number, new_loads, new_grown, new_sums, loads, grown, sums
):
    """Take over what `new_cost` found."""
    for i in range(number):
        for k in range(len(sums)):
            loads[touched[i], k] = new_loads[i, k]
            grown[touched[i], k] = new_grown[i, k]
    for k in range(len(sums)):
        sums[k] = new_sums[k]


@compiled
def _take_replicas(replicas, lost, gained, fewer, more):  # type: ignore[no-untyped-def]
    """Take over the loads of two experts' replicas."""
    for k in range(len(fewer)):
        replicas[lost, k] = fewer[k]
        replicas[gained, k] = more[k]


@compiled
def _move(held, gone, come, rank):  # type: ignore[no-untyped-def]
    """A rank has one replica of an expert less, and one of another more."""
    held[gone, rank] -= 1
    held[come, rank] += 1
