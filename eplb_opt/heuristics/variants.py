"""Exchange steps on several packings of each pool, its variants; the better ones are kept as steps are made."""

from __future__ import annotations

from types import ModuleType

import numpy as np

from . import arrays as xp
from .arrays import Array
from .exchange import MOST_PARTNERS, Schedule, exchanges, rank_bits
from .replicas import UNIT
from .splits import FULL_SPLITS, split_arrays

FEW_SLOTS = 96  # so few that more variants cost little
VARIANT_BITS = 6
MOST_VARIANTS = 24  # of the numbers that these bits hold
VARIANT_SLOTS = 512  # variants * slots of a pool; twice that where the slots are few
FITTED_SLOTS = 3  # of a rank, where variants are packed by best fit, too
LEAST_FITTED = 4
MOST_DEALT = 16  # variants that are dealt where others are fitted
TURN_FROM = 6  # from this step on, every other step turns slots; before that only rough packings do
ROUGH = UNIT + UNIT // 50
OPENING = (2, 3, 4, 6, 8)  # ranks / heavy ranks, step by step
CYCLE = (16, 6, 24)


def num_variants(slots: int, ranks: int) -> int:
    """Variants tried for each pool: more for small pools, where counts and packing must be chosen together."""
    if slots // ranks in (1, 2) or slots // ranks >= FULL_SPLITS or ranks == 1:
        return 1
    budget = VARIANT_SLOTS if slots > FEW_SLOTS else 2 * VARIANT_SLOTS
    most = MOST_DEALT if slots == FITTED_SLOTS * ranks else MOST_VARIANTS
    return max(1, min(most, budget // slots))


def num_fitted(slots: int, ranks: int) -> int:
    """Variants that are packed by best fit besides (`fits`): where others are tried, with three slots a rank."""
    if slots != FITTED_SLOTS * ranks or num_variants(slots, ranks) == 1:
        return 0
    return max(LEAST_FITTED, min(MOST_VARIANTS, 2 * VARIANT_SLOTS // slots))


def schedule_of(ranks: int, steps: int) -> Schedule:
    """Of every step the heavy ranks, the partners of each, and the load above which slots are turned."""
    schedule = []
    for step in range(steps):
        heavy, partners = pairs(ranks, step)
        only_rough = step < TURN_FROM or step % 2
        schedule.append((heavy, partners, ROUGH if only_rough else 0))
    return schedule


def pairs(ranks: int, step: int) -> tuple[int, int]:
    """Heavy ranks and partners of each in a step: many heavy ranks first, then many partners."""
    share = (
        OPENING[step]
        if step < len(OPENING)
        else CYCLE[(step - len(OPENING)) % len(CYCLE)]
    )
    fewest = -(-ranks // (MOST_PARTNERS + 1))
    heavy = max(1, ranks // share, fewest)
    return heavy, min(MOST_PARTNERS, (ranks - heavy) // heavy)


def best_variants(
    state: Array,
    bits: int,
    variants: int,
    steps: int,
    goal: Array | int,
    kernel: ModuleType | None,
    units: Array | None = None,
) -> Array:
    """The packings of each pool's best variant after the steps.

    Parameters
    ----------
    state : array [slots a rank, ranks, variants * pools], int32 keys
    bits : int
        Bits of a key that hold the expert.
    variants, steps : int
    goal : int or array [pools]
        Quantised rank load that is good enough.
    kernel : module, optional
        Of `kernels.exchange_kernel`.
    units : array [variants, pools], optional
        How large the variants' units of load are, if these differ.

    Returns
    -------
    array [slots a rank, ranks, pools], int32 keys
    """
    schedule = schedule_of(state.shape[1], steps)
    start = 0
    for last, left in [*_keep(variants, steps).items(), (steps - 1, 1)]:
        part = schedule[start : last + 1]
        goals = goal if isinstance(goal, int) else xp.concat([goal] * variants, 0)
        if kernel and isinstance(state, np.ndarray):
            state = _exchanges_compiled(kernel, state, bits, part, goals)
        else:
            state = exchanges(state, bits, part, goals)
        start = last + 1
        if variants > left:
            best = lightest(state, bits, variants, left, units)
            state = xp.take(state, best, 2)
            units = (
                None
                if units is None
                else xp.take(units.reshape(-1), best, 0).reshape(left, -1)
            )
            variants = left
    return state


def _exchanges_compiled(
    kernel: ModuleType,
    state: xp.Numpy,
    bits: int,
    schedule: Schedule,
    goal: Array | int,
) -> xp.Numpy:
    """`exchanges` in compiled code, packing by packing."""
    slots, ranks, packings = state.shape
    by_packing = np.ascontiguousarray(state.transpose(2, 0, 1))
    numbers = np.array(schedule, dtype=np.int64).reshape(-1, 3)
    goals = np.broadcast_to(goal, packings).astype(np.int64)
    tables = split_arrays(slots)
    kernel.steps(by_packing, bits, rank_bits(ranks), numbers, goals, *tables)
    return by_packing.transpose(1, 2, 0)


def _keep(variants: int, steps: int) -> dict[int, int]:
    """After which steps how many variants are kept: half of them after every other."""
    keep = {}
    for step in range(2, steps - 1, 2):
        if variants > 1:
            variants = -(-variants // 2)
            keep[step] = variants
    return keep


def lightest(
    state: Array, bits: int, variants: int, keep: int, units: Array | None
) -> Array:
    """Where the ``keep`` best variants of each pool are, lightest first; among equals the lower number; int64, flat."""
    device = xp.device(state)
    pools = state.shape[2] // variants
    rank_loads = xp.sum(state >> bits, 0, xp.int32)
    heaviest = xp.astype(xp.max(rank_loads, 0), xp.int64).reshape(variants, pools)
    if units is not None:
        heaviest = xp.astype(heaviest * units, xp.int64)
    number = xp.arange(0, variants, device)[:, None]
    # Load and number in one integer.
    by_pool = xp.contiguous((heaviest << VARIANT_BITS | number).T)
    ranked = xp.sort(by_pool)[:, :keep].T & ((1 << VARIANT_BITS) - 1)
    return (ranked * pools + xp.arange(0, pools, device)).reshape(-1)
