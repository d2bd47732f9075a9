"""The least that all replicas together take, of all counts that fill the slots (``models/README.md``, K1 and K2).

Sizes are integers here, rounded down, so that sums are exact: a replica of an expert with k of them has one size.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from ..problem.pool import Floats, Ints, Pool

SUM_BITS = 60  # of sums of all replicas
NOWHERE = 2**61  # more than any sum: no counts use so many slots


def scale_of(pool: Pool) -> int:
    """The exponent of two by which a pool's sizes may be multiplied, so that no sum of replicas overflows."""
    most = float(pool.sizes.max()) * pool.slots
    return SUM_BITS - math.frexp(most)[1] if most > 0 else 0


def whole_sizes(sizes: Floats, exponent: int) -> Ints:
    """Sizes times a power of two, rounded down, of the same shape."""
    return np.floor(np.ldexp(sizes, exponent)).astype(np.int64)


def least_total_bound(pool: Pool) -> Fraction:
    """K1: the least total of the replicas of any counts, over the ranks; at most the slowest rank's time."""
    return least_total(pool) / pool.ranks


def least_total(pool: Pool) -> Fraction:
    """The least total of the replicas of any counts, rounded down."""
    exponent = scale_of(pool)
    whole = whole_sizes(pool.sizes, exponent)
    counts = np.arange(1, pool.max_count + 1)
    total, _ = cheapest(counts * whole, np.ones(pool.num_experts, np.int64), pool.slots)
    return Fraction(total) / Fraction(2) ** exponent


def max_size_bound(pool: Pool) -> float:
    """K1: the size that the largest replica has under the best counts.

    It is the (slots - experts + 1)-th largest of all sizes, and with ``distinct`` at least each expert's least one.
    """
    rank = pool.slots - pool.num_experts + 1
    sizes = np.sort(pool.sizes.ravel())[::-1]
    of_counts = float(sizes[rank - 1]) if rank <= sizes.size else 0.0
    return max(of_counts, float(pool.sizes[:, -1].max()))


def cheapest(prices: Ints, least: Ints, slots: int) -> tuple[int, Ints]:
    """The cheapest counts that fill the slots: a dynamic program over experts and slots.

    Parameters
    ----------
    prices : array [experts, counts], int64
        Of an expert's count 1, 2, ..; any sum of one an expert is below 2^60, and so is its negative.
    least : array [experts], int64
        The fewest replicas of each, at least 1 and at most the number of counts.
    slots : int

    Returns
    -------
    total : int
        `NOWHERE` if no counts fill the slots.
    counts : array [experts], int64

    Examples
    --------
    >>> prices = np.array([[9, 4, 3], [5, 5, 5]])
    >>> total, counts = cheapest(prices, np.array([1, 1]), 4)
    >>> total, counts.tolist()
    (8, [3, 1])
    """
    spare = slots - int(least.sum())
    if spare < 0:
        return NOWHERE, least
    taken = np.zeros((len(prices), spare + 1), np.int64)  # spare slots of each expert
    totals = np.full(spare + 1, NOWHERE)
    totals[0] = 0
    for expert, first in enumerate(least.tolist()):
        row = prices[expert, first - 1 : first + spare]
        totals, taken[expert] = _with_expert(totals, row)
    return int(totals[-1]), least + _chosen(taken)


def _with_expert(totals: Ints, prices: Ints) -> tuple[Ints, Ints]:
    """Totals with one more expert, by spare slots, and how many of these it takes, [spare + 1] each."""
    padded = np.concatenate((np.full(prices.size - 1, NOWHERE), totals))
    before = np.lib.stride_tricks.sliding_window_view(padded, prices.size)
    # The last of a row is the total without the expert if it takes no spare slot.
    options = before + prices[::-1]
    last = options.shape[1] - 1
    place = options.argmin(axis=1)
    least = np.take_along_axis(options, place[:, None], axis=1)[:, 0]
    reached = np.where(least >= NOWHERE // 2, NOWHERE, least)
    return reached, last - place


def _chosen(taken: Ints) -> Ints:
    """The spare slots that each expert takes, [experts], where all are used."""
    left = taken.shape[1] - 1
    chosen = np.zeros(len(taken), np.int64)
    for expert in range(len(taken) - 1, -1, -1):
        chosen[expert] = taken[expert, left]
        left -= chosen[expert]
    return chosen


def first_counts(sizes: Ints, limit: int, slots: int) -> tuple[Ints, bool]:
    """The first count of each expert whose replicas are within a limit, and whether such counts fit the slots.

    Parameters
    ----------
    sizes : array [experts, counts], int64
        Of replicas; none rises with the count.
    limit, slots : int

    Returns
    -------
    least : array [experts], int64
        All 1 if some expert is never within the limit.
    fits : bool
    """
    is_within = sizes <= limit
    is_possible = bool(is_within[:, -1].all())
    least = np.where(is_possible, is_within.argmax(axis=1) + 1, 1)
    return least, is_possible and int(least.sum()) <= slots


def smallest_size(sizes: Ints, least: Ints, pool: Pool) -> int:
    """What every replica takes at least, of counts from these on that fill the slots."""
    spare = pool.slots - int(least.sum())
    largest = np.minimum(least + spare, pool.max_count)
    return int(sizes[np.arange(pool.num_experts), largest - 1].min())


def is_above(prices: Ints, least: Ints, slots: int, most: int) -> bool:
    """Whether all counts that fill the slots cost more than so much, or none fills them."""
    total, _ = cheapest(prices, least, slots)
    return total == NOWHERE or total > most
