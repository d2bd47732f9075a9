"""Replicas of many pools at once, as integers: counts by water-filling, loads quantised, one sortable key a replica.

A *key* is ``load << bits | expert`` with the load in units of 2^-20 of the pool's bound ``max(mean, heaviest replica)``
(L0 for these counts). Keys of a pool are ordered without ties between experts, and sums of loads are exact, so every
device and every thread count gives the same bits. Loads are brought to integers below 2^38 before anything is added.
"""

from __future__ import annotations

import functools

import numpy as np

from ..problem import water_filling
from . import arrays as xp
from .arrays import Array, Device

UNIT = 1 << 20  # a pool's bound in quantised load
SCALE = 2.0**38  # the heaviest expert before counts are chosen
NETWORK = 256  # keys of a row up to which numpy sorts it as fast as it finds the largest
GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def largest(keys: Array, count: int) -> Array:
    """The ``count`` largest of each row in ascending order; the rows are lost."""
    if xp.device(keys) is None and keys.shape[1] > NETWORK:
        keys = np.ascontiguousarray(np.partition(keys, keys.shape[1] - count, axis=1)[:, -count:])
    return xp.sort(keys)[:, -count:]


def expert_bits(experts: int) -> int:
    """Bits of a key that hold the expert."""
    return max(1, (experts - 1).bit_length())


def whole_loads(loads: Array) -> Array:
    """Loads in units of 2^-38 of the pool's heaviest expert, integers in float64: their sums are exact."""
    heaviest = xp.max(loads, 1)[:, None]
    return xp.round(loads / xp.where(heaviest > 0, heaviest, 1.0) * SCALE)


def replica_keys(
    loads: Array, slots: int, ranks: int, max_count: int, variants: int = 1, won: Array | None = None
) -> Array:
    """Keys of all replicas, int32 [variants * pools, slots], lightest first within a pool (variant 0) or nearly so.

    Parameters
    ----------
    loads : array [pools, experts], float64
    max_count : most replicas of an expert.
    variants : count vectors tried for each pool. Number 0 has the greedy's counts; the others have counts by
        ``w / (k + beta)`` with fixed noise, and a perturbed order of replicas (or only that, without redundancy).
    won : array [pools, slots - experts], optional
        The experts of the extra copies, instead of the greedy's choice.
    """
    pools, experts = loads.shape
    bits = expert_bits(experts)
    whole = whole_loads(loads)
    extra = slots - experts
    if extra and won is None:
        won = extra_copies(whole, extra, max_count, variants)
    if variants > 1:
        whole = xp.tile(whole, (variants, 1))
    keys, _ = keys_of_copies(whole, won, ranks)
    return xp.sort(keys) if variants == 1 else _perturbed_order(keys, pools, bits)


def keys_of_copies(whole: Array, won: Array | None, ranks: int) -> tuple[Array, Array]:
    """Keys of all replicas in no order, int32 [pools, slots], and the pools' bounds, in the unit of the whole loads.

    Of `whole_loads` [pools, experts] and the experts of the extra copies [pools, slots - experts].
    """
    experts, at = whole.shape[1], xp.device(whole)
    each = whole if won is None else whole / (xp.bincount(won, experts) + 1.0)
    bound = pool_bound(whole, each, ranks)
    # A power of two over a tensor is rounded once on CUDA as well.
    keys = xp.round(each * (UNIT / bound)[:, None])
    keys = xp.astype(keys, xp.int32) << expert_bits(experts) | xp.astype(xp.arange(0, experts, at), xp.int32)
    if won is not None:
        keys = xp.concat((keys, xp.take_along_axis(keys, won)), 1)
    return keys, bound


def pool_bound(whole: Array, each: Array, ranks: int) -> Array:
    """``max(mean, heaviest replica)`` of whole loads and those of a replica, [pools, experts]; 1 if all are zero."""
    bound = xp.maximum(xp.divide(xp.sum(whole, 1, xp.float64), ranks), xp.max(each, 1))
    return xp.where(bound > 0, bound, 1.0)


def extra_copies(whole: Array, extra: int, max_count: int, variants: int) -> Array:
    """The experts that win the extra copies, [variants * pools, extra]: the largest values of ``w_e / k``."""
    pools, experts = whole.shape
    bits, at = expert_bits(experts), xp.device(whole)
    position, copies, tie, noise, beta = candidates(experts, extra, max_count, variants, at)
    top = int(min(extra, experts)) if max_count > extra else experts
    keys = xp.astype(whole, xp.int64) << bits | (experts - 1 - xp.arange(0, experts, at))
    keys = xp.flip(largest(keys, top))
    order = (experts - 1) - (keys & ((1 << bits) - 1))
    value = xp.take(xp.astype(keys >> bits, xp.float64), position, 1)
    if variants == 1:
        value = value / copies
    else:
        value = (value * noise[:, None] / (copies + beta[:, None, None])).reshape(variants * pools, -1)
        order = xp.tile(order, (variants, 1))
    shift = len(tie).bit_length()
    ranked = xp.astype(value, xp.int64) << shift | tie
    chosen = (len(tie) - 1) - (largest(ranked, extra) & ((1 << shift) - 1))
    return xp.take_along_axis(order, xp.take(position, chosen.reshape(-1), 0).reshape(chosen.shape))


@functools.cache
def candidates(experts: int, extra: int, max_count: int, variants: int, at: Device) -> tuple[Array, ...]:
    """Pairs (position in the sorted loads, copies k so far) that can win an extra copy, with ties, noise and beta.

    Only pairs with ``(position + 1) * k <= extra`` can be among the largest (``models/README.md``, L0b); where the cap
    on counts binds, or noise reorders the values, all pairs are candidates, up to the cap.
    """
    position, copies = water_filling.candidates(experts, extra, max_count, reach=1 if variants == 1 else 2)
    count = len(copies)
    tie = np.arange(count - 1, -1, -1)
    noise = 1.0 + 0.25 * spread(variants)[:, None] * uniform(variants, count)
    beta = 0.5 * uniform(variants, 1)[:, 0] * (spread(variants) > 0)
    return tuple(xp.asarray(t, at) for t in (position, copies.astype(np.float64), tie, noise, beta))


def spread(variants: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """How far each variant strays, [variants]: none for number 0, more for later ones."""
    return np.arange(variants) / max(variants - 1, 1)


def uniform(rows: int, columns: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """A fixed table of numbers in [-1, 1), the same on every platform (splitmix64 of the index)."""
    with np.errstate(over="ignore"):
        z = (np.arange(rows * columns, dtype=np.uint64) + np.uint64(1)) * GOLDEN
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return ((z >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1.0).reshape(rows, columns)


def _perturbed_order(keys: Array, pools: int, bits: int) -> Array:
    """Keys of each variant sorted by a load that is a little off; variant 0 by its own."""
    variants, slots = len(keys) // pools, keys.shape[1]
    noise = _order_noise(variants, slots, xp.device(keys))
    about = xp.astype(xp.astype(keys >> bits, xp.float64).reshape(variants, pools, slots) * noise[:, None], xp.int64)
    composite = about.reshape(len(keys), slots) << 31 | keys
    return xp.astype(xp.sort(composite) & 0x7FFFFFFF, xp.int32)


@functools.cache
def _order_noise(variants: int, slots: int, at: Device) -> Array:
    return xp.asarray(1.0 + 0.2 * spread(variants)[:, None] * uniform(variants, slots), at)
