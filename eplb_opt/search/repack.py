"""Large neighbourhood search, compiled: a few ranks, with changed counts, are repacked by the exact packer.

A round takes some ranks, usually with the heaviest, moves up to ``most_moves`` replicas between experts that live
wholly inside them (nothing outside changes), and asks the packer for a packing below the heaviest rank of all. What
it finds is kept: the maximum never rises, and ranks below it are shuffled freely, which opens new ways.
"""

from __future__ import annotations

import numpy as np

from ..compiled import compiled
from ..exact.packer import PACKED, branch
from ..problem.pool import Floats, Ints
from ..random_numbers import Words, below, uniform
from .anneal import rank_loads

UNIT = 2.0**40  # the mean rank load in the packer's integers
ELSEWHERE = 0.3  # share of the rounds that need not include the heaviest rank
LIGHTER = 0.75  # share of the draws that take the lighter of two ranks
DRAWS = 8  # of a count move whose experts have few enough replicas, before a round goes on without
# exponent: limits crowd just below the maximum, where they are met most often
TIGHTEST = 0.2


@compiled
def repack(
    weights: Floats,
    experts: Ints,
    counts: Ints,
    loads: Floats,
    rng: Words,
    work: int,
    target: float,
    distinct: bool,
    fewest: int,
    most: int,
    nodes: int,
    most_moves: int,
    drawn_first: float,
) -> int:
    """Run rounds until the heaviest rank is at the target or the work is spent; the state is changed in place.

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
        Packer nodes and list steps that may be spent.
    target : float
        Stop when no rank is above, in units of the mean rank load.
    distinct : bool
        Never put an expert on a rank twice.
    fewest, most : int
        Ranks in a round.
    nodes : int
        The packer's budget of a round.
    most_moves : int
        Count moves of a round: 0 to this number.
    drawn_first : float
        Share of the rounds that draw a count move first and take the ranks that hold its two experts. Where experts
        have replicas on many ranks, few live inside ranks drawn at random.

    Returns
    -------
    int
        Work left; negative if the last round overran.
    """
    slots = experts.size // loads.size
    most = min(most, loads.size)
    # replicas of each expert on the ranks of a round
    tally = np.zeros(counts.size, np.int64)
    present = np.zeros(most * slots, np.int64)  # experts on them
    subset = np.zeros(most, np.int64)  # these ranks
    moved = np.zeros((most_moves, 2), np.int64)  # count moves of a round: from, to
    rank_loads(weights, experts, counts, loads)
    while work > 0 and loads.max() > target:
        size = min(most, fewest + below(rng, most - min(fewest, most) + 1))
        chosen = subset[:size]
        drawn = most_moves > 0 and uniform(rng) < drawn_first
        held = 0
        if drawn:
            held = _ranks_of_move(experts, counts, slots, rng, chosen, moved[0])
        _choose(loads, rng, chosen, held)
        kinds = present[: _collect(experts, slots, chosen, tally, present)]
        given = 1 if held > 0 else 0  # moves that are drawn already
        wanted = given + below(rng, most_moves + 1 - given)
        moves = _move_counts(counts, tally, kinds, rng, moved[:wanted], given)
        packed, left = _pack_ranks(
            weights, experts, counts, loads, chosen, tally, kinds, nodes, distinct, rng
        )
        if not packed:
            _undo_moves(counts, moved[:moves])
        for e in kinds:
            tally[e] = 0
        # roughly equal times
        work -= ((nodes - left) * (slots + 2)) // 6 + size * slots + loads.size // 4
        work -= experts.size // 8 if drawn else 0
    rank_loads(weights, experts, counts, loads)
    return work


@compiled
def _undo_moves(counts: Ints, moved: Ints) -> None:
    """Give the replicas moved, [moves, 2], back."""
    for i in range(moved.shape[0]):
        counts[moved[i, 0]] += 1
        counts[moved[i, 1]] -= 1


@compiled
def _choose(loads: Floats, rng: Words, chosen: Ints, start: int) -> None:
    """Fill ``chosen`` from ``start`` on with different ranks, mostly the heaviest and rather light ones."""
    ranks = loads.size
    if start < chosen.size and uniform(rng) >= ELSEWHERE:
        chosen[start] = np.argmax(loads)
        start += _is_new(chosen, start)
    for i in range(start, chosen.size):
        is_new = False
        while not is_new:
            chosen[i] = below(rng, ranks)
            other = below(rng, ranks)
            if loads[other] < loads[chosen[i]] and uniform(rng) < LIGHTER:
                chosen[i] = other
            is_new = _is_new(chosen, i)


