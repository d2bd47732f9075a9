"""The certificate of the cut bound L1 and its exact check (proofs: ``models/README.md``, L1.1-L1.5)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt

from ..problem.pool import Floats, Ints, Pool
from ..strict import number, text
from .certificate import Certificate
from .names import COUNTS, CUTS

AGGREGATE, THRESHOLD = "aggregate", "threshold"
MULTIPLIER_BITS = 40
Number = TypeVar("Number", float, int)
Array = npt.NDArray[Any]  # float64, int64, or Python integers (object)


@dataclass(frozen=True)
class Cut:
    """One cut ``sum over (e, k) of y_ek * f(e, k) <= 0`` at a target T, and its multiplier (L1.1, L1.2).

    Parameters
    ----------
    kind : 'aggregate' or 'threshold'
    v : float
        Replicas of load >= v are *heavy*; v > T / 2, in units of load.
    u : float
        Level of the light replicas, in units of load: >= 0 (aggregate), 0 < u < v (threshold).
    multiplier : float
        Lambda >= 0.
    """

    kind: str
    v: float
    u: float
    multiplier: float = 0.0


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

    def holds(self, pool: Pool) -> bool:
        """Whether no solution of the pool has an objective <= the target: integers only, no solver.

        Every count that the target allows is looked at (L1.3, L1.4).
        """
        if not is_valid(pool, self):
            return False
        costs = exact_costs(pool, self)
        if costs is None:
            return True
        cost_of_count, most = costs
        cheapest = int(cost_of_count.min(axis=1).sum())
        return cheapest > most

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
    if not _well_formed(cert):
        return False
    (target, *levels), _, _ = _scaled(pool, cert)
    return all(_valid(c.kind, v, u, target, pool.slots_per_rank) for c, v, u in _levels(cert, levels))


def exact_costs(pool: Pool, cert: CutCertificate) -> tuple[Array, int] | None:
    """Costs of the counts of ``exact_range`` [experts, range] and the most that a packing's counts cost (L1.4, L1.8).

    Exact integers; columns beyond an expert's range repeat its first. None: L0 alone excludes the target. The cuts are
    taken to be valid.
    """
    counts = exact_range(pool, cert.target)
    if counts is None:
        return None
    (target, *levels), loads, load_bits = _scaled(pool, cert)
    prices, _ = common_integers([cert.slot_price, *(c.multiplier for c in cert.cuts)])
    per_count = 1 << load_bits  # aggregate terms carry this factor already
    prices = [p * (1 if i and cert.cuts[i - 1].kind == AGGREGATE else per_count) for i, p in enumerate(prices)]
    cuts = [(c.kind, v, u, p) for (c, v, u), p in zip(_levels(cert, levels), prices[1:], strict=True)]
    return _costs(pool, target, cuts, prices[0], np.array(loads, dtype=object), *counts), prices[0] * pool.slots


def exact_range(pool: Pool, target: float) -> tuple[Ints, Ints] | None:
    """Least and most count of each expert [experts] that a target > 0 allows, exactly (L1.3); None: L0 excludes it."""
    (limit, *loads), _ = common_integers([target, *(float(w) for w in pool.loads)])
    least = [max(1, -(-w // limit)) for w in loads]
    spare = pool.slots - sum(least)
    if sum(loads) > pool.ranks * limit or spare < 0 or max(least) > pool.max_count:
        return None  # L0a, L0b
    return np.array(least), np.array([min(k + spare, pool.max_count) for k in least])


def rounded(cert: CutCertificate) -> CutCertificate:
    """The certificate with multipliers of few bits, which keeps the exact check fast."""
    sizes = [c.multiplier * (cert.target if c.kind == AGGREGATE else 1.0) for c in cert.cuts]
    fine = math.ldexp(1.0, math.frexp(max([abs(cert.slot_price), *sizes]))[1] - MULTIPLIER_BITS)
    coarse = fine / math.ldexp(1.0, math.frexp(cert.target)[1] - 1)
    units = [coarse if c.kind == AGGREGATE else fine for c in cert.cuts]
    cuts = (replace(c, multiplier=round(c.multiplier / d) * d) for c, d in zip(cert.cuts, units, strict=True))
    price = round(cert.slot_price / fine) * fine
    return CutCertificate(cert.target, tuple(c for c in cuts if c.multiplier > 0), price)


def dual_value(pool: Pool, cert: CutCertificate) -> tuple[float, Floats]:
    """The certificate's value in float64 (it holds if > 0), and all columns' costs [experts, range] (L1.4).

    Column j of an expert is count ``least + j``; columns beyond its range repeat column 0.
    """
    least, top = count_range(pool, cert.target)
    cuts = [(c.kind, c.v, c.u, c.multiplier) for c in cert.cuts]
    cost = _costs(pool, cert.target, cuts, cert.slot_price, pool.loads, least, top)
    return float(cost.min(axis=1).sum() - cert.slot_price * pool.slots), cost


def count_range(pool: Pool, target: float) -> tuple[Ints, Ints]:
    """Smallest and largest count of each expert that the target allows [experts] each, up to rounding (L1.3)."""
    least = np.maximum(np.ceil(pool.loads / target * (1 - 1e-13)), 1).astype(np.int64)
    return least, np.minimum(least + max(pool.slots - int(least.sum()), 0), pool.max_count)


def cut_values(kind: str, v: Number, u: Number, target: Number, slots_per_rank: int, w: Array, k: Array) -> Array:
    """f(e, k) of a cut; all of w, v, u, target in one unit, floats or integers (L1.1, L1.2).

    Parameters
    ----------
    w, k : arrays that broadcast
        Loads and counts. An aggregate cut's f has the unit of the loads, a threshold cut's none.
    """
    if kind == AGGREGATE:
        heavy = np.where(w >= k * v, w + k * ((slots_per_rank - 1) * u - target), 0)
        return np.asarray(heavy - np.maximum(k * u - w, 0))
    size = companions(v, u, target, slots_per_rank)
    return np.asarray(np.where(w >= k * v, k * size, 0) - np.where(w <= k * u, k, 0))


def _costs(
    pool: Pool,
    target: Number,
    cuts: list[tuple[str, Number, Number, Number]],
    price: Number,
    w: Array,
    least: Ints,
    top: Ints,
) -> Array:
    """``sum of multiplier * f(e, k) + price * k`` of all columns, [experts, range]; floats or exact integers.

    It is ``A * w + B * k``, with A and B steps in k: a cut is heavy up to k = floor(w / v), light from ceil(w / u).

    Parameters
    ----------
    cuts : list of (kind, v, u, multiplier), in the unit of w.
    w : array [experts], float64 or Python integers (object).
    least, top : arrays [experts], int64
        Range of each expert's counts; columns beyond it repeat column 0.
    """
    experts, width, s = np.arange(least.size), int((top - least).max()) + 1, pool.slots_per_rank
    a, b = np.zeros((least.size, width + 1), dtype=w.dtype), np.zeros((least.size, width + 1), dtype=w.dtype)
    b[:, 0] += price
    for kind, v, u, factor in cuts:
        end = np.clip(w // v - least + 1, 0, width).astype(np.int64)
        start = np.clip(-(-w // u) - least, 0, width).astype(np.int64) if u else np.full(least.size, width)
        if kind == AGGREGATE:
            a[:, 0] += factor
            a[experts, end] -= factor
            a[experts, start] += factor
            heavy, light = factor * ((s - 1) * u - target), factor * u
        else:
            heavy, light = factor * companions(v, u, target, s), factor
        b[:, 0] += heavy
        b[experts, end] -= heavy
        b[experts, start] -= light
    k = least[:, None] + np.arange(width)
    cost = a.cumsum(axis=1)[:, :-1] * w[:, None] + b.cumsum(axis=1)[:, :-1] * k
    return np.asarray(np.where(k <= top[:, None], cost, cost[:, :1]))


def companions(v: Number, u: Number, target: Number, slots_per_rank: int) -> int:
    """How many replicas <= u lie at least on the rank of every replica >= v: n of a threshold cut (L1.2)."""
    return min(slots_per_rank - 1, slots_per_rank + int((v - target) // u))


def common_integers(values: list[float]) -> tuple[list[int], int]:
    """Finite floats times the least power of two that makes all of them integers, and that power's exponent."""
    ratios = [float(x).as_integer_ratio() for x in values]
    bits = max(d for _, d in ratios).bit_length() - 1
    return [n << (bits - d.bit_length() + 1) for n, d in ratios], bits


