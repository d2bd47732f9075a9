"""Slots of a map that stay what they were: fewer weights are copied."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

Slots = npt.NDArray[np.int64]


def keep_slots(new: Slots, old: Slots, num_ranks: int) -> Slots:
    """Reorder the slots of each rank so that experts which were there keep their slot.

    Parameters
    ----------
    new, old : array [layers, slots]
        -1 in ``old`` is an empty slot, which nobody keeps.

    Returns
    -------
    array [layers, slots]
        The same experts on every rank as in ``new``.
    """
    layers, slots = new.shape
    # One row a rank of a layer.
    fresh = new.reshape(layers * num_ranks, -1)
    before = old.reshape(layers * num_ranks, -1)
    rows = np.arange(len(fresh))
    result = np.full_like(fresh, -1)
    is_free = np.ones(fresh.shape, dtype=bool)  # replicas not yet placed
    for slot in range(slots // num_ranks):
        match = is_free & (fresh == before[:, slot, None])
        chosen = match.argmax(axis=1)
        kept = match[rows, chosen]
        result[kept, slot] = before[kept, slot]
        is_free[rows[kept], chosen[kept]] = False
    # Both in row order, and as many open slots as free replicas in every row.
    result[result < 0] = fresh[is_free]
    return result.reshape(layers, slots)


def of_width(old: Any, width: int) -> Slots:
    """The first slots of an old map, -1 where it was narrower; an empty array where there is none to read."""
    none = np.empty((0, 0), dtype=np.int64)
    if old is None:
        return none
    try:
        before = np.asarray(torch.as_tensor(old).cpu())
    except (ValueError, TypeError, RuntimeError):
        return none
    if before.ndim != 2 or before.dtype.kind not in "iu":
        return none
    result = np.full((len(before), width), -1, dtype=np.int64)
    common = min(width, before.shape[1])
    result[:, :common] = before[:, :common]
    return result
