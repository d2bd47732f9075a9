"""Three slots a rank: packings by best fit, many pools at once.

Rank by rank: the heaviest replica that is left, with the two others whose sum is largest within what an aim leaves; of
sums that come near enough the pair with the lightest replica, and if no pair is light enough the two lightest. What
the ranks have to spare adds up, so the last ones end far below the aim, or above it where large replicas are left:
exchanges go on from here (`exchange`). For most counts such packings end nearer to the bound than dealt ones:
exchanges between two ranks at a time do not find the way there.
"""

from __future__ import annotations

import functools
from types import ModuleType

import numpy as np

from . import arrays as xp
from .arrays import Array, Device, Numpy
from .replicas import UNIT
from .variants import FITTED_SLOTS, lightest

# Above the bound, one variant after the other: a tight aim leaves more to spare, and misses more often.
AIMS = tuple(UNIT + (UNIT * part >> 14) for part in (48, 32, 64, 16, 40, 24, 56, 80))
KEPT = 3  # of so many packings one goes on
SPARE = UNIT >> 10  # pairs so near the aim are as good as each other
NONE = -(1 << 60)  # below any sum
INDEX_BITS = 12  # of a replica's place, below a sum in the same integer
ROW_BITS = 26  # more than any sum of loads has


def with_fits(
    packing: Array,
    keys: Array,
    units: Array,
    bits: int,
    fits: int,
    kernel: ModuleType | None,
) -> tuple[Array, Array]:
    """More variants of each pool: the best third of those packed by best fit, behind those that are there.

    Parameters
    ----------
    packing : array [3, ranks, variants * pools], int32 keys
    keys : array [made * pools, slots], int32
        Of `replica_keys`; at least as many variants as are fitted.
    units : array [made, pools], float64
        How large the variants' units of load are.
    bits : int
        Bits of a key that hold the expert.
    fits : int
        Variants that are packed by best fit.
    kernel : module, optional
        `fits_compiled`, where it may be used.

    Returns
    -------
    packing : array [3, ranks, (variants + kept) * pools], int32 keys
    units : array [variants + kept, pools], float64
    """
    pools = units.shape[1]
    variants = packing.shape[2] // pools
    kept = -(-fits // KEPT)
    found = fitted(keys[: fits * pools], bits, fits, kernel)
    best = lightest(found, bits, fits, kept, units[:fits])
    their_units = xp.take(units[:fits].reshape(-1), best, 0).reshape(kept, pools)
    return (
        xp.concat((packing, xp.take(found, best, 2)), 2),
        xp.concat((units[:variants], their_units), 0),
    )


def fitted(keys: Array, bits: int, variants: int, kernel: ModuleType | None) -> Array:
    """A packing of each pool and variant by best fit.

    Parameters
    ----------
    keys : array [variants * pools, slots], int32, in any order
    bits, variants, kernel
        As for `with_fits`.

    Returns
    -------
    array [3, ranks, variants * pools], int32 keys
    """
    ordered = xp.sort(keys + 0)
    if kernel is not None and isinstance(ordered, np.ndarray):
        placed: Array = _fitted_compiled(kernel, ordered, bits, variants)
    else:
        placed = _fitted(ordered, bits, variants)
    return xp.contiguous(xp.permute_dims(placed, (1, 2, 0)))


@functools.cache
def aims(packings: int, variants: int, device: Device) -> Array:
    """What a rank may have at most, of each packing, variant by variant, int64 [packings]; made once."""
    of_variants = np.resize(np.array(AIMS), variants)
    return xp.asarray(np.repeat(of_variants, packings // variants), device)


def _fitted_compiled(
    kernel: ModuleType, ordered: Numpy, bits: int, variants: int
) -> Numpy:
    """`_fitted` in compiled code, packing by packing."""
    packings, slots = ordered.shape
    placed = np.empty((packings, FITTED_SLOTS, slots // FITTED_SLOTS), dtype=np.int32)
    left = np.empty(slots, dtype=np.int64)
    kernel.fit(ordered, bits, aims(packings, variants, None), left, placed)
    return placed


def _fitted(ordered: Array, bits: int, variants: int) -> Array:
    """As `fitted`, of ascending keys, [packings, 3, ranks]."""
    aim = aims(len(ordered), variants, xp.device(ordered))[:, None]
    left = ordered
    filled = []
    for _ in range(ordered.shape[1] // FITTED_SLOTS):
        heaviest = left[:, -1:]
        left = left[:, :-1]
        pair = _best_pair(left >> bits, aim - (heaviest >> bits))
        filled.append(xp.concat((heaviest, xp.take_along_axis(left, pair)), 1))
        left = xp.take_along_axis(left, _others(pair, left.shape[1] - 2))
    return xp.permute_dims(xp.stack(filled), (1, 2, 0))


def _best_pair(loads: Array, most: Array) -> Array:
    """Where the two are whose sum is largest, of ``most`` [packings, 1] at most; int64 [packings, 2].

    Of loads [packings, any] in ascending order.
    """
    number = loads.shape[1]
    first = xp.arange(0, number, xp.device(loads))
    loads = xp.astype(loads, xp.int64)
    second = _last_within(loads, most - loads)
    sums = loads + xp.take_along_axis(loads, xp.clip(second + 0, 0, number))
    near_enough = xp.minimum(sums, most - SPARE)
    # Of equal sums the first; a sum and a place in one integer.
    ranked = (near_enough << INDEX_BITS) | (number - 1 - first)
    best = xp.max(xp.where(second > first, ranked, NONE), 1)[:, None]
    is_any = best > NONE
    place = xp.where(is_any, number - 1 - (best & ((1 << INDEX_BITS) - 1)), 0)
    partner = xp.where(is_any, xp.take_along_axis(second, place), 1)
    return xp.concat((place, partner), 1)


def _last_within(loads: Array, most: Array) -> Array:
    """Place of the last load of each row that is within each of ``most``, -1 if none is; int64, as ``most``."""
    rows, columns = loads.shape
    device = xp.device(loads)
    row = xp.arange(0, rows, device)[:, None]
    # All rows as one ascending vector.
    flat = (loads + (row << ROW_BITS)).reshape(-1)
    found = xp.count_within(flat, (most + (row << ROW_BITS)).reshape(-1))
    return found.reshape(rows, columns) - row * columns - 1


def _others(pair: Array, number: int) -> Array:
    """Places of all but two ascending ones, int64 [packings, number], of places [packings, 2]."""
    place = xp.arange(0, number, xp.device(pair))
    place = place + xp.astype(place >= pair[:, :1], xp.int64)
    return place + xp.astype(place >= pair[:, 1:], xp.int64)
