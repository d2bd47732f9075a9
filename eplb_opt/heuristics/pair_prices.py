"""Two slots a rank: which copy to move, by prices of replicas of every load, many pools at once.

At an aim T a heavy replica of load a needs a partner of at most T - a. With D(x) = (replicas above T - x) - (replicas
of at most x), the load above the aim summed over all ranks is the integral of max(D, 0) over x in [0, T / 2]
(``models/README.md``, N2). A heavy replica adds one to D from T - a on, a light one takes one away from a on; so to
first order they cost or save the integral of a price from there on, which is 1 where D > 0 and halves with every
replica that is to spare.
"""

from __future__ import annotations

from . import arrays as xp
from .arrays import Array

ONE = 1 << 12  # the price where replicas are short
FAR = 1 << 18  # bins; no load is so far away


def num_bins(slots: int) -> int:
    """Bins of [0, T / 2]: a power of two, about half as many as slots."""
    return 1 << max(6, min(10, (slots - 1).bit_length() - 1))


def prices(loads: Array, aim: Array, bins: int) -> Array:
    """What a heavy replica costs by its bin, counted from T / 2 down.

    Parameters
    ----------
    loads : array [packings, slots], int32
    aim : array [packings, 1], int32
    bins : int
        Of `num_bins`.

    Returns
    -------
    array [packings, bins], int32
    """
    position, is_heavy = _position(loads, aim, bins)
    sign = xp.astype(is_heavy, xp.int32) * 2 - 1
    more_heavy = xp.astype(xp.bincount(_bin(position, bins), bins, sign), xp.int32)
    surplus = xp.sum(sign, 1, xp.int32)[:, None]
    spare = xp.cumulative_sum(more_heavy, -1, xp.int32) - more_heavy - (surplus - 1)
    price = ONE >> xp.clip(spare, 0, 31)  # halves with every replica to spare
    return xp.cumulative_sum(price, -1, xp.int32)


def cost(table: Array, loads: Array, count: Array, aim: Array) -> Array:
    """What so many replicas of these loads cost; negative where they save.

    Parameters
    ----------
    table : array [packings, bins], int32
        Of `prices`.
    loads : array [packings, any], int32
        Of a replica.
    count : array [packings, any], int64
        Replicas.
    aim : array [packings, 1], int32

    Returns
    -------
    array [packings, any], int64
    """
    bins = table.shape[1]
    position, is_heavy = _position(loads, aim, bins)
    of_one = xp.take_along_axis(table, _bin(position, bins))
    position -= bins  # beyond the last bin the price is full
    of_one += xp.astype(xp.clip(position, 0, FAR) * ONE, xp.int32)
    return xp.where(is_heavy, of_one, -of_one) * count


def _position(loads: Array, aim: Array, bins: int) -> tuple[Array, Array]:
    """Distance of a load from T / 2 in bins, float32, and whether it is the larger."""
    twice_away: Array = loads * 2 - aim
    # The bins are a power of two: on CUDA, too, their quotient is rounded once.
    scale = xp.astype(bins / xp.astype(aim, xp.float64), xp.float32)
    return xp.astype(xp.abs(twice_away), xp.float32) * scale, twice_away > 0


def _bin(position: Array, bins: int) -> Array:
    return xp.clip(xp.astype(position, xp.int64), 0, bins - 1)
