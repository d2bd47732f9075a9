"""Pools with very hot experts, packed again with other counts (`crowded`): the better packing is kept."""

from __future__ import annotations

from types import ModuleType

import numpy as np

from . import arrays as xp
from .arrays import Array
from .crowded import CLOSE, MORE_STEPS, num_tried, other_copies
from .deal import deal, experts_in_slots
from .greedy_check import heaviest_load
from .kernels import fused_kernels
from .replicas import expert_bits, keys_of_copies, whole_loads
from .variants import best_variants, schedule_of


def relieved(
    loads: Array,
    again: Array,
    placed: Array,
    ranks: int,
    max_count: int,
    steps: int,
    kernel: ModuleType | None,
) -> Array:
    """The maps, [pools, slots], where some pools [pools] have the best packing of `other_copies` if it is better.

    On the CPU these pools alone are packed again; elsewhere all, as nothing here waits for the device.
    """
    steps += MORE_STEPS
    fused = fused_kernels(loads, placed.shape[1], ranks)
    if fused is not None:
        schedule = tuple(schedule_of(ranks, steps))
        found: Array = fused.relieve_fused(
            loads, again, placed, ranks, max_count, schedule
        )
        return found
    rows = np.flatnonzero(again) if isinstance(again, np.ndarray) else slice(None)
    loads = loads[rows]
    if not len(loads):
        return placed
    was = placed[rows]
    counts_so_far = xp.bincount(was, loads.shape[1])
    other = _packed_otherwise(
        loads, counts_so_far, placed.shape[1], ranks, max_count, steps, kernel
    )
    counts = xp.bincount(other, loads.shape[1])
    before = heaviest_load(loads, was, ranks, counts_so_far)
    after = heaviest_load(loads, other, ranks, counts)
    is_allowed = xp.max(counts, 1) <= max_count
    is_better = again[rows] & (after < before) & is_allowed
    placed[rows] = xp.where(is_better[:, None], other, was)  # type: ignore[assignment]
    return placed


def _packed_otherwise(
    loads: Array,
    counts: Array,
    slots: int,
    ranks: int,
    max_count: int,
    steps: int,
    kernel: ModuleType | None,
) -> Array:
    """The best packing of each pool with `other_copies` than those of counts [pools, experts], [pools, slots]."""
    bits = expert_bits(loads.shape[1])
    whole = whole_loads(loads)
    copies = other_copies(whole, counts, slots, ranks, max_count)
    tried = num_tried(slots, ranks)
    keys, bounds = keys_of_copies(xp.tile(whole, (tried, 1)), copies, ranks)
    bounds = bounds.reshape(tried, -1)
    units = bounds / xp.min(bounds, 0)
    packing = deal(xp.sort(keys), bits, ranks)
    packing = best_variants(packing, bits, tried, steps, CLOSE, kernel, units)
    return experts_in_slots(packing, bits)
