"""L0: the mean rank load and the largest replica (proofs: ``models/README.md``, L0a and L0b)."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache

import numpy as np

from ..problem.pool import Ints, Pool
from .names import MEAN, REPLICA


def mean_bound(pool: Pool) -> float:
    """L0a: total load over ranks, rounded down."""
    return floor_float(pool.total / pool.ranks)


def max_replica_bound(pool: Pool) -> float:
    """L0b: the load that the largest replica has under the best counts, rounded down.

    It is the (slots - experts + 1)-th largest of all ``w_e / k``, k >= 1; with ``distinct`` also
    ``max w_e / max_count``.
    """
    rank = pool.slots - pool.num_experts + 1
    position, copies = _pairs(min(rank, pool.num_experts), rank)
    loads = np.sort(pool.loads)[::-1]
    values = loads[position] / copies
    index = values.size - rank
    value = np.partition(values, index)[index]
    # Rounding is monotone: pairs that share the float may differ below it, the least of them is safe.
    least = min(_exact(loads[position[i]], copies[i]) for i in np.flatnonzero(values == value))
    if pool.distinct:
        least = max(least, _exact(loads[0], pool.max_count))
    return floor_float(least)


def _exact(load: float, copies: int) -> Fraction:
    """Load of one of some replicas."""
    return Fraction(float(load)) / int(copies)


@lru_cache(maxsize=64)
def _pairs(experts: int, rank: int) -> tuple[Ints, Ints]:
    """Pairs (position i in the sorted loads, copies k) that can be among the ``rank`` largest ``w / k``.

    (i-th hottest, k) has i * k - 1 values at least as large, so only pairs with i * k <= rank can.
    """
    most = rank // np.arange(1, experts + 1)
    position = np.repeat(np.arange(experts), most)
    begins = np.cumsum(most) - most
    first = np.repeat(begins, most)
    copies = np.arange(position.size) - first + 1  # 1, 2 and so on within each expert
    return position, copies


def trivial_bound(pool: Pool) -> tuple[float, str]:
    """The larger of L0a and L0b, and its name."""
    mean = mean_bound(pool)
    replica = max_replica_bound(pool)
    return (replica, REPLICA) if replica > mean else (mean, MEAN)


def floor_float(value: Fraction) -> float:
    """The largest float64 <= value."""
    nearest = float(value)
    if Fraction(nearest) <= value:
        return nearest
    return math.nextafter(nearest, -math.inf)
