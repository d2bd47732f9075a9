"""Doing no harm: of the maps that are good enough for the sum, one that a change of loads hurts least.

Thousands of maps are within a small gap of the best, and the loads that come are not the sum of those that were. The
map is annealed over windows (`imagined.traffic`) while no rank may have more of the sum than was allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..problem.instance import Instance
from ..problem.placement import Placement
from ..problem.pool import Floats, Ints
from .annealing import Ceiling, annealed_layer
from .plan import MOVES

ROUNDING = 1e-12  # relative: what is at the limit stays below it in whichever order it is added


def _never() -> bool:
    return False


def least_harmful(
    windows: Instance,
    layer: int,
    weight: Floats,
    candidates: Sequence[Ints],
    most: float,
    is_over: Callable[[], bool] = _never,
) -> Ints:
    """Of a layer's maps, and of those near them within a limit, the one that is most even over windows.

    Parameters
    ----------
    windows : Instance
        Whose objective is a mean over windows.
    layer : int
        Its row.
    weight : array [experts], float64
        The loads that the limit is about.
    candidates : sequence of array [replicas], int64
        Maps; the first is the one to have if nothing better is found.
    most : float
        The most load of a rank, in the unit of ``weight``.
    is_over : callable, optional
        Whether to end with what is found; asked before each annealing.

    Returns
    -------
    array [replicas], int64
    """
    mean = weight.sum() / windows.num_ranks
    if mean <= 0:
        return candidates[0]
    part = windows.select([layer])
    shares = part.shares[:, 0]
    found = list(candidates)
    for is_firm in (False, True):
        ceiling = Ceiling(weight / mean, most / mean, is_firm)
        for candidate in candidates:
            if is_over():
                break
            row = annealed_layer(part, 0, candidate, shares, MOVES, ceiling)
            if heaviest_load(weight, row, part.num_ranks) <= most * (1 - ROUNDING):
                found.append(row)
        if len(found) > len(candidates):
            break
    harm = [_harm(part, row) for row in found]
    return found[int(np.argmin(harm))]


def heaviest_load(weight: Floats, row: Ints, ranks: int) -> float:
    """Load of the heaviest rank of a map."""
    counts = np.bincount(row, minlength=len(weight))
    return float((weight / counts)[row].reshape(ranks, -1).sum(axis=1).max())


def _harm(part: Instance, row: Ints) -> float:
    """What windows make of a map of the only layer."""
    placement = Placement(row[None], part.num_experts, tuple(part.layer_ids or ()))
    return float(placement.objective(part)[0])
