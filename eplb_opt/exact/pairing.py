"""The best packing of given counts when every rank has two slots (proofs: ``models/README.md``, X2 and X3)."""

from __future__ import annotations

import numpy as np

from ..problem.pool import Floats, Ints, Packing, Pool

BISECTIONS = 60


def pair_counts(pool: Pool, counts: Ints) -> Packing | None:
    """The best packing with these counts (X2; with ``distinct`` X3).

    Parameters
    ----------
    pool : Pool
        With two slots a rank.
    counts : array [experts], int64
        >= 1, with sum ``pool.slots``.

    Returns
    -------
    Packing or None
        None: ``distinct`` allows none.
    """
    if pool.distinct and (counts > pool.ranks).any():
        return None
    values, experts = _replicas(pool, counts)
    heavier = experts[: pool.ranks]
    # the lightest first: it goes with the heaviest
    lighter = experts[: pool.ranks - 1 : -1]
    pairs = np.stack([heavier, lighter], axis=1)
    if not pool.distinct or not (pairs[:, 0] == pairs[:, 1]).any():
        return Packing(pairs)
    # what the pairs need that ``distinct`` does not allow
    needed = float((values + values[::-1]).max())
    return _halved(pool, counts, needed, 2 * float(values[0]))


def _halved(pool: Pool, counts: Ints, low: float, high: float) -> Packing | None:
    """The packing with the least limit between two, up to rounding; None: there is none at the higher one."""
    best = pair_distinct(pool, counts, high)
    if best is None:
        return None
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        if not low < middle < high:
            break
        packing = pair_distinct(pool, counts, middle)
        if packing is None:
            low = middle
        else:
            high = middle
            best = packing
    return best


def pair_distinct(pool: Pool, counts: Ints, limit: float) -> Packing | None:
    """A packing with these counts, no expert twice on a rank, within a limit up to rounding (X3).

    Replicas above half the limit take the lightest ones. If one expert then has more than half of what is left, it
    replaces companions of the heavy replicas that it fits. What is left is paired across the middle of the list.

    Parameters
    ----------
    pool : Pool
        With two slots a rank.
    counts : array [experts], int64
        >= 1, with sum ``pool.slots``.
    limit : float
        Of a pair, in the unit of the loads.

    Returns
    -------
    Packing or None
        None: there is none.
    """
    values, experts = _replicas(pool, counts)
    heavy = int((values > limit / 2).sum())
    if heavy > pool.ranks:
        return None
    lightest = values.size - 1
    mates = np.arange(lightest, lightest - heavy, -1)
    room = limit - values[:heavy]
    if (values[mates] > room).any():
        return None
    if crowded(pool, counts, limit) is not None:
        return None
    rest = np.arange(heavy, values.size - heavy)
    copies = np.bincount(experts[rest], minlength=pool.num_experts)
    expert = int(copies.argmax())
    open_ranks = pool.ranks - heavy
    surplus = int(copies[expert]) - open_ranks
    if surplus > 0:
        load = pool.loads[expert] / counts[expert]
        has_others = experts[mates] != expert
        swap = np.flatnonzero((load <= room) & has_others)[:surplus]
        spare = rest[experts[rest] == expert][:surplus]
        rest = _swapped(rest, mates, swap, spare)
    one, other = _halves(rest, experts)
    first = np.concatenate([np.arange(heavy), one])
    second = np.concatenate([mates, other])
    return Packing(np.stack([experts[first], experts[second]], axis=1))


def _halves(rest: Ints, experts: Ints) -> tuple[Ints, Ints]:
    """Replicas in two halves that differ in the expert everywhere, as no expert has more than half of them."""
    # sorted by expert, places half the list apart hold different ones
    by_expert = rest[np.argsort(experts[rest], kind="stable")]
    half = rest.size // 2
    return by_expert[:half], by_expert[half:]


def _swapped(rest: Ints, mates: Ints, swap: Ints, spare: Ints) -> Ints:
    """What is left once spare replicas have replaced the companions at ``swap``; ``mates`` is changed."""
    kept = rest[~np.isin(rest, spare)]
    freed = mates[swap].copy()
    mates[swap] = spare
    return np.concatenate([kept, freed])


def crowded(pool: Pool, counts: Ints, limit: float) -> int | None:
    """An expert that rules out a packing without repetitions within a limit (X3).

    Expert e with replicas of load b <= limit / 2 needs ``c_e + #(replicas a with a + b > limit) <= ranks``.

    Parameters
    ----------
    pool : Pool
        With two slots a rank.
    counts : array [experts], int64
    limit : float
        Of a pair, in the unit of the loads.

    Returns
    -------
    int or None
        None: there is none.
    """
    values = pool.loads / counts
    heavy = values > limit / 2
    all_heavy = int(counts[heavy].sum())
    for expert in np.argsort(-counts, kind="stable"):
        own = counts[expert]
        if heavy[expert]:
            continue
        # even if it fits beside no heavy one
        if 2 * own <= pool.ranks and own + all_heavy <= pool.ranks:
            continue
        is_too_heavy = values[expert] > limit - values
        blocked = int(counts[heavy & is_too_heavy].sum())
        if own + blocked > pool.ranks:
            return int(expert)
    return None


def _replicas(pool: Pool, counts: Ints) -> tuple[Floats, Ints]:
    """Load and expert of every replica, heaviest first, [slots] each; ties by expert."""
    values = pool.loads / counts
    order = np.argsort(-values, kind="stable")
    experts = np.repeat(order, counts[order])
    return values[experts], experts.astype(np.int64)
