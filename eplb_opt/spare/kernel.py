"""Search for lighter maps with spare replicas, compiled: exchanges, and one expert's replica replaced by another's.

Proposals touch the heaviest rank of a window; one that would leave an expert on one unit only is none. What a proposal
makes worse is accepted up to a threshold that falls (threshold accepting): no exponentials, and sums in one order, so
that the same loads give the same map everywhere.
"""

from __future__ import annotations

import numpy as np

from ..compiled import compiled
from ..problem.spare import COPIES
from ..random_numbers import below, uniform

REPLACED = 4  # one proposal of so many changes counts


@compiled
def search(  # type: ignore[no-untyped-def]
    loads,
    caps,
    slots,
    units,
    pool_ranks,
    held,
    limit,
    distinct,
    thresholds,
    moves,
    rng,
):
    """Search one layer; ``slots`` becomes the best map that was found.

    Parameters
    ----------
    loads : array [experts, windows], float64
        In units of the mean rank load.
    caps : array [windows], float64
        What each window may weigh in the objective at most; they sum to one at least.
    slots : array [ranks, slots a rank], int64
        A map in which every expert is on two units at least.
    units : array [ranks], int64
        What fails together.
    pool_ranks : int
        Ranks among which replicas are exchanged: those of a node, or all.
    held : array [ranks, experts], int64
        1 where a rank holds an expert in the map in use, so that it is no move there.
    limit : int
        Moves, at most.
    distinct : bool
    thresholds : array [stages], float64
        What a proposal may make worse.
    moves : int
        Proposals a stage.
    rng : array [1], uint64
        State of the random numbers; changed.

    Returns
    -------
    float
        The objective of the best map.
    """
    state = _state(slots, units, loads.shape[0], held)
    current = slots.copy()
    times = np.zeros((len(units), len(caps)))
    for rank in range(len(units)):
        _fill(times, loads, state[0], current, rank)
    saved = times.copy()
    value = _value(times, caps)
    best = value
    for threshold in thresholds:
        for _ in range(moves):
            proposal = _proposal(times, current, pool_ranks, rng)
            if not _changes(proposal, current, state, distinct, limit):
                continue
            _refill(times, loads, state, current, proposal)
            new = _value(times, caps)
            if new > value + threshold * uniform(rng):
                _take_back(proposal, current, state)
                times[:] = saved
                continue
            value = new
            saved[:] = times
            if value < best * (1 - 1e-12):
                best = value
                slots[:] = current
    return best


@compiled
def _state(slots, units, experts, held):  # type: ignore[no-untyped-def]
    """Counts, replicas of each expert by rank and by unit, units that hold it, the units, held and [moves]."""
    counts = np.zeros(experts, dtype=np.int64)
    on_rank = np.zeros((experts, len(units)), dtype=np.int64)
    on_unit = np.zeros((experts, units.max() + 1), dtype=np.int64)
    spread = np.zeros(experts, dtype=np.int64)
    moved = np.zeros(1, dtype=np.int64)
    state = (counts, on_rank, on_unit, spread, units, held, moved)
    for rank in range(slots.shape[0]):
        for slot in range(slots.shape[1]):
            _gain(state, slots[rank, slot], rank)
    return state


@compiled
def _gain(state, expert, rank):  # type: ignore[no-untyped-def]
    """An expert gets a replica on a rank."""
    counts, on_rank, on_unit, spread, units, held, moved = state
    counts[expert] += 1
    on_rank[expert, rank] += 1
    on_unit[expert, units[rank]] += 1
    if on_unit[expert, units[rank]] == 1:
        spread[expert] += 1
    moved[0] += 1 - held[rank, expert]


@compiled
def _lose(state, expert, rank):  # type: ignore[no-untyped-def]
    """An expert loses a replica on a rank."""
    counts, on_rank, on_unit, spread, units, held, moved = state
    counts[expert] -= 1
    on_rank[expert, rank] -= 1
    on_unit[expert, units[rank]] -= 1
    if on_unit[expert, units[rank]] == 0:
        spread[expert] -= 1
    moved[0] -= 1 - held[rank, expert]


