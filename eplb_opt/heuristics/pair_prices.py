"""Two slots a rank: which copy to move, by prices of replicas of every load, many pools at once.

At an aim T a heavy replica of load a needs a partner of at most T - a. With D(x) = (replicas above T - x) - (replicas
of at most x), the load above the aim summed over all ranks is the integral of max(D, 0) over x in [0, T / 2]
(``models/README.md``, N2). A heavy replica adds one to D from T - a on, a light one takes one away from a on; so to
first order they cost or save the integral of a price from there on, which is 1 where D > 0 and halves with every
replica that is to spare.
"""

from __future__ import annotations

from .arrays import FLOAT32, FLOAT64, INT32, INT64, Array, cast, clip, counted, running, take_rows, total, where

ONE = 1 << 12  # the price where replicas are short
FAR = 1 << 18  # bins; no load is so far away


def num_bins(slots: int) -> int:
    """Bins of [0, T / 2]: a power of two, about half as many as slots."""
    return 1 << max(6, min(10, (slots - 1).bit_length() - 1))


def prices(loads: Array, aim: Array, bins: int) -> Array:
    """What a heavy replica costs by its bin, counted from T / 2 down, [packings, bins] (int32).

    Parameters
    ----------
    loads : array [packings, slots], int32
    aim : array [packings, 1], int32
    """
    position, heavy = _position(loads, aim, bins)
    sign = cast(heavy, INT32) * 2 - 1
    here = cast(counted(_bin(position, bins), bins, sign), INT32)
    spare = running(here) - here - (total(sign, 1) - 1)[:, None]
    return running(ONE >> clip(spare, 0, 31))


def cost(table: Array, loads: Array, count: Array, aim: Array) -> Array:
    """What ``count`` replicas (int64) of these loads cost, int64 [packings, any]; negative where they save."""
    bins = table.shape[1]
    position, heavy = _position(loads, aim, bins)
    each = take_rows(table, _bin(position, bins))
    position -= bins
    each += cast(clip(position, 0, FAR) * ONE, INT32)
    return where(heavy, each, -each) * count


def _position(loads: Array, aim: Array, bins: int) -> tuple[Array, Array]:
    """Distance of a load from T / 2 in bins, float32, and whether it is the larger."""
    away = loads * 2 - aim
    return cast(abs(away), FLOAT32) * cast(bins / cast(aim, FLOAT64), FLOAT32), away > 0


def _bin(position: Array, bins: int) -> Array:
    return clip(cast(position, INT64), 0, bins - 1)
