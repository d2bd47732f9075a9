"""The best packing of given counts when every rank has two slots (proofs: ``models/README.md``, X2 and X3)."""

from __future__ import annotations

import numpy as np

from ..problem.pool import Floats, Ints, Packing, Pool

BISECTIONS = 60


def pair_counts(pool: Pool, counts: Ints) -> Packing | None:
    """The best packing with these counts, slots_per_rank = 2; None if ``distinct`` allows none.

    Parameters
    ----------
    counts : array [experts], int64, >= 1, with sum ``pool.slots``.
    """
    if pool.distinct and (counts > pool.ranks).any():
        return None
    values, experts = _replicas(pool, counts)
    pairs = np.stack([experts[: pool.ranks], experts[: pool.ranks - 1 : -1]], axis=1)
    if not pool.distinct or not (pairs[:, 0] == pairs[:, 1]).any():
        return Packing(pairs)
    low, high = float((values + values[::-1]).max()), 2 * float(values[0])
    best = pair_distinct(pool, counts, high)
    if best is None:
        return None
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        if not low < middle < high:
            break
        found = pair_distinct(pool, counts, middle)
        low, high = (middle, high) if found is None else (low, middle)
        best = found or best
    return best


def pair_distinct(pool: Pool, counts: Ints, limit: float) -> Packing | None:
    """A packing with these counts, no expert twice on a rank, within the limit up to rounding; None: there is none.

    Replicas above half the limit take the lightest ones. If one expert then has more than half of what is left, it
    replaces companions of the heavy replicas that it fits. What is left is paired across the middle of the list.
    """
    values, experts = _replicas(pool, counts)
    heavy = int((values > limit / 2).sum())
    if heavy > pool.ranks:
        return None
    mates = np.arange(values.size - 1, values.size - 1 - heavy, -1)
    if (values[mates] > limit - values[:heavy]).any():
        return None
    rest = np.arange(heavy, values.size - heavy)
    crowd = crowded(pool, counts, limit)
    if crowd is not None:
        return None
    copies = np.bincount(experts[rest], minlength=pool.num_experts)
    expert = int(copies.argmax())
    surplus = int(copies[expert]) - (pool.ranks - heavy)
    if surplus > 0:
        fits = pool.loads[expert] / counts[expert] <= limit - values[:heavy]
        swap = np.flatnonzero(fits & (experts[mates] != expert))[:surplus]
        spare = rest[experts[rest] == expert][:surplus]
        freed = mates[swap].copy()
        mates[swap] = spare
        rest = np.concatenate([rest[~np.isin(rest, spare)], freed])
    rest = rest[np.argsort(experts[rest], kind="stable")]
    half = rest.size // 2
    first, second = np.concatenate([np.arange(heavy), rest[:half]]), np.concatenate([mates, rest[half:]])
    return Packing(np.stack([experts[first], experts[second]], axis=1))


def crowded(pool: Pool, counts: Ints, limit: float) -> int | None:
    """An expert that rules out a packing without repetitions within the limit, or None.

    Expert e with replicas of load b <= limit / 2 needs ``c_e + #(replicas a with a + b > limit) <= ranks``.
    """
    values = pool.loads / counts
    for expert in np.argsort(-counts, kind="stable"):
        if 2 * counts[expert] <= pool.ranks:
            blocked = int(counts[(values > limit / 2)].sum())
            if counts[expert] + blocked <= pool.ranks:
                continue
        if values[expert] > limit / 2:
            continue
        blocked = int(counts[(values > limit / 2) & (values[expert] > limit - values)].sum())
        if counts[expert] + blocked > pool.ranks:
            return int(expert)
    return None


def _replicas(pool: Pool, counts: Ints) -> tuple[Floats, Ints]:
    """Load and expert of every replica, heaviest first, [slots] each; ties by expert."""
    values = pool.loads / counts
    order = np.argsort(-values, kind="stable")
    experts = np.repeat(order, counts[order])
    return values[experts], experts.astype(np.int64)