@compiled
def _put(state, slots, rank, slot, expert):  # type: ignore[no-untyped-def]
    """Have another expert in a slot."""
    _lose(state, slots[rank, slot], rank)
    _gain(state, expert, rank)
    slots[rank, slot] = expert


@compiled
def _proposal(times, slots, pool_ranks, rng):  # type: ignore[no-untyped-def]
    """Two slots of two ranks, the first one the heaviest of a window, mostly; their experts; and whether both change.

    The changes are those of the first slot to the second expert, and of the second slot to the first: 0 both, 1 the
    first slot only, 2 the second one only.
    """
    ranks, width = slots.shape
    rank = below(rng, ranks)
    if below(rng, 8) > 0:
        rank = times[:, below(rng, times.shape[1])].argmax()
    other = rank // pool_ranks * pool_ranks + below(rng, pool_ranks)
    slot = below(rng, width)
    other_slot = below(rng, width)
    kind = 0
    if below(rng, REPLACED) == 0:
        kind = 1 + below(rng, 2)
    expert = slots[rank, slot]
    other_expert = slots[other, other_slot]
    return rank, slot, expert, other, other_slot, other_expert, kind


@compiled
def _changes(proposal, slots, state, distinct, limit):  # type: ignore[no-untyped-def]
    """Change the map as proposed; False, and nothing is changed, where that is no valid map or none with spares."""
    rank, slot, expert, other, other_slot, other_expert, kind = proposal
    if rank == other or expert == other_expert:
        return False
    on_rank = state[1]
    if distinct and kind != 2 and on_rank[other_expert, rank] > 0:
        return False
    if distinct and kind != 1 and on_rank[expert, other] > 0:
        return False
    before = state[6][0]
    if kind != 2:
        _put(state, slots, rank, slot, other_expert)
    if kind != 1:
        _put(state, slots, other, other_slot, expert)
    spread = state[3]
    moved = state[6][0]
    is_spare = spread[expert] >= COPIES and spread[other_expert] >= COPIES
    if is_spare and (moved <= limit or moved <= before):
        return True
    _take_back(proposal, slots, state)
    return False


@compiled
def _take_back(proposal, slots, state):  # type: ignore[no-untyped-def]
    """Have both slots as they were."""
    rank, slot, expert, other, other_slot, other_expert, _ = proposal
    _put(state, slots, rank, slot, expert)
    _put(state, slots, other, other_slot, other_expert)


@compiled
def _refill(times, loads, state, slots, proposal):  # type: ignore[no-untyped-def]
    """The loads of all ranks that a proposal has changed."""
    rank, _, expert, other, _, other_expert, kind = proposal
    counts, on_rank = state[0], state[1]
    _fill(times, loads, counts, slots, rank)
    _fill(times, loads, counts, slots, other)
    if kind == 0:
        return
    for third in range(slots.shape[0]):
        if on_rank[expert, third] + on_rank[other_expert, third] > 0:
            _fill(times, loads, counts, slots, third)


@compiled
def _fill(times, loads, counts, slots, rank):  # type: ignore[no-untyped-def]
    """A rank's load in every window, added slot by slot."""
    times[rank] = 0.0
    for slot in range(slots.shape[1]):
        expert = slots[rank, slot]
        share = 1.0 / counts[expert]
        for window in range(times.shape[1]):
            times[rank, window] += loads[expert, window] * share


@compiled
def _value(times, caps):  # type: ignore[no-untyped-def]
    """The objective: the largest mean of the windows' heaviest ranks by weights within the caps."""
    windows = len(caps)
    heaviest = np.empty(windows)
    for window in range(windows):
        heaviest[window] = times[:, window].max()
    if windows == 1:
        return heaviest[0]
    left = 1.0
    total = 0.0
    for window in np.argsort(-heaviest, kind="mergesort"):
        weight = min(caps[window], left)
        total += weight * heaviest[window]
        left -= weight
    return total
