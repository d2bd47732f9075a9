"""Few moves over windows: maps annealed from the map in use, where each replica that moves costs something."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ..moves.held import Bools
from ..problem.instance import Instance
from ..problem.placement import Placement
from ..problem.pool import Floats, Ints
from .annealing import NO_LIMIT, InUse, annealed_layer

# What a replica that moves costs, in units of the mean rank load: cheaper as long as the map is not good enough.
PRICES = (5e-4, 1e-4, 2e-5)
PROPOSALS = 10_000  # for each price
WARMTH = 0.05  # warmer, replicas move that bring nothing, and few find their way back


def near_windows(
    instance: Instance,
    rows: Ints,
    held: Bools,
    good_enough: Floats,
    most_moves: int | None = None,
    *,
    workers: int = 1,
) -> Ints:
    """Maps near those given that are even over windows, with few replicas that move from the map in use.

    Parameters
    ----------
    instance : Instance
        Its objective looks at windows.
    rows : array [layers, replicas], int64
        Valid maps to start from.
    held : array [layers, ranks, experts], bool
        What ranks hold in the map in use.
    good_enough : array [layers], float64
        The objective at which a layer is left.
    most_moves : int, optional
        Replicas of a layer that may move.
    workers : int, default 1
        Threads; the maps are the same with any number.

    Returns
    -------
    array [layers, replicas], int64
    """

    def near(layer: int) -> Ints:
        part = instance.select([layer])
        return _near(part, rows[layer], held[layer], good_enough[layer], most_moves)

    with ThreadPoolExecutor(workers) as threads:
        return np.stack(list(threads.map(near, range(len(rows)))))


def _near(
    part: Instance, row: Ints, held: Bools, good_enough: float, most_moves: int | None
) -> Ints:
    """The map of the only layer."""
    most = NO_LIMIT if most_moves is None else most_moves
    best = row
    for price in PRICES:
        if _objective(part, best) <= good_enough:
            break
        in_use = InUse(held, price, most)
        shares = _shares(part, best)
        found = annealed_layer(
            part, 0, best, shares, PROPOSALS, in_use=in_use, warmth=WARMTH
        )
        if _objective(part, found) < _objective(part, best):
            best = found
    return best


def _shares(part: Instance, row: Ints) -> Floats:
    """What windows count: half of it as the objective weighs them by how uneven the map is in each, [windows]."""
    imbalance = _placed(part, row).window_imbalance(part)
    worst = part.objective.worst_weights(imbalance, part.shares)
    return np.asarray((part.shares + worst)[:, 0] / 2)


def _objective(part: Instance, row: Ints) -> float:
    return float(_placed(part, row).objective(part)[0])


def _placed(part: Instance, row: Ints) -> Placement:
    return Placement(row[None], part.num_experts, tuple(part.layer_ids or ()))
