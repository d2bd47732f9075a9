"""Slots of a rank that stay what they were: fewer weights are copied."""

from __future__ import annotations

import numpy as np

from ..problem.pool import Ints


def keep_slots(new: Ints, old: Ints) -> Ints:
    """Reorder the slots of each rank so that experts which were there keep their slot.

    Parameters
    ----------
    new : array [layers, ranks, slots a rank]
    old : array [layers, ranks, any slots a rank]
        -1 is an empty slot, which nobody keeps.

    Returns
    -------
    array [layers, ranks, slots a rank], int64
        The same experts on every rank as in ``new``.

    Examples
    --------
    >>> import numpy as np
    >>> keep_slots(np.array([[[5, 7, 9]]]), np.array([[[9, 1, 5]]])).tolist()
    [[[9, 7, 5]]]
    """
    layers, ranks, slots = new.shape
    # One row a rank of a layer.
    fresh = new.reshape(layers * ranks, slots)
    before = old.reshape(layers * ranks, -1)
    if fresh.shape == before.shape:  # most ranks keep all they have
        changed = np.flatnonzero((fresh != before).any(axis=1))
        result = fresh.astype(np.int64)
        result[changed] = _kept(fresh[changed], before[changed])
        return result.reshape(layers, ranks, slots)
    return _kept(fresh, before).reshape(layers, ranks, slots)


def _kept(fresh: Ints, before: Ints) -> Ints:
    """The slots of each row reordered, [rows, slots]."""
    slots = fresh.shape[1]
    rows = np.arange(len(fresh))
    result = np.full(fresh.shape, -1, dtype=np.int64)
    is_free = np.ones(fresh.shape, dtype=bool)  # replicas not yet placed
    for slot in range(min(slots, before.shape[1])):
        match = is_free & (fresh == before[:, slot, None])
        chosen = match.argmax(axis=1)
        kept = match[rows, chosen]
        result[kept, slot] = before[kept, slot]
        is_free[rows[kept], chosen[kept]] = False
    # Both in row order, and as many open slots as free replicas in every row.
    result[result < 0] = fresh[is_free]
    return result
