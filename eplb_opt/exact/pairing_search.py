"""Annealing over counts for two slots a rank: a good start for the exact search, nothing else."""

from __future__ import annotations

import numpy as np

from ..compiled import compiled
from ..problem.pool import Floats, Ints
from ..random_numbers import Words, below, uniform

HOT = 0.03  # first temperature, in limits
COLD = 1e-3  # the last one, in the first


@compiled
def anneal_counts(
    loads: Floats, counts: Ints, limit: float, steps: int, seed: int
) -> Ints:
    """Counts whose best pairing is as light as can be found; one replica moves at a time.

    Minimises the load by which pairs exceed the limit in all; keeps the counts with the lightest heaviest pair
    (models/README.md, the remark after X10).

    Parameters
    ----------
    loads : array [experts], float64
    counts : array [experts], int64
        Where to start, with an even sum; not changed.
    limit : float
        Load of a pair to aim at, in the unit of the loads.
    steps : int
        Moves that are proposed.
    seed : int
        Of the random numbers.

    Returns
    -------
    array [experts], int64
    """
    rng = np.array([seed], np.uint64)
    counts = counts.copy()
    best = counts.copy()
    values = loads / counts
    order = np.arange(loads.size)
    _resort(values, order)
    excess, heaviest = _pairs(values, counts, order, limit)
    lightest = heaviest
    hot = limit * HOT
    for step in range(steps):
        temperature = hot * COLD ** (step / steps)
        taken, given = _draw(counts, rng)
        if taken == given or counts[taken] == 1:
            continue
        _move(loads, counts, values, order, taken, given)
        new_excess, heaviest = _pairs(values, counts, order, limit)
        if heaviest < lightest:
            lightest = heaviest
            best[:] = counts
        chance = uniform(rng)
        if new_excess <= excess or chance < np.exp((excess - new_excess) / temperature):
            excess = new_excess
        else:
            _move(loads, counts, values, order, given, taken)
    return best


@compiled
def _draw(counts: Ints, rng: Words) -> tuple[int, int]:
    """Two experts, at random: one to take a replica from, if any has two, and one to give it to."""
    experts = counts.size
    taken = below(rng, experts)
    given = below(rng, experts)
    while counts[taken] == 1 and counts.sum() > experts:
        taken = below(rng, experts)
    return taken, given


@compiled
def _move(
    loads: Floats, counts: Ints, values: Floats, order: Ints, taken: int, given: int
) -> None:
    """Move a replica; replica loads and their order follow."""
    counts[taken] -= 1
    counts[given] += 1
    values[taken] = loads[taken] / counts[taken]
    values[given] = loads[given] / counts[given]
    _resort(values, order)


@compiled
def _resort(values: Floats, order: Ints) -> None:
    """Insertion sort, heaviest first, of a list that is almost sorted."""
    for i in range(1, order.size):
        e = order[i]
        j = i
        while j > 0 and values[order[j - 1]] < values[e]:
            order[j] = order[j - 1]
            j -= 1
        order[j] = e


@compiled
def _pairs(
    values: Floats, counts: Ints, order: Ints, limit: float
) -> tuple[float, float]:
    """Heaviest with lightest: (load above the limit in all pairs, heaviest pair)."""
    left = 0  # positions in the order: the heaviest and the lightest expert with replicas left
    right = order.size - 1
    from_left = counts[order[left]]  # replicas left
    from_right = counts[order[right]]
    excess = 0.0
    heaviest = 0.0
    while left < right:
        load = values[order[left]] + values[order[right]]
        number = min(from_left, from_right)
        heaviest = max(heaviest, load)
        excess += number * max(0.0, load - limit)
        from_left -= number
        from_right -= number
        if from_left == 0:
            left += 1
            from_left = counts[order[left]]
        if from_right == 0:
            right -= 1
            from_right = counts[order[right]]
    # the expert in the middle meets itself
    rest = min(from_left, from_right) if left == right else 0
    if rest > 0:
        load = 2 * values[order[left]]
        heaviest = max(heaviest, load)
        excess += rest / 2 * max(0.0, load - limit)
    return excess, heaviest
