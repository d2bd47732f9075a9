"""The heuristic on pools: replicas dealt to ranks, then exchanges, then crowded pools again."""

from __future__ import annotations

from ..refined_options import STEPS
from . import arrays as xp
from .arrays import Array
from .crowded import CLOSE, SETTLED, is_crowded, is_hot
from .deal import deal, experts_in_slots
from .fits import with_fits
from .greedy import greedy_pools
from .kernels import exchange_kernel, fit_kernel, fused_kernels
from .pair_counts import is_searched, search_pairs
from .relieve import relieved
from .replicas import UNIT, expert_bits, replica_keys
from .variants import best_variants, num_fitted, num_variants, schedule_of

# Experts of a pool, as keys have 31 bits; larger pools get the greedy's packing.
MOST_EXPERTS = 1024
MORE_STEPS = 4  # where packings are fitted: one variant is left by then
GAP = 5e-5  # a pool this close to its bound is left as it is


def refine_pools(
    loads: Array,
    slots: int,
    ranks: int,
    *,
    max_count: int | None = None,
    steps: int = STEPS,
    gap: float = GAP,
    compiled: bool = True,
    variants: int | None = None,
) -> Array:
    """The heuristic on pools.

    Parameters
    ----------
    loads : array or tensor [pools, experts]
        Of any real dtype, memory order and device. Not validated.
    slots, ranks : int
        Of a pool; the slots are a multiple of the ranks and at least the experts. Not validated.
    max_count : int, optional
        Most replicas of an expert; no cap by default.
    steps, compiled
        As for `refined`.
    gap : float, default 5e-5
        A pool whose heaviest rank is this close to ``max(mean, heaviest replica)`` is left as it is.
    variants : int, optional
        Packings tried of each pool; default: `num_variants`.

    Returns
    -------
    array or tensor [pools, slots], int64, where the loads are
        The expert in each slot, rank by rank.

    Examples
    --------
    >>> import numpy as np
    >>> refine_pools(np.array([[4.0, 3.0, 2.0, 1.0]]), 4, 2).tolist()
    [[1, 2, 0, 3]]
    """
    loads = xp.floats(loads)
    experts = loads.shape[1]
    if experts > MOST_EXPERTS:
        return greedy_pools(
            loads, slots, ranks, distinct=max_count is not None and max_count < slots
        )
    max_count = max_count or slots
    variants = variants or num_variants(slots, ranks)
    goal = int(UNIT * (1 + gap))
    fused = fused_kernels(loads, slots, ranks) if variants == 1 else None
    if fused is None:
        return _refine_pools(
            loads, slots, ranks, max_count, steps, goal, variants, compiled
        )
    schedule = tuple(schedule_of(ranks, steps))
    placed, again = fused.refine_pools_fused(
        loads, slots, ranks, max_count, schedule, goal
    )
    if steps and slots > experts:
        placed = relieved(loads, again, placed, ranks, max_count, steps, None)
    return placed  # type: ignore[no-any-return]


def _refine_pools(
    loads: Array,
    slots: int,
    ranks: int,
    max_count: int,
    steps: int,
    goal: int,
    variants: int,
    compiled: bool,
) -> Array:
    """`refine_pools` without the kernels in Triton."""
    pools, experts = loads.shape
    bits = expert_bits(experts)
    per_rank = slots // ranks
    kernel = exchange_kernel(loads, slots, ranks) if compiled else None
    searched = None
    if per_rank == 2 and steps and is_searched(slots, experts):
        searched = search_pairs(loads, slots, max_count, steps)
    fits = num_fitted(slots, ranks) if variants > 1 else 0
    made = max(variants, fits)
    keys, bounds = replica_keys(loads, slots, ranks, max_count, made, searched)
    packing = deal(keys[: variants * pools], bits, ranks)
    if per_rank < 3 or ranks == 1:  # that is the best packing (`models/README.md`, X2)
        return experts_in_slots(packing, bits)
    units = bounds.reshape(made, pools)
    units = units / xp.min(units, 0)
    if fits:
        fit = fit_kernel(loads) if compiled else None
        packing, units = with_fits(packing, keys, units, bits, fits, fit)
        variants = len(units)
        steps += MORE_STEPS if steps else 0
    if not steps or slots == experts:
        packing = best_variants(packing, bits, variants, steps, goal, kernel, units)
        return experts_in_slots(packing, bits)
    crowded = is_crowded(keys[:pools] >> bits, ranks)
    # A crowded pool's other variants may be good.
    goals = xp.where(crowded, SETTLED, goal) if variants == 1 else goal
    packing = best_variants(packing, bits, variants, steps, goals, kernel, units)
    rank_loads = xp.sum(packing >> bits, 0, xp.int32)
    is_rough = xp.max(rank_loads, 0) > CLOSE
    again = crowded | (is_rough & is_hot(loads))
    placed = experts_in_slots(packing, bits)
    return relieved(loads, again, placed, ranks, max_count, steps, kernel)
