"""Repair of a pool's packing, compiled: step by step the heaviest rank is relieved, with few replicas that move.

A step exchanges two replicas, one of them on the heaviest rank, or gives a replica's slot to another expert, so that
the heaviest rank gets lighter. Of all steps the one is taken that relieves overloaded ranks most for each replica it
moves. Where none relieves them, the least harmful one is taken, and what has left a rank may not come back for some
steps (tabu search). All numbers are integers: the same loads give the same bits everywhere.
"""

from __future__ import annotations

import numpy as np

from ..compiled import compiled
from .pool_arrays import begun, exchange, moved, over, replace

WORTHLESS = -(1 << 62)  # less than any step


@compiled
def repair_pools(  # type: ignore[no-untyped-def]
    whole,
    held,
    slots,
    most,
    most_moves,
    patience,
    tenure,
    distinct,
    thrift,
    heaviest,
    moves,
):
    """`repair` of many pools of one shape; ``heaviest`` and ``moves`` are written, too."""
    for number in range(len(whole)):
        heaviest[number], moves[number] = repair(
            whole[number],
            held[number],
            slots[number],
            most[number],
            most_moves[number],
            patience,
            tenure,
            distinct,
            thrift,
        )


@compiled
def repair(  # type: ignore[no-untyped-def]
    whole, held, slots, most, most_moves, patience, tenure, distinct, thrift
):
    """Repair one packing; ``slots`` ends as the lightest one found.

    Parameters
    ----------
    whole : array [experts], int64
        Loads.
    held : array [ranks, experts], int8
        1 where a rank has an expert already, so that a replica of it does not move, else 0.
    slots : array [ranks, slots a rank], int64
        The expert in every slot.
    most : int
        The load of a rank that is good enough.
    most_moves : int
        Replicas that may have moved in the end, if not more had at the start.
    patience : int
        Steps without a lighter packing, after which it ends.
    tenure : int
        Steps for which an expert that has left a rank may not come back.
    distinct : bool
        No rank gets an expert twice.
    thrift : tuple of int
        What relief is worth where no more replicas move, where one does, and where more do.

    Returns
    -------
    heaviest, moves : int
        Load of the heaviest rank, and replicas that moved.
    """
    pool = begun(whole, held, slots)
    moves = moved(held, slots)
    best = slots.copy()
    best_load = pool.loads.max()
    best_moves = moves
    harm = np.zeros(len(whole), dtype=np.int64)
    relief = np.zeros(len(whole), dtype=np.int64)
    slot_shares = np.empty(slots.shape, dtype=np.int64)
    more_come = np.empty(slots.shape, dtype=np.int64)
    least_share = np.empty(len(slots), dtype=np.int64)
    fewest = np.empty(len(slots), dtype=np.int64)
    step = 0
    last = 0  # the step that found the best
    while best_load > most and step < last + patience:
        step += 1
        heavy = pool.loads.argmax()
        _foresee(pool, heavy, most, harm, relief)
        _survey(pool, heavy, slot_shares, more_come, least_share, fewest)
        room = max(most_moves - moves, 0)
        # First among steps that relieve; only where there is none among others, which takes longer.
        for floor in (0, WORTHLESS):
            worth, here, slot, come, more = _best_replacement(
                pool, heavy, most, room, step, distinct, floor, harm, relief, thrift
            )
            by_exchange, mine, there, theirs, more_by_exchange = _best_exchange(
                pool, heavy, most, room, step, distinct, worth,
                slot_shares, more_come, least_share, fewest, thrift,
            )  # fmt: skip
            if max(worth, by_exchange) > floor:
                break
        if by_exchange > worth:
            pool.until[heavy, slots[heavy, mine]] = step + tenure
            pool.until[there, slots[there, theirs]] = step + tenure
            exchange(pool, heavy, mine, there, theirs)
            moves += more_by_exchange
        elif worth > WORTHLESS:
            pool.until[here, slots[here, slot]] = step + tenure
            replace(pool, here, slot, come)
            moves += more
        else:
            break
        heaviest = pool.loads.max()
        if heaviest < best_load:
            last = step
            best_load = heaviest
            best_moves = moves
            best[:] = slots
    slots[:] = best
    return best_load, best_moves


@compiled
def _worth(gain, more, thrift):  # type: ignore[no-untyped-def]
    """What a step is worth that relieves by so much and moves so many replicas more, by thrift: the fewer the more."""
    if gain <= 0:
        return gain
    if more >= 2:
        return gain * thrift[2]
    return gain * thrift[1] if more == 1 else gain * thrift[0]


@compiled
def _foresee(pool, heavy, most, harm, relief):  # type: ignore[no-untyped-def]
    """How much more overload there is with a replica less of an expert, and how much less with one more.

    The latter of those on the heaviest rank.
    """
    loads = pool.loads
    copies = pool.copies
    for expert in range(len(harm)):
        harm[expert] = 0
        relief[expert] = 0
    for rank in range(len(loads)):
        load = loads[rank]
        for expert in pool.slots[rank]:
            if pool.counts[expert] > 1:
                rise = copies[rank, expert] * (pool.fewer[expert] - pool.shares[expert])
                # Once for each replica: of several on a rank, each has its part.
                change = over(load + rise, most) - over(load, most)
                harm[expert] += change // copies[rank, expert]
            if copies[heavy, expert]:
                fall = copies[rank, expert] * (pool.shares[expert] - pool.more[expert])
                change = over(load, most) - over(load - fall, most)
                relief[expert] += change // copies[rank, expert]


