"""Two slots a rank: which copy to move, by prices of replicas of every load, many pools at once.

At an aim T a heavy replica of load a needs a partner of at most T - a. With D(x) = (replicas above T - x) - (replicas
of at most x), the load above the aim summed over all ranks is the integral of max(D, 0) over x in [0, T / 2]
(``models/README.md``, N2). A heavy replica adds one to D from T - a on, a light one takes one away from a on; so to
first order they cost or save the integral of a price from there on, which is 1 where D > 0 and halves with every
replica that is to spare.
"""

from __future__ import annotations

from .arrays import FLOAT64, INT32, INT64, Array, cast, clipped, counted, running, take_rows, total, where

ONE = 1 << 12  # the price where replicas are short
FAR = 2.0**40  # bins; no load is so far away


def num_bins(slots: int) -> int:
    """Bins of [0, T / 2]: a power of two, about half as many as slots."""
    return 1 << max(6, min(10, (slots - 1).bit_length() - 1))


def prices(loads: Array, aim: Array, bins: int) -> Array:
    """What a heavy replica costs by its bin, counted from T / 2 down, [packings, bins] (float64, integers).

    Parameters
    ----------
    loads : array [packings, slots], int32
    aim : array [packings, 1], int32
    """
    position, heavy = _position(loads, aim, bins)
    sign = cast(heavy, INT32) * 2 - 1
    here = cast(counted(_bin(position, bins), bins, sign), INT32)
    spare = running(here) - here - (total(sign, 1) - 1)[:, None]
    return cast(running(ONE >> clipped(spare, 0, 31)), FLOAT64)


def cost(table: Array, loads: Array, count: Array, aim: Array) -> Array:
    """What ``count`` replicas of these loads cost, float64 integers [packings, any]; negative where they save."""
    bins = table.shape[1]
    position, heavy = _position(loads, aim, bins)
    beyond = cast(clipped(position - bins, 0, FAR) * ONE, INT64)
    each = take_rows(table, _bin(position, bins)) + beyond
    return where(heavy, each, -each) * count


def _position(loads: Array, aim: Array, bins: int) -> tuple[Array, Array]:
    """Distance of a load from T / 2 in bins, float64, and whether it is the larger."""
    away = loads * 2 - aim
    return cast(abs(away), FLOAT64) * (bins / cast(aim, FLOAT64)), away > 0


def _bin(position: Array, bins: int) -> Array:
    return cast(clipped(position, 0, bins - 1), INT64)
