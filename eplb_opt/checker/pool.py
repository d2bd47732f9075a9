"""Numbers of files, read strictly; and a pool: experts on ranks, and what the loads alone say of it (L0, X5)."""

from __future__ import annotations

import math
import sys
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
NOWHERE = 2**61  # more than any sum of prices: no counts use so many slots
MARGIN = 2.0**-48  # relative room for rounding in a sum of two floats


class RefusedError(ValueError):
    """A file, or a certificate in it, is not what the checker takes, or would take too long."""


def require(is_right: bool, message: str) -> None:
    """Raise `RefusedError` unless something is as it must be."""
    if not is_right:
        raise RefusedError(message)


def number(value: Any) -> float:
    """A finite number, no boolean."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    require(is_number and abs(value) <= sys.float_info.max, "no finite number")
    return float(value)


def integer(value: Any) -> int:
    """An integer of 64 bits, no boolean."""
    require(type(value) is int and -(2**63) <= value < 2**63, "no integer of 64 bits")
    return int(value)


def integers_of(values: list[float]) -> tuple[list[int], int]:
    """Finite floats times the least power of two that makes integers of them, and its exponent."""
    ratios = [value.as_integer_ratio() for value in values]
    bits = max(denominator.bit_length() for _, denominator in ratios) - 1
    return [(n << bits) // denominator for n, denominator in ratios], bits


class Pool(NamedTuple):
    """Loads [experts], slots and ranks; ``distinct``: no rank holds two replicas of one expert."""

    loads: Floats
    slots: int
    ranks: int
    distinct: bool = False

    @property
    def width(self) -> int:
        """Slots of a rank."""
        return self.slots // self.ranks

    @property
    def max_count(self) -> int:
        """The most replicas that one expert can have."""
        most = self.slots - self.loads.size + 1
        return min(most, self.ranks) if self.distinct else most


def floor_float(value: Fraction) -> float:
    """The largest float <= value."""
    nearest = float(value)
    return nearest if nearest <= value else math.nextafter(nearest, -math.inf)


def mean_bound(pool: Pool) -> float:
    """All load over all ranks, rounded down (L0a)."""
    return floor_float(sum(map(Fraction, pool.loads.tolist())) / Fraction(pool.ranks))


def replica_bound(pool: Pool) -> float:
    """The n-th largest of all shares, n one more than the slots beyond one an expert, rounded down (L0b)."""
    n = pool.slots - pool.loads.size + 1
    # As many shares of the heavier experts are at least as large as those left out.
    ordered = sorted(map(Fraction, pool.loads.tolist()), reverse=True)
    pairs = [(load, n // (i + 1) + 1) for i, load in enumerate(ordered[:n])]
    shares = sorted(load / k for load, most in pairs for k in range(1, most + 1))
    least = ordered[0] / pool.max_count if pool.distinct else Fraction(0)
    return floor_float(max(shares[-n], least))


def next_sum(pool: Pool, target: float) -> float:
    """With two slots a rank: the least sum of two shares above a target (X5), rounded down."""
    shares = np.unique(pool.loads[:, None] / np.arange(1, pool.max_count + 1))
    shares = shares[shares <= 2 * target * (1 + MARGIN)]
    partner = np.searchsorted(shares, target * (1 - MARGIN) - shares)
    first = shares[partner < shares.size]
    sums = first + shares[partner[partner < shares.size]]
    return max(target, float(sums.min(initial=2 * target)) * (1 - MARGIN))


def cheapest(prices: Ints, least: Ints, slots: int) -> int:
    """The least price of counts from ``least`` on that fill the slots; `NOWHERE` if none do.

    Parameters
    ----------
    prices : array [experts, counts], int64
        Of all replicas of an expert with 1, 2, .. of them; sums stay below 2^60.
    """
    spare = slots - int(least.sum())
    totals = np.full(spare + 1, NOWHERE)
    totals[0] = 0
    for row, first in zip(prices, least.tolist(), strict=True):
        options = row[first - 1 : first + spare]
        padded = np.concatenate((np.full(options.size - 1, NOWHERE), totals))
        before = np.lib.stride_tricks.sliding_window_view(padded, options.size)
        totals = (before + options[::-1]).min(axis=1)
        totals[totals >= NOWHERE // 2] = NOWHERE
    return int(totals[-1])
