"""Repair of a pool's packing, compiled: step by step the heaviest rank is relieved, with few replicas that move.

A step exchanges two replicas, one of them on the heaviest rank, or gives a replica's slot to another expert, so that
the heaviest rank gets lighter. Of all steps the one is taken that relieves overloaded ranks most for each replica it
moves. Where none relieves them, the least harmful one is taken, and what has left a rank may not come back for some
steps (tabu search). All numbers are integers: the same loads give the same bits everywhere.
"""

from __future__ import annotations

import numpy as np

from ..compiled import compiled
from .pool_arrays import begun, coldest, exchange, heaviest, moved, replace
from .repair_steps import best_exchange, best_replacement
from .take_back import take_back

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
    heaviest_loads,
    moves,
):
    """`repair` of many pools of one shape; ``heaviest_loads`` and ``moves`` are written, too."""
    for number in range(len(whole)):
        heaviest_loads[number], moves[number] = repair(
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
    pool = begun(whole, held, slots, most)
    experts, ranks, _, spread, copies, _, until = pool
    relief = np.empty(slots.shape[1], dtype=np.int64)
    # The slots that were written since the best, and the experts that were in them.
    written = np.empty((2 * patience + 2, 3), dtype=np.int64)
    since = 0
    moves = moved(held, slots)
    heavy = heaviest(ranks)
    best_load = ranks[heavy].load
    best_moves = moves
    cold = coldest(experts)
    step = 0
    last = 0  # the step that found the best
    while best_load > most and step < last + patience:
        step += 1
        room = max(most_moves - moves, 0)
        # First among steps that relieve; only where there is none among others, which takes longer.
        for floor in (0, WORTHLESS):
            worth, here, slot, come, more_come = best_replacement(
                pool, most, heavy, room, step, distinct, floor, relief, cold, thrift
            )
            by_exchange, mine, there, theirs, more = best_exchange(
                pool, most, heavy, room, step, distinct, worth, thrift
            )
            if by_exchange > floor:
                break
        if by_exchange == worth > WORTHLESS:
            until[here, slots[here, slot]] = step + tenure
            since = _write(written, since, slots, here, slot)
            replace(experts, ranks, slots, spread, copies, most, here, slot, come)
            moves += more_come
            cold = coldest(experts)
        elif by_exchange > WORTHLESS:
            until[heavy, slots[heavy, mine]] = step + tenure
            until[there, slots[there, theirs]] = step + tenure
            since = _write(written, since, slots, heavy, mine)
            since = _write(written, since, slots, there, theirs)
            exchange(
                experts, ranks, slots, spread, copies, most, heavy, mine, there, theirs
            )
            moves += more
        else:
            break
        heavy = heaviest(ranks)
        if ranks[heavy].load < best_load:
            last = step
            best_load = ranks[heavy].load
            best_moves = moves
            since = 0
    for number in range(since - 1, -1, -1):
        slots[written[number, 0], written[number, 1]] = written[number, 2]
    if best_load <= most and best_moves:
        best_moves -= take_back(pool, most, distinct)
        best_load = ranks[heaviest(ranks)].load
    return best_load, best_moves


@compiled
def _write(written, since, slots, rank, slot):  # type: ignore[no-untyped-def]
    """Note the expert in a slot that is about to be written; how many are noted then."""
    written[since, 0] = rank
    written[since, 1] = slot
    written[since, 2] = slots[rank, slot]
    return since + 1
