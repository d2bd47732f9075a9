"""The certificate of pools with a cost: counts within a target, their total, and cuts on them (K2, K3)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np

from ..problem.pool import Ints, Pool
from ..strict import integer, number
from .certificate import Certificate
from .least_total import NOWHERE, cheapest, whole_sizes
from .names import COST

TARGET_BITS = 34  # of the target in integers; sizes above it are of no use
PRICE_BITS = 59  # of sums of prices
MOST_CUTS = 1000  # that a checker looks at

Cut = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class WholeSizes:
    """A pool's sizes at a target, in integers; a packing within the target is one within the limit in them.

    Attributes
    ----------
    sizes : array [experts, counts]
        Of a replica of an expert with 1, 2, .. of them, rounded down; those above the limit are the limit and one.
    least : array [experts]
        The first count whose replicas are within the limit, or the number of counts.
    limit : int
        What a rank may take.
    fits : bool
        Every expert has such a count.
    """

    sizes: Ints
    least: Ints
    limit: int
    fits: bool

    @classmethod
    def of(cls, pool: Pool, target: float) -> WholeSizes:
        """At a positive target."""
        exponent = TARGET_BITS - math.frexp(target)[1]
        limit = math.floor(Fraction(target) * Fraction(2) ** exponent)
        clipped = np.minimum(pool.sizes, 2 * target)
        sizes = np.minimum(whole_sizes(clipped, exponent), limit + 1)
        is_within = sizes <= limit
        least = np.where(is_within.any(axis=1), is_within.argmax(axis=1) + 1, 1)
        return cls(sizes, least, limit, bool(is_within[:, -1].all()))


@dataclass(frozen=True)
class CostCertificate(Certificate):
    """No counts whose replicas are all within the target fill the slots, fit the ranks and keep the cuts.

    Parameters
    ----------
    target : float
        T, in the cost's unit.
    total : int
        What the total weighs, >= 0.
    cuts : tuple of (int, int, int)
        Aggregate cuts (L1.1) on the whole sizes: v, u, and what each weighs, >= 0.

    Examples
    --------
    Three experts of 40 us each on two slots a rank of two ranks: four replicas take 160 us, a rank 80.

    >>> from eplb_opt import Cost
    >>> pool = Pool(np.array([5.0, 5.0, 5.0]), 4, 2, cost=Cost.roofline(40.0, 0.1))
    >>> CostCertificate(79.0).holds(pool), CostCertificate(81.0).holds(pool)
    (True, False)
    """

    kind: ClassVar[str] = "cost"
    names: ClassVar[tuple[str, ...]] = (COST,)

    total: int = 1
    cuts: tuple[Cut, ...] = ()

    def is_of(self, pool: Pool) -> bool:
        """Of pools with a cost and without windows."""
        return pool.cost is not None and pool.windows is None

    def holds(self, pool: Pool) -> bool:
        """K3, in integers."""
        if not self.is_of(pool) or not 0 < self.target < math.inf:
            return False
        whole = WholeSizes.of(pool, self.target)
        if not whole.fits:
            return True
        prices = priced(pool, whole, self.total, self.cuts)
        if prices is None:
            return False
        cheapest_total, _ = cheapest(prices, whole.least, pool.slots)
        if cheapest_total == NOWHERE:
            return True
        return cheapest_total > self.total * pool.ranks * whole.limit

    def bound(self, pool: Pool) -> float:
        """Its target."""
        return self.target

    def to_dict(self) -> dict[str, Any]:
        """JSON types."""
        return {**super().to_dict(), "cuts": [list(cut) for cut in self.cuts]}

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> CostCertificate:
        """The certificate of ``to_dict``."""
        cuts = tuple(_cut(item) for item in data["cuts"])
        return cls(number(data["target"]), integer(data["total"]), cuts)


def _cut(item: Any) -> Cut:
    heavy, light, weight = (integer(value) for value in item)
    return heavy, light, weight


def priced(
    pool: Pool, whole: WholeSizes, total: int, cuts: tuple[Cut, ...]
) -> Ints | None:
    """What each count of each expert costs, [experts, counts]; None if a cut is not valid, or sums may overflow."""
    if not are_valid(whole.limit, pool.slots_per_rank, total, cuts):
        return None
    weight = total + sum(weight for _, _, weight in cuts) * pool.slots_per_rank
    if weight * pool.slots * (whole.limit + 1) >= 2**PRICE_BITS:
        return None
    of_replica = total * whole.sizes
    for heavy, light, weight in cuts:
        of_replica = of_replica + weight * cut_values(pool, whole, heavy, light)
    return np.asarray(of_replica * np.arange(1, pool.max_count + 1))


def cut_values(pool: Pool, whole: WholeSizes, heavy: int, light: int) -> Ints:
    """What each replica adds to an aggregate cut, [experts, counts]; the sum is at most 0 within the limit (L1.1)."""
    sizes = whole.sizes
    above = sizes + (pool.slots_per_rank - 1) * light - whole.limit
    below = np.maximum(light - sizes, 0)
    return np.asarray(np.where(sizes >= heavy, above, 0) - below)


def are_valid(limit: int, slots: int, total: int, cuts: tuple[Cut, ...]) -> bool:
    """Whether every cut holds within the limit, and weighs something."""
    if total < 0 or len(cuts) > MOST_CUTS:
        return False
    return all(
        2 * heavy > limit and 0 <= light <= limit and weight >= 0
        for heavy, light, weight in cuts
    )
