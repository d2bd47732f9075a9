"""The certificate of unequal ranks: counts within a target, and what each rank can take of them (R3, R4)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np

from ..problem.pool import Ints, Pool
from ..problem.ranks import Ranks
from ..strict import integer, number, text
from .certificate import Certificate
from .least_total import first_counts, is_above, smallest_size, whole_sizes
from .names import UNEQUAL

LIMIT_BITS = 31  # of the fastest rank's limit in integers; sizes above it are of no use
MOST_REDUCTIONS = 20  # of sizes by the smallest one, which then leave fewer counts
PRICE_BITS = 59  # of sums of prices
MOST_CUTS = 1000  # that a checker looks at

SHORT = "short"
HEAVY = "heavy"

# A kind, its level, and what the cut weighs.
Cut = tuple[str, int, int]


@dataclass(frozen=True, eq=False)
class RankLimits:
    """A pool's sizes and what its ranks may take at a target, in integers: a packing within one is within the other.

    Attributes
    ----------
    sizes : array [experts, counts]
        Of a replica of an expert with 1, 2, .. of them, rounded down, less what every replica takes at least.
    least : array [experts]
        The first count whose replicas are within the largest limit.
    limits, slots : tuple of int
        What each rank with slots may take, rounded down, less that of all its slots; and its slots.
    fits : bool
        No limit is negative, and there are counts that fill the slots with replicas within the largest one.
    """

    sizes: Ints
    least: Ints
    limits: tuple[int, ...]
    slots: tuple[int, ...]
    fits: bool

    @classmethod
    def of(cls, pool: Pool, ranks: Ranks, target: float) -> RankLimits:
        """At a positive target."""
        most = target * ranks.fastest
        exponent = LIMIT_BITS - math.frexp(most)[1]
        unit = Fraction(2) ** exponent
        limits = [
            math.floor((Fraction(target) * speed - Fraction(pool.on_each_rank)) * unit)
            for speed in ranks.exact_speeds
        ]
        slots = [ranks.slots[rank] for rank in ranks.with_slots]
        sizes = whole_sizes(np.minimum(pool.sizes, 2 * most), exponent)
        whole = cls._within(pool, sizes, limits, slots)
        for _ in range(MOST_REDUCTIONS):
            if not whole.fits:
                break
            smallest = smallest_size(whole.sizes, whole.least, pool)
            if smallest == 0:
                break
            pairs = zip(whole.limits, slots, strict=True)
            limits = [limit - places * smallest for limit, places in pairs]
            sizes = np.maximum(whole.sizes - smallest, 0)
            whole = cls._within(pool, sizes, limits, slots)
        return whole

    @classmethod
    def _within(
        cls, pool: Pool, sizes: Ints, limits: Sequence[int], slots: Sequence[int]
    ) -> RankLimits:
        """With the counts that the limits leave."""
        largest = max(limits)
        least, fits = first_counts(sizes, largest, pool.slots)
        fits = fits and min(limits) >= 0
        sizes = np.minimum(sizes, max(largest, 0) + 1)
        return cls(sizes, least, tuple(limits), tuple(slots), fits)

    def values(self, cut: Cut) -> Ints:
        """What each replica counts for in a cut, [experts, counts]."""
        kind, level, _ = cut
        if kind == SHORT:
            return np.minimum(self.sizes, level)
        return (self.sizes >= level).astype(np.int64)

    def most(self, cut: Cut) -> int:
        """What all ranks' replicas count for at most (R4)."""
        kind, level, _ = cut
        pairs = zip(self.limits, self.slots, strict=True)
        if kind == SHORT:
            return sum(min(limit, slots * level) for limit, slots in pairs)
        return sum(min(slots, limit // level) for limit, slots in pairs)


@dataclass(frozen=True)
class UnequalCertificate(Certificate):
    """No counts whose replicas are all within the target fill the slots and keep the cuts.

    Parameters
    ----------
    target : float
        T, of the slowest rank.
    cuts : tuple of (str, int, int)
        Cuts (R4) on the whole sizes: kind, level >= 1, and what each weighs, >= 0.

    Examples
    --------
    Two slots on a rank and on one of half its speed: with the expert of 8 tokens there is another one.

    >>> pool = Pool(np.array([8.0, 1.0, 1.0, 1.0]), 4, 2, unequal=Ranks((1.0, 0.5), (2, 2)))
    >>> UnequalCertificate(8.99).holds(pool), UnequalCertificate(9.0).holds(pool)
    (True, False)
    """

    kind: ClassVar[str] = "unequal"
    names: ClassVar[tuple[str, ...]] = (UNEQUAL,)

    cuts: tuple[Cut, ...] = ()

    def is_of(self, pool: Pool) -> bool:
        """Of pools with unequal ranks, but over windows with a cost."""
        is_divided = pool.cost is not None and pool.windows is not None
        return pool.unequal is not None and not is_divided

    def holds(self, pool: Pool) -> bool:
        """R3 and R4, in integers."""
        if pool.unequal is None or not self.is_of(pool):
            return False
        if not 0 < self.target < math.inf:
            return False
        whole = RankLimits.of(pool, pool.unequal, self.target)
        prices = priced(pool, whole, self.cuts)
        if prices is None:
            return False
        if not whole.fits:
            return True
        most = sum(cut[-1] * whole.most(cut) for cut in self.cuts)
        return is_above(prices, whole.least, pool.slots, most)

    def bound(self, pool: Pool) -> float:
        """Its target."""
        return self.target

    def to_dict(self) -> dict[str, Any]:
        """JSON types."""
        return {**super().to_dict(), "cuts": [list(cut) for cut in self.cuts]}

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> UnequalCertificate:
        """The certificate of ``to_dict``."""
        cuts = tuple(_cut(item) for item in data["cuts"])
        return cls(number(data["target"]), cuts)


def _cut(item: Any) -> Cut:
    kind, level, weight = item
    return text(kind), integer(level), integer(weight)


def priced(pool: Pool, whole: RankLimits, cuts: tuple[Cut, ...]) -> Ints | None:
    """What each count of each expert costs, [experts, counts]; None if a cut is not valid, or sums may overflow."""
    if len(cuts) > MOST_CUTS or not all(_is_valid(cut) for cut in cuts):
        return None
    largest = sum(
        weight * (level if kind == SHORT else 1) for kind, level, weight in cuts
    )
    if largest * pool.slots >= 2**PRICE_BITS:
        return None
    of_replica = np.zeros(whole.sizes.shape, np.int64)
    for cut in cuts:
        of_replica += cut[-1] * whole.values(cut)
    return np.asarray(of_replica * np.arange(1, pool.max_count + 1))


def _is_valid(cut: Cut) -> bool:
    kind, level, weight = cut
    return kind in (SHORT, HEAVY) and level >= 1 and weight >= 0
