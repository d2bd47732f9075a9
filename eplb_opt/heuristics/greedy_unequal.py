"""The published greedy where ranks are unequal: the heaviest replica first, to the rank where it ends soonest."""

from __future__ import annotations

import numpy as np

from ..problem.instance import Instance
from ..problem.placement import Placement
from ..problem.pool import Floats, Ints
from ..problem.ranks import Ranks


def place_by_speed(
    instance: Instance, ranks: Ranks, replicas: Ints, loads: Floats
) -> Placement:
    """A placement of replicas on unequal ranks.

    The heaviest replica, of equals the first, goes to the rank with a free slot whose load over its speed is then
    least, of equals the first; with equal speeds that is the lightest one, as the published greedy has it.

    Parameters
    ----------
    instance : Instance
    ranks : Ranks
        The instance's.
    replicas : array [layers, replicas], int64
        Experts of the replicas.
    loads : array [layers, replicas], float64
        Of each.

    Returns
    -------
    Placement

    Examples
    --------
    >>> instance = Instance([[4.0, 3.0, 2.0]], 3, num_ranks=2, rank_speeds=[1, 2], rank_slots=[1, 2])
    >>> replicas = np.arange(3)[None]
    >>> place_by_speed(instance, instance.unequal, replicas, instance.weight).phy2log.tolist()
    [[1, 0, 2]]
    """
    order = np.argsort(-loads, axis=1, kind="stable")
    heaviest_first = np.take_along_axis(loads, order, axis=1)
    chosen = ranks_by_speed(heaviest_first, ranks)
    # Rank after rank, on each in the order of arrival.
    arrived = np.argsort(chosen, axis=1, kind="stable")
    placed = np.take_along_axis(replicas, order, axis=1)
    rows = np.take_along_axis(placed, arrived, axis=1)
    ids = tuple(instance.layer_ids or ())
    return Placement(rows, instance.num_experts, ids, rank_slots=instance.rank_slots)


def ranks_by_speed(sizes: Floats, ranks: Ranks, on_each_rank: float = 0.0) -> Ints:
    """The rank of each item of rows, [rows, items], in the order given: where it ends soonest.

    Parameters
    ----------
    sizes : array [rows, items], float64
        In work; as many items as there are slots.
    ranks : Ranks
    on_each_rank : float, default 0
        What a rank takes besides, in work.
    """
    rows, items = sizes.shape
    row = np.arange(rows)
    work = np.full((rows, len(ranks.slots)), on_each_rank)
    free = np.tile(ranks.slots, (rows, 1))
    chosen = np.empty((rows, items), dtype=np.int64)
    for item in range(items):
        after = work + sizes[:, item, None]
        ends = np.where(free > 0, after / ranks.speeds, np.inf)
        rank = ends.argmin(axis=1)
        chosen[:, item] = rank
        work[row, rank] = after[row, rank]
        free[row, rank] -= 1
    return chosen
