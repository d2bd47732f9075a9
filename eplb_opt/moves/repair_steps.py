"""Steps that relieve the heaviest rank of a packing, compiled: the best exchange, and the best other expert for a slot.

What a step is worth: by how much it relieves overloaded ranks, times a factor for the replicas that it moves (thrift).
"""

from __future__ import annotations

import numpy as np

from ..compiled import compiled
from .pool_arrays import lightest_rank, over


@compiled
def _worth(gain, more, thrift):  # type: ignore[no-untyped-def]
    """What a step is worth that relieves by so much and moves so many replicas more, by thrift: the fewer the more."""
    factor = thrift[0] if more <= 0 else (thrift[1] if more == 1 else thrift[2])
    return gain * (factor if gain > 0 else 1)


@compiled
def best_exchange(  # type: ignore[no-untyped-def]
    pool, most, heavy, room, step, distinct, least, thrift
):
    """The best exchange with a replica of the heaviest rank, if it is worth more than so much.

    Its worth, the slot there, the other rank and the slot on it, and how many more replicas move.
    """
    experts, ranks, slots, _, copies, held, until = pool
    best = least
    best_mine = best_there = best_theirs = best_more = 0
    per_rank = slots.shape[1]
    excess = ranks[heavy].load - most
    lightest = lightest_rank(ranks)
    for number in range(len(ranks) + 1):
        # The lightest one first: it takes most, and then few others are looked at.
        there = lightest if number == 0 else number - 1
        free = over(most, ranks[there].load)
        can_take = min(excess, free)
        if there == heavy or _worth(can_take, 0, thrift) <= best:
            continue
        fewest = most_gone = 1
        for slot in range(per_rank):
            come = slots[there, slot]
            fewest = min(fewest, held[there, come] - held[heavy, come])
            gone = slots[heavy, slot]
            most_gone = min(most_gone, held[heavy, gone] - held[there, gone])
        if _worth(can_take, most_gone + fewest, thrift) <= best:
            continue
        for mine in range(per_rank):
            gone = slots[heavy, mine]
            share = experts[gone].share
            more_gone = held[heavy, gone] - held[there, gone]
            limit = min(can_take, share - ranks[there].lightest)
            if _worth(limit, more_gone + fewest, thrift) <= best:
                continue
            if until[there, gone] > step or (distinct and copies[gone, there]):
                continue
            for theirs in range(per_rank):
                come = slots[there, theirs]
                lighter = share - experts[come].share
                gain = min(lighter, excess) - over(lighter, free)
                more = more_gone + held[there, come] - held[heavy, come]
                worth = _worth(gain, more, thrift)
                if worth <= best or more > room or lighter <= 0:
                    continue
                if until[heavy, come] > step or (distinct and copies[come, heavy]):
                    continue
                best = worth
                best_mine = mine
                best_there = there
                best_theirs = theirs
                best_more = more
    return best, best_mine, best_there, best_theirs, best_more


@compiled
def _foresee(experts, ranks, slots, copies, most, heavy, relief):  # type: ignore[no-untyped-def]
    """How much less overload there is with a replica more of each expert of the heaviest rank; the most of them."""
    largest = np.int64(0)
    for slot in range(slots.shape[1]):
        expert = slots[heavy, slot]
        fall = experts[expert].share - experts[expert].more
        total = np.int64(0)
        if experts[expert].count == 1:
            total = _relief(ranks[heavy].load, fall, most)
        else:
            for rank in range(len(ranks)):
                total += _relief(ranks[rank].load, copies[expert, rank] * fall, most)
        relief[slot] = total
        largest = max(largest, total)
    return largest


@compiled
def _relief(load, fall, most):  # type: ignore[no-untyped-def]
    """How much less a rank has too much if its load falls."""
    excess = load - most
    if excess <= 0:
        return 0
    return fall if fall < excess else excess


@compiled
def best_replacement(  # type: ignore[no-untyped-def]
    pool, most, heavy, room, step, distinct, least, relief, cold, thrift
):
    """The best slot to give to another expert, if it is worth more than so much.

    Its worth, its rank and number there, the expert, and how many more replicas move.
    The slot goes to an expert of the heaviest rank; one on that rank also to the expert that is lightest there.
    """
    experts, ranks, slots, spread, copies, held, until = pool
    best = least
    best_rank = best_slot = best_come = best_more = 0
    per_rank = slots.shape[1]
    most_relief = _foresee(experts, ranks, slots, copies, most, heavy, relief)
    for rank in range(len(ranks)):
        load = ranks[rank].load
        excess = over(load, most)
        is_heavy = rank == heavy
        for number in range(ranks[rank].num_spread):
            slot = spread[rank, number]
            gone = slots[rank, slot]
            rise = copies[gone, rank] * (experts[gone].fewer - experts[gone].share)
            # Never a larger gain than this, and what is relieved elsewhere: most are not looked at any closer.
            limit = over(load + rise, most) - experts[gone].harm
            elsewhere = 0 if is_heavy else most_relief
            if _worth(limit + elsewhere, held[rank, gone], thrift) <= best:
                continue
            without = load + rise - experts[gone].fewer
            for i in range(per_rank + is_heavy):
                come = slots[heavy, i] if i < per_rank else cold
                elsewhere = 0 if is_heavy else relief[i]
                more = held[rank, gone] - held[rank, come]
                if _worth(limit + elsewhere, more, thrift) <= best:
                    continue
                if come == gone or more > room or until[rank, come] > step:
                    continue
                here = copies[come, rank]
                if distinct and here:
                    continue
                diluted = here * (experts[come].more - experts[come].share)
                after = without + diluted + experts[come].more
                gain = limit - over(after, most)
                if not is_heavy:
                    gain += elsewhere - excess + over(load + diluted, most)
                worth = _worth(gain, more, thrift)
                if worth > best:
                    best = worth
                    best_rank = rank
                    best_slot = slot
                    best_come = come
                    best_more = more
    return best, best_rank, best_slot, best_come, best_more
