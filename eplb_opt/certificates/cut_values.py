"""Cuts on counts: what each says of a replica count, in floats or exactly (``models/README.md``, L1.1, L1.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from ..problem.pool import Ints, Pool

AGGREGATE = "aggregate"
THRESHOLD = "threshold"

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
class PricedCut(Generic[Number]):
    """A cut in the unit of a computation, floats or integers: its kind, its levels and what one unit of f costs."""

    kind: str
    v: Number
    u: Number
    price: Number


def companions(v: Number, u: Number, target: Number, slots_per_rank: int) -> int:
    """How many replicas <= u lie at least on the rank of every replica >= v: n of a threshold cut (L1.2)."""
    heavier = slots_per_rank + int((v - target) // u)
    return min(slots_per_rank - 1, heavier)


def cut_values(
    kind: str,
    v: Number,
    u: Number,
    target: Number,
    slots_per_rank: int,
    w: Array,
    k: Array,
) -> Array:
    """f(e, k) of a cut; all of w, v, u, target in one unit, floats or integers (L1.1, L1.2).

    Parameters
    ----------
    kind : 'aggregate' or 'threshold'
    v, u, target : number
    slots_per_rank : int
    w, k : arrays that broadcast
        Loads and counts.

    Returns
    -------
    array
        An aggregate cut's f has the unit of the loads, a threshold cut's none.
    """
    is_heavy = w >= k * v
    if kind == AGGREGATE:
        heavy = np.where(is_heavy, w + k * ((slots_per_rank - 1) * u - target), 0)
        light = np.maximum(k * u - w, 0)
        return np.asarray(heavy - light)
    size = companions(v, u, target, slots_per_rank)
    heavy = np.where(is_heavy, k * size, 0)
    light = np.where(w <= k * u, k, 0)
    return np.asarray(heavy - light)


def column_costs(
    pool: Pool,
    target: Number,
    cuts: Sequence[PricedCut[Number]],
    slot_price: Number,
    w: Array,
    least: Ints,
    top: Ints,
) -> Array:
    """``sum of price * f(e, k) + slot_price * k`` of all columns, floats or exact integers.

    Parameters
    ----------
    pool : Pool
    target : number
        In the unit of w, as the levels of the cuts are.
    cuts : sequence of PricedCut
    slot_price : number
    w : array [experts], float64 or Python integers (object)
    least, top : arrays [experts], int64
        Range of each expert's counts.

    Returns
    -------
    array [experts, range]
        Column j of an expert is count ``least + j``; columns beyond its range repeat column 0.
    """
    width = int((top - least).max()) + 1
    steps = _Steps(least.size, width, w.dtype)
    steps.per_count[:, 0] += slot_price
    for cut in cuts:
        end = _first_not_heavy(cut.v, w, least, width)
        start = _first_light(cut.u, w, least, width)
        heavy, light = _prices_of_counts(cut, target, pool.slots_per_rank)
        steps.add_before(steps.per_count, end, heavy)
        steps.add_from(steps.per_count, start, -light)
        if cut.kind == AGGREGATE:
            steps.add_before(steps.per_load, end, cut.price)
            steps.add_from(steps.per_load, start, cut.price)
    k = least[:, None] + np.arange(width)
    cost = steps.costs(w, k)
    return np.asarray(np.where(k <= top[:, None], cost, cost[:, :1]))


class _Steps:
    """Costs of all columns as A * w + B * k, with A (per load) and B (per count) steps in k.

    Each step is written where it happens, and running sums make A and B of them; the last column takes the steps that
    happen beyond the range.
    """

    def __init__(self, experts: int, width: int, dtype: Any) -> None:
        self.experts = np.arange(experts)
        self.per_load = np.zeros((experts, width + 1), dtype=dtype)
        self.per_count = np.zeros((experts, width + 1), dtype=dtype)

    def add_before(self, part: Array, end: Array, price: Number) -> None:
        """Add to A or B in the columns before each expert's ``end``."""
        part[:, 0] += price
        part[self.experts, end] -= price

    def add_from(self, part: Array, start: Array, price: Number) -> None:
        """Add to A or B in the columns from each expert's ``start`` on."""
        part[self.experts, start] += price

    def costs(self, w: Array, k: Array) -> Array:
        """The cost of each column, [experts, width]."""
        load_part = self.per_load.cumsum(axis=1)[:, :-1] * w[:, None]
        count_part = self.per_count.cumsum(axis=1)[:, :-1] * k
        return np.asarray(load_part + count_part)


def _prices_of_counts(
    cut: PricedCut[Number], target: Number, slots_per_rank: int
) -> tuple[Number, Number]:
    """What a cut costs for each copy: of an expert whose replicas are heavy, and (less) of one whose are light."""
    if cut.kind == AGGREGATE:
        room = (slots_per_rank - 1) * cut.u - target
        return cut.price * room, cut.price * cut.u
    size = companions(cut.v, cut.u, target, slots_per_rank)
    return cut.price * size, cut.price


def _first_not_heavy(v: Number, w: Array, least: Ints, width: int) -> Array:
    """The first column of each expert whose replicas are not heavy: they are up to k = floor(w / v)."""
    first = w // v - least + 1
    return np.asarray(np.clip(first, 0, width).astype(np.int64))


def _first_light(u: Number, w: Array, least: Ints, width: int) -> Array:
    """The first column of each expert whose replicas are light, k = ceil(w / u); ``width``: none is in the range."""
    if not u:
        return np.full(least.size, width)
    first = -(-w // u) - least
    return np.asarray(np.clip(first, 0, width).astype(np.int64))
