"""The certificate of pools with a cost: counts within a target, their total, and cuts on them (K2, K3)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np

from ..problem.pool import Ints, Pool
from ..strict import integer, number, text
from .certificate import Certificate
from .least_total import first_counts, is_above, smallest_size, whole_sizes
from .names import COST

TARGET_BITS = 31  # of the target in integers; sizes above it are of no use
PRICE_BITS = 59  # of sums of prices
MOST_REDUCTIONS = 20  # of sizes by the smallest one, which then leave fewer counts
MOST_CUTS = 1000  # that a checker looks at

AGGREGATE = "aggregate"
THRESHOLD = "threshold"

# A kind, the least heavy size v, the level u of light ones, and what the cut weighs.
Cut = tuple[str, int, int, int]


@dataclass(frozen=True, eq=False)
class WholeSizes:
    """A pool's sizes at a target, in integers; a packing within the target is one within the limit in them.

    Attributes
    ----------
    sizes : array [experts, counts]
        Of a replica of an expert with 1, 2, .. of them, rounded down, less what every replica takes at least.
    least : array [experts]
        The first count whose replicas are within the limit.
    limit : int
        What a rank may take, less that of all its slots.
    fits : bool
        There are counts that fill the slots with replicas within the limit.
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
        whole = cls._within(pool, whole_sizes(clipped, exponent), limit)
        for _ in range(MOST_REDUCTIONS):
            if not whole.fits:
                break
            smallest = smallest_size(whole.sizes, whole.least, pool)
            if smallest == 0:
                break
            sizes = np.maximum(whole.sizes - smallest, 0)
            whole = cls._within(
                pool, sizes, whole.limit - pool.slots_per_rank * smallest
            )
        return whole

    @classmethod
    def _within(cls, pool: Pool, sizes: Ints, limit: int) -> WholeSizes:
        """With the counts that a limit leaves; sizes above it are the limit and one."""
        least, fits = first_counts(sizes, limit, pool.slots)
        return cls(np.minimum(sizes, limit + 1), least, limit, fits)


@dataclass(frozen=True)
class CostCertificate(Certificate):
    """No counts whose replicas are all within the target fill the slots, fit the ranks and keep the cuts.

    Parameters
    ----------
    target : float
        T, in the cost's unit.
    total : int
        What the total weighs, >= 0.
    cuts : tuple of (str, int, int, int)
        Cuts (L1.1, L1.2) on the whole sizes: kind, v, u, and what each weighs, >= 0.

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
        """Of pools with a cost and without windows, whose ranks are alike."""
        is_added = pool.cost is not None and pool.windows is None
        return is_added and pool.unequal is None

    def holds(self, pool: Pool) -> bool:
        """K3, in integers."""
        if not self.is_of(pool) or not 0 < self.target < math.inf:
            return False
        whole = WholeSizes.of(pool, self.target)
        prices = priced(pool, whole, self.total, self.cuts)
        if prices is None:
            return False
        if not whole.fits:
            return True
        most = self.total * pool.ranks * whole.limit
        return is_above(prices, whole.least, pool.slots, most)

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
    kind, heavy, light, weight = item
    return text(kind), integer(heavy), integer(light), integer(weight)


def priced(
    pool: Pool, whole: WholeSizes, total: int, cuts: tuple[Cut, ...]
) -> Ints | None:
    """What each count of each expert costs, [experts, counts]; None if a cut is not valid, or sums may overflow."""
    slots = pool.slots_per_rank
    if not are_valid(whole.limit, total, cuts):
        return None
    largest = total * (whole.limit + 1) + sum(
        weight * (slots * (whole.limit + 1) if kind == AGGREGATE else slots)
        for kind, _, _, weight in cuts
    )
    if largest * pool.slots >= 2**PRICE_BITS:
        return None
    of_replica = total * whole.sizes
    for cut in cuts:
        of_replica = of_replica + cut[-1] * cut_values(
            whole.sizes, cut, slots, whole.limit
        )
    return np.asarray(of_replica * np.arange(1, pool.max_count + 1))


def cut_values(sizes: Ints, cut: Cut, slots: int, limit: int) -> Ints:
    """What each replica adds to a cut, of the shape of the sizes; the sum is at most 0 within the limit (K3)."""
    kind, heavy, light, _ = cut
    is_heavy = sizes >= heavy
    if kind == AGGREGATE:
        above = sizes + (slots - 1) * light - limit
        return np.asarray(np.where(is_heavy, above, 0) - np.maximum(light - sizes, 0))
    return np.asarray(
        companions(cut, slots, limit) * is_heavy - (sizes <= light).astype(np.int64)
    )


def companions(cut: Cut, slots: int, limit: int) -> int:
    """How many companions of a heavy replica are at least as light as the level: the others share what it leaves."""
    _, heavy, light, _ = cut
    larger = max(limit - heavy, 0) // (light + 1)
    return slots - 1 - min(larger, slots - 1)


def are_valid(limit: int, total: int, cuts: tuple[Cut, ...]) -> bool:
    """Whether every cut holds within the limit, and weighs no less than nothing."""
    if total < 0 or len(cuts) > MOST_CUTS:
        return False
    return all(
        kind in (AGGREGATE, THRESHOLD)
        and 2 * heavy > limit
        and 0 <= light <= limit
        and weight >= 0
        for kind, heavy, light, weight in cuts
    )