@compiled
def _best_replacement(  # type: ignore[no-untyped-def]
    pool, heavy, most, room, step, distinct, least, harm, relief, thrift
):
    """The best slot to give to another expert, if it is worth more than so much.

    Its worth, its rank and number there, the expert, and how many more replicas move.
    The slot goes to an expert of the heaviest rank; one on that rank also to the expert that is lightest there.
    """
    slots = pool.slots
    held = pool.held
    counts = pool.counts
    copies = pool.copies
    shares = pool.shares
    fewer_shares = pool.fewer
    more_shares = pool.more
    loads = pool.loads
    until = pool.until
    best = least
    best_rank = best_slot = best_come = best_more = 0
    ranks, per_rank = slots.shape
    coldest = more_shares.argmin()
    most_relief = np.int64(0)
    for come in slots[heavy]:
        most_relief = max(most_relief, relief[come])
    for rank in range(ranks):
        load = loads[rank]
        excess = over(load, most)
        is_heavy = rank == heavy
        is_any_held = held[rank, coldest]  # of those that may come
        for come in slots[heavy]:
            is_any_held = max(is_any_held, held[rank, come])
        for slot in range(per_rank):
            gone = slots[rank, slot]
            if counts[gone] < 2:
                continue
            without = load + copies[rank, gone] * (fewer_shares[gone] - shares[gone])
            elsewhere = harm[gone] - over(without, most) + excess
            # Never a larger gain than this: most are not looked at any closer.
            limit = excess - elsewhere
            if not is_heavy:
                limit += most_relief
            if _worth(limit, held[rank, gone] - is_any_held, thrift) <= best:
                continue
            without -= fewer_shares[gone]
            for i in range(per_rank + is_heavy):
                come = slots[heavy, i] if i < per_rank else coldest
                more = held[rank, gone] - held[rank, come]
                if come == gone or more > room or _worth(limit, more, thrift) <= best:
                    continue
                if until[rank, come] > step or (distinct and copies[rank, come]):
                    continue
                diluted = copies[rank, come] * (more_shares[come] - shares[come])
                after = without + diluted + more_shares[come]
                gain = excess - over(after, most) - elsewhere
                if not is_heavy:
                    gain += relief[come] - excess + over(load + diluted, most)
                worth = _worth(gain, more, thrift)
                if worth > best:
                    best = worth
                    best_rank = rank
                    best_slot = slot
                    best_come = come
                    best_more = more
    return best, best_rank, best_slot, best_come, best_more


@compiled
def _survey(pool, heavy, slot_shares, more_come, least_share, fewest):  # type: ignore[no-untyped-def]
    """Of every slot the load of its replica and how many more move if it comes to the heaviest rank; their minima."""
    slots = pool.slots
    held = pool.held
    shares = pool.shares
    for rank in range(len(slots)):
        least = shares[slots[rank, 0]]
        few = 1
        for slot in range(slots.shape[1]):
            expert = slots[rank, slot]
            more = held[rank, expert] - held[heavy, expert]
            slot_shares[rank, slot] = shares[expert]
            more_come[rank, slot] = more
            least = min(least, shares[expert])
            few = min(few, more)
        least_share[rank] = least
        fewest[rank] = few


@compiled
def _best_exchange(  # type: ignore[no-untyped-def]
    pool, heavy, most, room, step, distinct, least, slot_shares, more_come, least_share, fewest, thrift
):  # fmt: skip
    """The best exchange with a replica of the heaviest rank, if it is worth more than so much.

    Its worth, the slot there, the other rank and the slot on it, and how many more replicas move.
    """
    slots = pool.slots
    held = pool.held
    copies = pool.copies
    loads = pool.loads
    until = pool.until
    best = least
    best_mine = best_there = best_theirs = best_more = 0
    ranks, per_rank = slots.shape
    excess = loads[heavy] - most
    lightest = loads.argmin()
    for number in range(ranks + 1):
        # The lightest one first: it takes most, and then few others are looked at.
        there = lightest if number == 0 else number - 1
        if there == heavy:
            continue
        free = over(most, loads[there])
        can_take = min(excess, free)
        if can_take <= min(best, 0):
            continue
        for mine in range(per_rank):
            gone = slots[heavy, mine]
            share = slot_shares[heavy, mine]
            more_gone = held[heavy, gone] - held[there, gone]
            limit = min(can_take, share - least_share[there])
            if _worth(limit, more_gone + fewest[there], thrift) <= best:
                continue
            if until[there, gone] > step or (distinct and copies[there, gone]):
                continue
            for theirs in range(per_rank):
                lighter = share - slot_shares[there, theirs]
                gain = min(lighter, excess) - over(lighter, free)
                more = more_gone + more_come[there, theirs]
                worth = _worth(gain, more, thrift)
                if worth <= best or lighter <= 0 or more > room:
                    continue
                come = slots[there, theirs]
                if until[heavy, come] > step or (distinct and copies[heavy, come]):
                    continue
                best = worth
                best_mine = mine
                best_there = there
                best_theirs = theirs
                best_more = more
    return best, best_mine, best_there, best_theirs, best_more