def _scaled(pool: Pool, cert: CutCertificate) -> tuple[list[int], list[int], int]:
    """Target and levels, and the pool's loads, in one integer unit; the exponent of its scale."""
    levels = [cert.target, *(x for c in cert.cuts for x in (c.v, c.u))]
    scaled, bits = common_integers([*levels, *(float(w) for w in pool.loads)])
    return scaled[: len(levels)], scaled[len(levels) :], bits


def _levels(cert: CutCertificate, levels: list[int]) -> list[tuple[Cut, int, int]]:
    """Every cut with its scaled v and u."""
    return list(zip(cert.cuts, levels[::2], levels[1::2], strict=True))


def _well_formed(cert: CutCertificate) -> bool:
    numbers = [cert.target, cert.slot_price, *(x for c in cert.cuts for x in (c.v, c.u, c.multiplier))]
    return (
        all(math.isfinite(x) for x in numbers)
        and cert.target > 0
        and all(c.multiplier >= 0 and c.kind in (AGGREGATE, THRESHOLD) for c in cert.cuts)
    )


def _valid(kind: str, v: int, u: int, target: int, slots_per_rank: int) -> bool:
    """Whether the cut is proven at the target: L1.1 and L1.2 in integers."""
    if 2 * v <= target or u < 0:
        return False
    return kind == AGGREGATE or (0 < u < v and companions(v, u, target, slots_per_rank) >= 1)
