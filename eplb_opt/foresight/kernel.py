"""Annealing over windows, compiled: exchanges of two replicas, and one expert's replica replaced by another's.

The cost is the sum over windows of ``weight * log2(sum over ranks of exp(SHARPNESS * load))``, a soft maximum of the
rank loads of every window. Loads, weights and logarithms are integers; the exponentials are floats that are only added
and subtracted, in one order. So the same loads give the same bits everywhere.
"""

from __future__ import annotations

import numpy as np

from ..compiled import compiled
from .soft_maximum import cost_change, sum_up

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
LOW32 = np.uint64(0xFFFFFFFF)
# Of sixteen proposals, so many replace an expert, as far as there are spare replicas.
REPLACED = 4


@compiled
def anneal_windows(  # type: ignore[no-untyped-def]
    whole, weights, slots, counts, pool_ranks, moves, distinct, tables
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
    moves : int
        Proposals.
    distinct : bool
        No rank gets an expert twice.
    tables : tuple of arrays
        `tables.Tables`.
    """
    exponential, logarithm, patience, temperatures = tables
    ranks, per_rank = slots.shape
    experts, windows = whole.shape
    total = ranks * per_rank
    shares = 1.0 / np.arange(1, total + 2)  # of an expert's load, by its replicas
    # Load of one of each expert.
    replicas = np.empty((experts, windows), dtype=np.int32)
    for expert in range(experts):
        _share(whole[expert], shares[counts[expert] - 1], replicas[expert])
    loads = np.zeros((ranks, windows), dtype=np.int32)
    held = np.zeros((experts, ranks), dtype=np.int32)  # replicas of each expert there
    for rank in range(ranks):
        for slot in range(per_rank):
            held[slots[rank, slot], rank] += 1
            loads[rank] += replicas[slots[rank, slot]]
    grown = np.empty((ranks, windows), dtype=np.float64)  # exponentials of the loads
    sums = np.empty(windows, dtype=np.float64)
    logs = np.empty(windows, dtype=np.int64)
    new_loads = np.empty((ranks, windows), dtype=np.int32)
    new_grown = np.empty((ranks, windows), dtype=np.float64)
    new_sums = np.empty(windows, dtype=np.float64)
    new_logs = np.empty(windows, dtype=np.int64)
    # Load of a replica of the expert that loses one.
    fewer = np.empty(windows, dtype=np.int32)
    more = np.empty(windows, dtype=np.int32)
    touched = np.empty(ranks, dtype=np.int64)
    pool_slots = pool_ranks * per_rank
    stages = len(temperatures)
    for stage in range(stages):
        sum_up(loads, grown, sums, logs, exponential, logarithm)
        temperature = temperatures[stage]
        for move in range(moves * stage // stages, moves * (stage + 1) // stages):
            word = _mixed(np.uint64(2 * move))
            other_word = _mixed(np.uint64(2 * move + 1))
            here = _below(word & LOW32, total)
            first = here // pool_slots * pool_slots
            there = first + _below(word >> np.uint64(32), pool_slots)
            here_rank = here // per_rank
            there_rank = there // per_rank
            mine = slots[here_rank, here % per_rank]
            theirs = slots[there_rank, there % per_rank]
            replace = np.int64(other_word & np.uint64(15)) < REPLACED
            if mine == theirs or (distinct and held[theirs, here_rank] > 0):
                continue
            if replace:
                if counts[mine] < 2:
                    continue
                _share(whole[mine], shares[counts[mine] - 2], fewer)
                _share(whole[theirs], shares[counts[theirs]], more)
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
                if here_rank == there_rank or (distinct and held[mine, there_rank] > 0):
                    continue
                touched[0] = here_rank
                touched[1] = there_rank
                number = 2
                _exchanged(replicas, mine, theirs, loads, touched, new_loads)
            change = cost_change(
                touched,
                number,
                new_loads,
                new_grown,
                new_sums,
                new_logs,
                grown,
                sums,
                logs,
                weights,
                exponential,
                logarithm,
            )
            draw = np.int64(other_word >> np.uint64(52))
            if change > temperature * patience[draw]:
                continue
            for i in range(number):
                for k in range(windows):
                    loads[touched[i], k] = new_loads[i, k]
                    grown[touched[i], k] = new_grown[i, k]
            for k in range(windows):
                sums[k] = new_sums[k]
                logs[k] = new_logs[k]
            slots[here_rank, here % per_rank] = theirs
            held[mine, here_rank] -= 1
            held[theirs, here_rank] += 1
            if replace:
                counts[mine] -= 1
                counts[theirs] += 1
                replicas[mine] = fewer
                replicas[theirs] = more
            else:
                slots[there_rank, there % per_rank] = mine
                held[theirs, there_rank] -= 1
                held[mine, there_rank] += 1


@compiled
def _mixed(counter):  # type: ignore[no-untyped-def]
    """64 bits for a counter (splitmix64)."""
    z = (counter + np.uint64(1)) * GOLDEN
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@compiled
def _below(word, number):  # type: ignore[no-untyped-def]
    """A number below another, of 32 random bits."""
    return np.int64((word * np.uint64(number)) >> np.uint64(32))


@compiled
def _share(whole, share, replica):  # type: ignore[no-untyped-def]
    """Load of one replica in every window, of an expert's load and a replica's share of it."""
    for k in range(len(whole)):
        replica[k] = np.int32(whole[k] * share)


@compiled
def _exchanged(replicas, mine, theirs, loads, touched, new_loads):  # type: ignore[no-untyped-def]
    """Loads of two ranks after the exchange of two replicas."""
    here = touched[0]
    there = touched[1]
    for k in range(loads.shape[1]):
        gain = replicas[theirs, k] - replicas[mine, k]
        new_loads[0, k] = loads[here, k] + gain
        new_loads[1, k] = loads[there, k] - gain


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
