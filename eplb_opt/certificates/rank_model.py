"""Replica types at a target, as integers: what rank patterns are made of (``models/README.md``, X6 and X7)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from ..problem.pool import Ints, Pool

SCALE_BITS = 46  # a rank's limit has this many bits; loads are rounded down to integers


@dataclass(frozen=True, eq=False)
class Model:
    """Replica types at a target, in integers; experts are numbered by position, heaviest first.

    Attributes
    ----------
    order, least : arrays [experts]
        Expert of each position; its smallest count.
    options : int
        Counts of an expert, from its least, at most.
    item, expert, count : arrays [types]
        Load of a replica, position of its expert, and the expert's count; heaviest first.
    spare, slack, limit : int
        Slots beyond the least counts; what all ranks together may leave unused; most load of a rank.
    """

    order: Ints
    least: Ints
    options: int
    item: Ints
    expert: Ints
    count: Ints
    spare: int
    slack: int
    limit: int


def rank_model(
    pool: Pool, target: float, near: Ints | None = None, width: int = 0
) -> Model | None:
    """Types and limits; None if counts, mean or largest replica alone exclude the target.

    Parameters
    ----------
    pool : Pool
    target : float
        In units of load.
    near : array [experts], optional
        Only counts within ``width`` of these.
    width : int
    """
    scale = scale_of(target)
    limit = math.floor(Fraction(target) * scale)
    # Rounding hides less than 1 a replica.
    total = math.floor(pool.total * scale) - pool.slots
    slack = pool.ranks * limit - total
    order = np.argsort(-pool.loads, kind="stable")
    loads = [Fraction(load) * scale for load in pool.loads[order].tolist()]
    centre = None if near is None else near[order]
    least = _least_counts(loads, limit, centre, width)
    spare = pool.slots - int(least.sum())
    if spare < 0 or slack < 0 or least.max() > pool.max_count:
        return None
    top = np.minimum(least + spare, pool.max_count)
    if centre is not None:
        top = np.minimum(top, centre + width)
    options = int((top - least).max()) + 1
    types = _all_types(loads, least, top)
    return Model(
        order,
        least,
        options,
        *types,
        spare,
        slack,
        limit,
    )


def _all_types(
    loads: Sequence[Fraction], least: Ints, top: Ints
) -> tuple[Ints, Ints, Ints]:
    """Item, expert and count of all types, heaviest first, [types] each."""
    expert, count = _all_counts(least, top)
    item = rounded_down((loads[e] for e in expert), count)
    heaviest = np.argsort(-item, kind="stable")
    return item[heaviest], expert[heaviest], count[heaviest]


def _least_counts(
    loads: Sequence[Fraction], limit: int, centre: Ints | None, width: int
) -> Ints:
    """Of each expert the first count k with floor(w / k) <= limit; not more than ``width`` below the centre."""
    least = np.array([int(load // (limit + 1)) + 1 for load in loads])
    return least if centre is None else np.maximum(least, centre - width)


def _all_counts(least: Ints, top: Ints) -> tuple[Ints, Ints]:
    """Expert and count of each type, [types] each: every count of an expert's range."""
    sizes = np.maximum(top - least + 1, 0)
    expert = np.repeat(np.arange(least.size), sizes)
    ranges = zip(least, top, strict=True)
    count = np.concatenate([np.arange(first, last + 1) for first, last in ranges])
    return expert, count


def scale_of(target: float) -> Fraction:
    """The power of two that turns loads into the integers of X7."""
    return Fraction(2) ** (SCALE_BITS - math.frexp(target)[1])


def rounded_down(loads: Iterable[Fraction], counts: Iterable[int]) -> Ints:
    """``floor(load / count)`` of each pair, [pairs]."""
    items = []
    for load, count in zip(loads, counts, strict=True):
        denominator = load.denominator * int(count)
        items.append(load.numerator // denominator)
    return np.array(items, dtype=np.int64)
