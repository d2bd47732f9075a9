"""Replica types of pools with a cost at a target: what rank patterns in time are made of (``models/README.md``, K5)."""

from __future__ import annotations

import numpy as np

from ..problem.pool import Ints, Pool
from .cost import WholeSizes
from .least_total import NOWHERE, cheapest
from .rank_model import Model, rank_model


def model_of(pool: Pool, target: float) -> Model | None:
    """Types and limits of a pool with a cost or without; None if counts, total or mean alone exclude the target.

    Parameters
    ----------
    pool : Pool
        Without windows, its ranks alike.
    target : float
        Positive, in units of load or of the cost.
    """
    return rank_model(pool, target) if pool.cost is None else time_model(pool, target)


def time_model(pool: Pool, target: float) -> Model | None:
    """Types of a pool with a cost: their whole sizes, less what every replica takes at least (K2).

    Examples
    --------
    Four experts on two ranks of two slots, one size each, 10 or 20 of some unit:

    >>> from eplb_opt import Cost
    >>> pool = Pool(np.array([1.0, 1.0, 2.0, 2.0]), 4, 2, cost=Cost.roofline(0.0, 10.0))
    >>> time_model(pool, 29.0) is None, time_model(pool, 31.0).count.tolist()
    (True, [1, 1, 1, 1])
    """
    whole = WholeSizes.of(pool, target)
    if not whole.fits:
        return None
    total = _least_total(pool, whole)
    slack = pool.ranks * whole.limit - total
    if total == NOWHERE or slack < 0:
        return None
    order = np.argsort(-pool.loads, kind="stable")
    least = whole.least[order]
    spare = pool.slots - int(least.sum())
    top = np.minimum(least + spare, pool.max_count)
    options = int((top - least).max()) + 1
    types = _types(whole.sizes[order], least, top)
    return Model(order, least, options, *types, spare, slack, whole.limit)


def _least_total(pool: Pool, whole: WholeSizes) -> int:
    """The least that all replicas take together, in whole sizes, of counts within the target."""
    counts = np.arange(1, pool.max_count + 1)
    total, _ = cheapest(counts * whole.sizes, whole.least, pool.slots)
    return total


def _types(sizes: Ints, least: Ints, top: Ints) -> tuple[Ints, Ints, Ints]:
    """Size, expert and count of all types, largest first, [types] each."""
    number = np.arange(1, sizes.shape[1] + 1)
    is_possible = (number >= least[:, None]) & (number <= top[:, None])
    expert, place = np.nonzero(is_possible)
    item = sizes[expert, place]
    largest = np.argsort(-item, kind="stable")
    return item[largest], expert[largest], number[place[largest]]
