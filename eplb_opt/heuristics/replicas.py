"""Replicas of many pools at once, as integers: counts by water-filling, loads quantised, one sortable key a replica.

A *key* is ``load << bits | expert`` with the load in units of 2^-20 of the pool's bound ``max(mean, heaviest replica)``
(L0 for these counts). Keys of a pool are ordered without ties between experts, and sums of loads are exact, so every
device and every thread count gives the same bits. Loads are brought to integers below 2^38 before anything is added.
"""

from __future__ import annotations

import functools

import numpy as np
import torch

UNIT = 1 << 20  # a pool's bound in quantised load
SCALE = 2.0**38  # the heaviest expert before counts are chosen
NETWORK = 256  # keys of a row up to which numpy sorts it as fast as it finds the largest
GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def sort_rows(keys: torch.Tensor) -> torch.Tensor:
    """Rows in ascending order; numpy's vectorised sort, in place, where the tensor is on the CPU."""
    if keys.device.type == "cpu":
        keys.numpy().sort(axis=-1)
        return keys
    return torch.sort(keys, dim=-1).values


def largest(keys: torch.Tensor, count: int) -> torch.Tensor:
    """The ``count`` largest of each row in ascending order; the rows are lost."""
    if keys.device.type == "cpu" and keys.shape[1] > NETWORK:
        top = np.partition(keys.numpy(), keys.shape[1] - count, axis=1)[:, -count:]
        return sort_rows(torch.from_numpy(np.ascontiguousarray(top)))
    return sort_rows(keys)[:, -count:]


def expert_bits(experts: int) -> int:
    """Bits of a key that hold the expert."""
    return max(1, (experts - 1).bit_length())


def replica_keys(
    loads: torch.Tensor, slots: int, ranks: int, max_count: int, variants: int = 1, won: torch.Tensor | None = None
) -> torch.Tensor:
    """Keys of all replicas, int32 [variants * pools, slots], lightest first within a pool (variant 0) or nearly so.

    Parameters
    ----------
    loads : tensor [pools, experts], float64
    max_count : most replicas of an expert.
    variants : count vectors tried for each pool. Number 0 has the greedy's counts; the others have counts by
        ``w / (k + beta)`` with fixed noise, and a perturbed order of replicas (or only that, without redundancy).
    won : tensor [pools, slots - experts], optional
        The experts of the extra copies, instead of the greedy's choice.
    """
    pools, experts = loads.shape
    bits = expert_bits(experts)
    index = torch.arange(experts, device=loads.device)
    heaviest = loads.amax(1, keepdim=True)
    whole = (loads / torch.where(heaviest > 0, heaviest, 1.0)).mul_(SCALE).round_()  # integers: sums are exact
    extra = slots - experts
    if extra and won is None:
        won = extra_copies(whole, extra, max_count, variants)
    if variants > 1:
        whole = whole.repeat(variants, 1)
    each = whole
    if won is not None:
        one = torch.ones((), dtype=torch.float64, device=loads.device).expand_as(won)
        each = whole / torch.ones_like(whole).scatter_add_(1, won, one)
    bound = torch.maximum(whole.sum(1, keepdim=True) / ranks, each.amax(1, keepdim=True))
    keys = (each * (UNIT / torch.where(bound > 0, bound, 1.0))).round_().to(torch.int32)
    keys = keys.bitwise_left_shift_(bits).bitwise_or_(index)
    if won is not None:
        keys = torch.cat((keys, keys.gather(1, won)), 1)
    return sort_rows(keys) if variants == 1 else _perturbed_order(keys, pools, bits)


def extra_copies(whole: torch.Tensor, extra: int, max_count: int, variants: int) -> torch.Tensor:
    """The experts that win the extra copies, [variants * pools, extra]: the largest values of ``w_e / k``."""
    pools, experts = whole.shape
    bits = expert_bits(experts)
    position, copies, tie, noise, beta = candidates(experts, extra, max_count, variants, whole.device)
    top = int(min(extra, experts)) if max_count > extra else experts
    keys = whole.to(torch.int64).bitwise_left_shift_(bits)
    keys = keys.bitwise_or_(torch.arange(experts - 1, -1, -1, device=whole.device))
    keys = largest(keys, top).flip(1)
    order = (experts - 1) - (keys & ((1 << bits) - 1))
    value = (keys >> bits).to(torch.float64).index_select(1, position)
    if variants == 1:
        value = value / copies
    else:
        value = (value * noise[:, None] / (copies + beta[:, None, None])).view(variants * pools, -1)
        order = order.repeat(variants, 1)
    shift = len(tie).bit_length()
    ranked = value.to(torch.int64).bitwise_left_shift_(shift).bitwise_or_(tie)
    chosen = (len(tie) - 1) - (largest(ranked, extra) & ((1 << shift) - 1))
    return order.gather(1, position[chosen])


@functools.lru_cache(maxsize=64)
def candidates(
    experts: int, extra: int, max_count: int, variants: int, device: torch.device
) -> tuple[torch.Tensor, ...]:
    """Pairs (position in the sorted loads, copies k so far) that can win an extra copy, with ties, noise and beta.

    Only pairs with ``(position + 1) * k <= extra`` can be among the largest (``models/README.md``, L0b); where the cap
    on counts binds, or noise reorders the values, all pairs are candidates, up to the cap.
    """
    most = min(extra, max_count - 1)
    k = torch.arange(1, most + 1)[:, None]
    i = torch.arange(1, experts + 1)[None, :]
    reach = 1 if variants == 1 else 2
    allowed = k * i <= reach * extra if max_count > extra else torch.ones_like(k * i, dtype=torch.bool)
    if max_count > extra:
        allowed &= i <= extra
    less, position = torch.nonzero(allowed, as_tuple=True)
    count = len(less)
    tie = torch.arange(count - 1, -1, -1)
    noise = torch.from_numpy(1.0 + 0.25 * spread(variants)[:, None] * uniform(variants, count))
    beta = torch.from_numpy(0.5 * uniform(variants, 1)[:, 0] * (spread(variants) > 0))
    return tuple(t.to(device) for t in (position, (less + 1).to(torch.float64), tie, noise, beta))


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


def _perturbed_order(keys: torch.Tensor, pools: int, bits: int) -> torch.Tensor:
    """Keys of each variant sorted by a load that is a little off; variant 0 by its own."""
    variants, slots = len(keys) // pools, keys.shape[1]
    noise = _order_noise(variants, slots, keys.device)
    about = ((keys >> bits).view(variants, pools, slots).to(torch.float64) * noise[:, None]).to(torch.int64)
    composite = about.view(len(keys), slots).bitwise_left_shift_(31).bitwise_or_(keys.to(torch.int64))
    return (sort_rows(composite) & 0x7FFFFFFF).to(torch.int32)


@functools.lru_cache(maxsize=64)
def _order_noise(variants: int, slots: int, device: torch.device) -> torch.Tensor:
    return torch.from_numpy(1.0 + 0.2 * spread(variants)[:, None] * uniform(variants, slots)).to(device)
