"""Annealing over counts for two slots a rank: a good start for the exact search, nothing else."""

from __future__ import annotations

import numpy as np

from ..compiled import compiled
from ..problem.pool import Floats, Ints
from ..random_numbers import below, uniform


@compiled
def anneal_counts(loads: Floats, counts: Ints, limit: float, steps: int, seed: int) -> Ints:
    """Counts whose best pairing is as light as can be found, [experts]; one replica moves at a time.

    Minimises the load by which pairs exceed the limit in all; keeps the counts with the lightest heaviest pair.

    Parameters
    ----------
    loads : array [experts], float64; counts : array [experts], int64, with an even sum
    limit : float, load of a pair to aim at
    """
    rng = np.array([seed], np.uint64)
    experts = loads.size
    counts, best = counts.copy(), counts.copy()
    values = loads / counts
    order = np.arange(experts)
    _resort(values, order)
    excess, heaviest = _pairs(values, counts, order, limit)
    lightest = heaviest
    hot = limit * 0.03
    for step in range(steps):
        temperature = hot * 1e-3 ** (step / steps)
        taken, given = below(rng, experts), below(rng, experts)
        while counts[taken] == 1 and counts.sum() > experts:
            taken = below(rng, experts)
        if taken == given or counts[taken] == 1:
            continue
        for e, change in ((taken, -1), (given, 1)):
            counts[e] += change
            values[e] = loads[e] / counts[e]
        _resort(values, order)
        new_excess, heaviest = _pairs(values, counts, order, limit)
        if heaviest < lightest:
            lightest = heaviest
            best[:] = counts
        chance = uniform(rng)
        if new_excess <= excess or chance < np.exp((excess - new_excess) / temperature):
            excess = new_excess
            continue
        for e, change in ((taken, 1), (given, -1)):
            counts[e] += change
            values[e] = loads[e] / counts[e]
        _resort(values, order)
    return best


@compiled
def _resort(values: Floats, order: Ints) -> None:
    """Insertion sort, heaviest first, of a list that is almost sorted."""
    for i in range(1, order.size):
        e, j = order[i], i
        while j > 0 and values[order[j - 1]] < values[e]:
            order[j] = order[j - 1]
            j -= 1
        order[j] = e


@compiled
def _pairs(values: Floats, counts: Ints, order: Ints, limit: float) -> tuple[float, float]:
    """Heaviest with lightest: (load above the limit in all pairs, heaviest pair)."""
    left, right = 0, order.size - 1
    from_left, from_right = counts[order[left]], counts[order[right]]
    excess, heaviest = 0.0, 0.0
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
    rest = min(from_left, from_right) if left == right else 0  # the expert in the middle meets itself
    if rest > 0:
        load = 2 * values[order[left]]
        heaviest = max(heaviest, load)
        excess += rest / 2 * max(0.0, load - limit)
    return excess, heaviest
