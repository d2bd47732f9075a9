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
# Keys of a row up to which numpy sorts it as fast as it finds the largest.
NETWORK = 256
GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def largest(keys: Array, count: int) -> Array:
    """The ``count`` largest of each row in ascending order; the rows are lost."""
    if isinstance(keys, np.ndarray) and keys.shape[1] > NETWORK:
        partitioned = np.partition(keys, keys.shape[1] - count, axis=1)
        keys = np.ascontiguousarray(partitioned[:, -count:])
    return xp.sort(keys)[:, -count:]


def expert_bits(experts: int) -> int:
    """Bits of a key that hold the expert."""
    return max(1, (experts - 1).bit_length())


def whole_loads(loads: Array) -> Array:
    """Loads in units of 2^-38 of the pool's heaviest expert, integers in float64: their sums are exact."""
    heaviest = xp.max(loads, 1)[:, None]
    divisor = xp.where(heaviest > 0, heaviest, 1.0)
    return xp.round(loads / divisor * SCALE)


def replica_keys(
    loads: Array,
    slots: int,
    ranks: int,
    max_count: int,
    variants: int = 1,
    extra: Array | None = None,
) -> tuple[Array, Array]:
    """Keys of all replicas, lightest first within a pool (variant 0) or nearly so.

    Parameters
    ----------
    loads : array [pools, experts], float64
    slots, ranks : int
        Of a pool.
    max_count : int
        Most replicas of an expert.
    variants : int
        Count vectors tried for each pool. Number 0 has the greedy's counts; the others have counts by
        ``w / (k + beta)`` with fixed noise, and a perturbed order of replicas (or only that, without redundancy).
    extra : array [pools, slots - experts], optional
        The experts of the extra copies, instead of the greedy's choice.

    Returns
    -------
    keys : array [variants * pools, slots], int32
    bounds : array [variants * pools], float64
        What `UNIT` is worth in each.
    """
    pools, experts = loads.shape
    whole = whole_loads(loads)
    if slots > experts and extra is None:
        extra = extra_copies(whole, slots - experts, max_count, variants)
    if variants > 1:
        whole = xp.tile(whole, (variants, 1))
    keys, bounds = keys_of_copies(whole, extra, ranks)
    if variants == 1:
        return xp.sort(keys), bounds
    return _perturbed_order(keys, pools, expert_bits(experts)), bounds


def keys_of_copies(
    whole: Array, extra: Array | None, ranks: int
) -> tuple[Array, Array]:
    """Keys of all replicas in no order, int32 [pools, slots], and the pools' bounds, in the unit of the whole loads.

    Of `whole_loads` [pools, experts] and the experts of the extra copies [pools, slots - experts].
    """
    experts = whole.shape[1]
    per_replica = (
        whole if extra is None else whole / (xp.bincount(extra, experts) + 1.0)
    )
    bound = pool_bound(whole, per_replica, ranks)
    unit = UNIT / bound  # a power of two over a tensor is rounded once on CUDA as well
    quantised = xp.astype(xp.round(per_replica * unit[:, None]), xp.int32)
    expert = xp.astype(xp.arange(0, experts, xp.device(whole)), xp.int32)
    keys = quantised << expert_bits(experts) | expert
    if extra is not None:
        keys = xp.concat((keys, xp.take_along_axis(keys, extra)), 1)
    return keys, bound


def pool_bound(whole: Array, per_replica: Array, ranks: int) -> Array:
    """``max(mean, heaviest replica)`` of whole loads and those of a replica, [pools, experts]; 1 if all are zero."""
    mean = xp.divide(xp.sum(whole, 1, xp.float64), ranks)
    bound = xp.maximum(mean, xp.max(per_replica, 1))
    return xp.where(bound > 0, bound, 1.0)


