"""The certificate of the cut bound L1 and its exact check (proofs: ``models/README.md``, L1.1-L1.5)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ..checker.counts import allowed_counts
from ..checker.pool import integers_of
from ..problem.pool import Floats, Ints, Pool
from ..strict import number, text
from .certificate import Certificate, plain_pool
from .cut_values import (
    AGGREGATE,
    THRESHOLD,
    Array,
    Cut,
    PricedCut,
    column_costs,
    companions,
    cut_values,
)
from .names import COUNTS, CUTS

__all__ = [
    "AGGREGATE",
    "THRESHOLD",
    "Array",
    "Cut",
    "CutCertificate",
    "companions",
    "count_range",
    "cut_values",
    "dual_value",
    "exact_costs",
    "exact_range",
    "is_valid",
    "rounded",
]

MULTIPLIER_BITS = 40
ROUNDING = 1e-13  # relative, of a load over a target in float64


@dataclass(frozen=True)
class CutCertificate(Certificate):
    """Proves that no solution of a pool has an objective <= ``target`` by cuts on counts (L1.4).

    Parameters
    ----------
    target : float
        T, in units of load.
    cuts : tuple of Cut
    slot_price : float
        Multiplier mu of ``sum k * y_ek = slots``, of any sign.
    """

    kind: ClassVar[str] = "cuts"
    names: ClassVar[tuple[str, ...]] = (CUTS, COUNTS)

    cuts: tuple[Cut, ...]
    slot_price: float

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> CutCertificate:
        """The certificate of ``to_dict``; a value of the wrong type raises what it raises."""
        cuts = tuple(_read_cut(cut) for cut in data["cuts"])
        return cls(number(data["target"]), cuts, number(data["slot_price"]))


def _read_cut(data: Mapping[str, Any]) -> Cut:
    multiplier = number(data["multiplier"])
    return Cut(text(data["kind"]), number(data["v"]), number(data["u"]), multiplier)


def is_valid(pool: Pool, cert: CutCertificate) -> bool:
    """Whether numbers are as they should be and every cut is proven at the target, in integers (L1.1, L1.2)."""
    if not _is_well_formed(cert):
        return False
    scaled = _scaled(pool, cert)
    return all(
        _is_proven(
            cut.kind,
            v,
            u,
            scaled.target,
            pool.slots_per_rank,
        )
        for cut, (v, u) in zip(cert.cuts, scaled.levels, strict=True)
    )


def exact_costs(pool: Pool, cert: CutCertificate) -> tuple[Array, int] | None:
    """Exact costs of all counts that the target allows, and the most that a packing's counts cost (L1.4, L1.8).

    Parameters
    ----------
    pool : Pool
    cert : CutCertificate
        Its cuts are taken to be valid.

    Returns
    -------
    costs : array [experts, range], Python integers
        Of the counts of ``exact_range``; columns beyond an expert's range repeat its first.
    most : int

    None: L0 alone excludes the target.
    """
    counts = exact_range(pool, cert.target)
    if counts is None:
        return None
    scaled = _scaled(pool, cert)
    cuts, slot_price = _exact_prices(cert, scaled)
    loads = np.array(scaled.loads, dtype=object)
    least, top = counts
    costs = column_costs(
        pool,
        scaled.target,
        cuts,
        slot_price,
        loads,
        least,
        top,
    )
    return costs, slot_price * pool.slots


def _exact_prices(
    cert: CutCertificate, scaled: _Scaled
) -> tuple[list[PricedCut[int]], int]:
    """The cuts and the price of a slot, all in integers of one unit."""
    multipliers = [cut.multiplier for cut in cert.cuts]
    (of_slot, *prices), _ = integers_of([cert.slot_price, *multipliers])
    # Loads and levels are integers of a unit 2**-load_bits. An aggregate cut's f has that unit, so its terms carry the
    # factor 2**load_bits already; terms that are counts have to be given it.
    unit = 1 << scaled.load_bits
    cuts = []
    for cut, (v, u), price in zip(cert.cuts, scaled.levels, prices, strict=True):
        in_unit = price if cut.kind == AGGREGATE else price * unit
        cuts.append(PricedCut(cut.kind, v, u, in_unit))
    return cuts, of_slot * unit


def exact_range(pool: Pool, target: float) -> tuple[Ints, Ints] | None:
    """Least and most count of each expert [experts] that a target > 0 allows, exactly (L1.3); None: L0 excludes it."""
    return allowed_counts(plain_pool(pool), target)


def rounded(cert: CutCertificate) -> CutCertificate:
    """The certificate with multipliers of few bits, which keeps the exact check fast.

    Each becomes a multiple of a power of two, 2**-MULTIPLIER_BITS of the largest one; an aggregate cut's multiplier
    counts times the target, as its f has the unit of loads.
    """
    sizes = [
        cut.multiplier * (cert.target if cut.kind == AGGREGATE else 1.0)
        for cut in cert.cuts
    ]
    largest = max([abs(cert.slot_price), *sizes])
    fine = math.ldexp(1.0, math.frexp(largest)[1] - MULTIPLIER_BITS)
    target_power = math.ldexp(1.0, math.frexp(cert.target)[1] - 1)
    coarse = fine / target_power
    cuts = []
    for cut in cert.cuts:
        unit = coarse if cut.kind == AGGREGATE else fine
        multiplier = round(cut.multiplier / unit) * unit
        if multiplier > 0:
            cuts.append(replace(cut, multiplier=multiplier))
    price = round(cert.slot_price / fine) * fine
    return CutCertificate(cert.target, tuple(cuts), price)


def dual_value(pool: Pool, cert: CutCertificate) -> tuple[float, Floats]:
    """The certificate's value in float64 (it holds if > 0), and all columns' costs [experts, range] (L1.4).

    Column j of an expert is count ``least + j``; columns beyond its range repeat column 0.
    """
    least, top = count_range(pool, cert.target)
    cuts = [PricedCut(cut.kind, cut.v, cut.u, cut.multiplier) for cut in cert.cuts]
    cost = column_costs(
        pool,
        cert.target,
        cuts,
        cert.slot_price,
        pool.loads,
        least,
        top,
    )
    cheapest = cost.min(axis=1).sum()
    return float(cheapest - cert.slot_price * pool.slots), cost


def count_range(pool: Pool, target: float) -> tuple[Ints, Ints]:
    """Smallest and largest count of each expert that the target allows [experts] each, up to rounding (L1.3)."""
    shares = np.ceil(pool.loads / target * (1 - ROUNDING))
    least = np.maximum(shares, 1).astype(np.int64)
    spare = max(pool.slots - int(least.sum()), 0)
    return least, np.minimum(least + spare, pool.max_count)


class _Scaled(NamedTuple):
    """A certificate's target and levels (v, u) and a pool's loads as integers of one unit, 2**-load_bits."""

    target: int
    levels: list[tuple[int, int]]
    loads: list[int]
    load_bits: int


def _scaled(pool: Pool, cert: CutCertificate) -> _Scaled:
    levels = [level for cut in cert.cuts for level in (cut.v, cut.u)]
    values = [cert.target, *levels, *pool.loads.tolist()]
    (target, *integers), bits = integers_of(values)
    ends = len(levels)
    pairs = list(zip(integers[:ends:2], integers[1:ends:2], strict=True))
    return _Scaled(target, pairs, integers[ends:], bits)


def _is_well_formed(cert: CutCertificate) -> bool:
    numbers = [cert.target, cert.slot_price]
    for cut in cert.cuts:
        numbers += [cut.v, cut.u, cut.multiplier]
        if cut.kind not in (AGGREGATE, THRESHOLD) or not cut.multiplier >= 0:
            return False
    return cert.target > 0 and all(math.isfinite(x) for x in numbers)


def _is_proven(kind: str, v: int, u: int, target: int, slots_per_rank: int) -> bool:
    """Whether the cut is proven at the target: L1.1 and L1.2 in integers."""
    if 2 * v <= target or u < 0:
        return False
    if kind == AGGREGATE:
        return True
    return 0 < u < v and companions(v, u, target, slots_per_rank) >= 1
