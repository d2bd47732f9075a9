"""L0: the mean rank load and the largest replica (proofs: ``models/README.md``, L0a and L0b)."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from ..problem.pool import Pool
from ..problem.ranks import Ranks
from ..problem.water_filling import candidates, values_of
from .least_total import least_total, least_total_bound, max_size_bound
from .names import MEAN, REPLICA


def mean_bound(pool: Pool) -> float:
    """L0a: total load over ranks, rounded down; of a pool with a cost the least total of all counts (K1).

    Over windows with a cost it is 1: the slowest rank is at least the mean of all. Of unequal ranks it is over speeds
    (R1).
    """
    if pool.windows and not pool.windows.shares.any():
        return 1.0  # the objective of a layer to which nothing was routed
    if pool.unequal is not None:
        return _mean_of_unequal(pool, pool.unequal)
    if pool.cost is not None:
        return 1.0 if pool.windows else floor_float(least_total_bound(pool))
    return floor_float(pool.total / pool.ranks)


def max_replica_bound(pool: Pool) -> float:
    """L0b: the load that the largest replica has under the best counts, rounded down.

    It is the (slots - experts + 1)-th largest of all ``w_e / k``, k >= 1; with ``distinct`` also
    ``max w_e / max_count``. With a cost sizes take the place of loads (K1); of unequal ranks the fastest one has it
    (R2).
    """
    if pool.unequal is not None:
        return _replica_on_fastest(pool, pool.unequal)
    if pool.cost is not None:
        return 1.0 if pool.windows else max_size_bound(pool)
    rank = pool.slots - pool.num_experts + 1
    position, copies = candidates(pool.num_experts, rank, rank + 1)
    loads = np.sort(pool.loads)[::-1]
    values, value = values_of(loads[None], rank, rank + 1)
    # Rounding is monotone: pairs that share the float may differ below it, the least of them is safe.
    tied = np.flatnonzero(values[0] == value[0])
    least = min(exact_share(loads[position[i]], copies[i]) for i in tied)
    if pool.distinct:
        least = max(least, exact_share(loads[0], pool.max_count))
    return floor_float(least)


def _mean_of_unequal(pool: Pool, ranks: Ranks) -> float:
    """R1: all work over all speeds, rounded down."""
    if pool.cost is not None and pool.windows is not None:
        return 1.0
    work = pool.total if pool.cost is None else least_total(pool)
    on_ranks = len(ranks.with_slots) * Fraction(pool.on_each_rank)
    return floor_float((work + on_ranks) / sum(ranks.exact_speeds))


def _replica_on_fastest(pool: Pool, ranks: Ranks) -> float:
    """R2: the largest replica alone on a rank of the largest speed, rounded down."""
    if pool.cost is not None and pool.windows is not None:
        return 1.0
    largest = Fraction(max_size_bound(pool)) + Fraction(pool.on_each_rank)
    return floor_float(largest / Fraction(ranks.fastest))


def exact_share(load: float, copies: int) -> Fraction:
    """Load of one of some replicas."""
    return Fraction(float(load)) / int(copies)


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