def extra_copies(whole: Array, extra: int, max_count: int, variants: int) -> Array:
    """The experts that win the extra copies by water-filling: the largest values of ``w_e / k``.

    As `problem.water_filling`, on integers: whole loads without ties between experts, and values cut to integers
    without ties between pairs, so that every device finds the same ones whatever it sorts with.

    Parameters
    ----------
    whole : array [pools, experts], float64
        Of `whole_loads`.
    extra : int
        Copies to win.
    max_count, variants : int
        As for `replica_keys`.

    Returns
    -------
    array [variants * pools, extra], int64
    """
    pools, experts = whole.shape
    device = xp.device(whole)
    position, copies, tie, noise, beta = candidates(
        experts, extra, max_count, variants, device
    )
    # That may win.
    sorted_experts = int(min(extra, experts)) if max_count > extra else experts
    # Load and expert in one integer, the expert counted backwards: of equal loads the lowest one has the largest key.
    bits = expert_bits(experts)
    keys = xp.astype(whole, xp.int64) << bits | (
        experts - 1 - xp.arange(0, experts, device)
    )
    keys = xp.flip(largest(keys, sorted_experts))
    order = (experts - 1) - (keys & ((1 << bits) - 1))
    value = xp.take(xp.astype(keys >> bits, xp.float64), position, 1)
    if variants == 1:
        value = value / copies
    else:
        value = value * noise[:, None] / (copies + beta[:, None, None])
        value = value.reshape(variants * pools, -1)
        order = xp.tile(order, (variants, 1))
    # Value and pair in one integer; ties count backwards, too.
    shift = len(tie).bit_length()
    ranked = xp.astype(value, xp.int64) << shift | tie
    pair = (len(tie) - 1) - (largest(ranked, extra) & ((1 << shift) - 1))
    winner = xp.take(position, pair.reshape(-1), 0).reshape(pair.shape)
    return xp.take_along_axis(order, winner)


@functools.cache
def candidates(
    experts: int, extra: int, max_count: int, variants: int, device: Device
) -> tuple[Array, ...]:
    """Pairs (position in the sorted loads, copies k so far) that can win an extra copy, with ties, noise and beta.

    Those of `water_filling.candidates` (``models/README.md``, L0b); where noise reorders the values, twice as far.
    """
    position, copies = water_filling.candidates(
        experts, extra, max_count, reach=1 if variants == 1 else 2
    )
    number = len(copies)
    tie = np.arange(number - 1, -1, -1)
    how_far = spread(variants)
    noise = 1.0 + 0.25 * how_far[:, None] * uniform(variants, number)
    beta = 0.5 * uniform(variants, 1)[:, 0] * (how_far > 0)
    tables = (position, copies.astype(np.float64), tie, noise, beta)
    return tuple(xp.asarray(table, device) for table in tables)


def spread(variants: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """How far each variant strays, [variants]: none for number 0, more for later ones."""
    return np.arange(variants) / max(variants - 1, 1)


def uniform(
    rows: int, columns: int
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """A fixed table of numbers in [-1, 1), the same on every platform (splitmix64 of the index)."""
    with np.errstate(over="ignore"):  # integers modulo 2^64 are meant
        z = (np.arange(rows * columns, dtype=np.uint64) + np.uint64(1)) * GOLDEN
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    # 53 bits, as many as a float64 holds exactly.
    upper = (z >> np.uint64(11)).astype(np.float64)
    return (upper * 2.0**-52 - 1.0).reshape(rows, columns)


def _perturbed_order(keys: Array, pools: int, bits: int) -> Array:
    """Keys of each variant sorted by a load that is a little off; variant 0 by its own."""
    slots = keys.shape[1]
    variants = len(keys) // pools
    noise = _order_noise(variants, slots, xp.device(keys))
    load = xp.astype(keys >> bits, xp.float64).reshape(variants, pools, slots)
    about = xp.astype(load * noise[:, None], xp.int64).reshape(len(keys), slots)
    by_load_about = xp.sort(about << 31 | keys)  # a key has 31 bits
    return xp.astype(by_load_about & 0x7FFFFFFF, xp.int32)


@functools.cache
def _order_noise(variants: int, slots: int, device: Device) -> Array:
    return xp.asarray(
        1.0 + 0.2 * spread(variants)[:, None] * uniform(variants, slots), device
    )