@compiled
def _is_new(chosen: Ints, i: int) -> bool:
    """Whether the rank at a position is none of those before it."""
    for j in range(i):  # noqa: SIM110 (numba has no all() over generators)
        if chosen[j] == chosen[i]:
            return False
    return True


@compiled
def _ranks_of_move(
    experts: Ints, counts: Ints, slots: int, rng: Words, chosen: Ints, move: Ints
) -> int:
    """Draw a count move (from, to); put the ranks with the two experts first. How many; 0 if no move was found."""
    for _ in range(DRAWS):
        e = experts[below(rng, experts.size)]
        f = below(rng, counts.size)
        if e == f or counts[e] == 1 or counts[e] + counts[f] > chosen.size:
            continue
        move[0] = e
        move[1] = f
        held = 0
        for p in range(experts.size):
            rank = p // slots
            # slots go rank after rank: a repetition is the last one
            is_new = held == 0 or chosen[held - 1] != rank
            if is_new and (experts[p] == e or experts[p] == f):
                chosen[held] = rank
                held += 1
        return held
    return 0


@compiled
def _collect(
    experts: Ints, slots: int, chosen: Ints, tally: Ints, present: Ints
) -> int:
    """Count the replicas of every expert on the chosen ranks (``tally``, zero before); how many experts there are."""
    kinds = 0
    for r in chosen:
        for p in range(r * slots, (r + 1) * slots):
            e = experts[p]
            if tally[e] == 0:
                present[kinds] = e
                kinds += 1
            tally[e] += 1
    return kinds


@compiled
def _move_counts(
    counts: Ints, tally: Ints, kinds: Ints, rng: Words, moved: Ints, given: int
) -> int:
    """Move replicas between experts whose replicas are all tallied: how many moves were made.

    ``moved``, [moves wanted, 2], lists (from, to); the first rows (0 or 1) are given, the others are drawn.
    """
    moves = 0
    for _ in range(4 * moved.shape[0]):
        if moves == moved.shape[0]:
            break
        e = moved[0, 0]
        f = moved[0, 1]
        if moves >= given:
            e = kinds[below(rng, kinds.size)]
            f = kinds[below(rng, kinds.size)]
        if e == f or counts[e] == 1 or tally[e] != counts[e] or tally[f] != counts[f]:
            continue
        counts[e] -= 1
        tally[e] -= 1
        counts[f] += 1
        tally[f] += 1
        moved[moves, 0] = e
        moved[moves, 1] = f
        moves += 1
    return moves


@compiled
def _pack_ranks(
    weights: Floats,
    experts: Ints,
    counts: Ints,
    loads: Floats,
    chosen: Ints,
    tally: Ints,
    kinds: Ints,
    nodes: int,
    distinct: bool,
    rng: Words,
) -> tuple[bool, int]:
    """Repack the chosen ranks with the tallied replicas below the heaviest rank: (done, nodes left)."""
    slots = experts.size // loads.size
    size = chosen.size * slots
    items = np.empty(size, np.int64)
    owner = np.empty(size, np.int64)
    out = np.empty(size, np.int64)
    _list_items(weights, counts, tally, kinds, items, owner)
    # rounding the items down hides less than this
    top = np.int64(loads.max() * UNIT) - size
    mean = items.sum() // chosen.size + 1
    if top <= mean:
        return False, nodes
    limit = mean + np.int64((top - mean) * uniform(rng) ** TIGHTEST)
    status, left = branch(items, owner, distinct, chosen.size, slots, limit, nodes, out)
    if status != PACKED:
        return False, left
    for rank in chosen:
        loads[rank] = 0.0
    # empty slots of each chosen rank, filled from the last one on
    room = np.full(chosen.size, slots, np.int64)
    for i in range(size):
        expert = owner[i]
        place = out[i]
        rank = chosen[place]
        room[place] -= 1
        experts[rank * slots + room[place]] = expert
        loads[rank] += weights[expert] / counts[expert]
    return True, left


@compiled
def _list_items(
    weights: Floats, counts: Ints, tally: Ints, kinds: Ints, items: Ints, owner: Ints
) -> None:
    """The tallied replicas as the packer wants them, largest first; ``kinds`` is sorted so, too."""
    for i in range(1, kinds.size):  # insertion sort: heaviest replicas first
        e = kinds[i]
        j = i
        while (
            j > 0
            and weights[kinds[j - 1]] / counts[kinds[j - 1]] < weights[e] / counts[e]
        ):
            kinds[j] = kinds[j - 1]
            j -= 1
        kinds[j] = e
    filled = 0
    for e in kinds:
        item = np.int64(weights[e] / counts[e] * UNIT)
        for _ in range(tally[e]):
            items[filled] = item
            owner[filled] = e
            filled += 1
