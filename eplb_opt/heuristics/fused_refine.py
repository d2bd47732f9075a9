# mypy: disable-error-code="untyped-decorator,no-untyped-def,no-untyped-call,arg-type,union-attr,return-value"
"""The Triton kernel that packs pools: a program a pool, the same bits as `pools.refine_pools`."""

from __future__ import annotations

import triton
import triton.language as tl

from . import fused_parts as part


@triton.jit
def refine_kernel(
    loads, scratch, out, again, position, copies, tie, weights, order, steps, num_steps, goal, width,
    E: tl.constexpr, E2: tl.constexpr, X: tl.constexpr, N: tl.constexpr, N2: tl.constexpr, TIE_BITS: tl.constexpr,
    P: tl.constexpr, P2: tl.constexpr, R: tl.constexpr, R2: tl.constexpr, S: tl.constexpr, S2: tl.constexpr,
    K: tl.constexpr, SPLITS: tl.constexpr, SPLITS2: tl.constexpr, BITS: tl.constexpr, RANK_BITS: tl.constexpr,
    FULL: tl.constexpr, ROLL: tl.constexpr, AREA: tl.constexpr, ROUND: tl.constexpr, SCALE_: tl.constexpr,
    UNIT_: tl.constexpr, LOW_: tl.constexpr, HIGH_: tl.constexpr, CLOSE_: tl.constexpr, HOT_: tl.constexpr,
    SETTLED_: tl.constexpr,
):  # fmt: skip
    """As `pools.refine_pools`, of one pool."""
    pool = tl.program_id(0)
    # Two states, then two work areas, then the order of the ranks.
    here = scratch + pool * width
    work = here + 2 * P
    ranked = work + 2 * AREA
    whole = part.whole_loads(loads + pool * E, E, E2, ROUND, SCALE_)
    counts = tl.full((E2,), 1, tl.int64)
    extra = tl.zeros((N2,), tl.int64)
    if X > 0:
        extra = part.awards(
            whole, work, position, copies, tie, E, E2, X, N, N2, TIE_BITS, BITS
        )
        counts = part.counted(extra, work, E, E2, X, N2)
    each = whole / counts.to(tl.float64)
    bound = part.pool_bound(whole, each, R)
    key = part.replica_keys(each, bound, E2, BITS, ROUND, UNIT_)
    keys = part.all_sorted(key, extra, work, AREA, E, E2, X, N2, P, P2)
    crowded = bound < 0  # never
    if X > 0:
        shared, _ = part.floors(keys >> BITS, work, P, P2, R, R2, S, S2)
        crowded = shared > CLOSE_
    lane = tl.arange(0, P2)
    tl.store(work + lane, keys, lane < P)
    tl.debug_barrier()
    part.deal(work, here, ranked, P, R, R2, S, BITS, RANK_BITS, UNIT_)
    goal = tl.where(crowded, SETTLED_, goal)
    was = 0
    for step in range(num_steps):
        heavy = tl.load(steps + 3 * step)
        partners = tl.load(steps + 3 * step + 1)
        turn_above = tl.load(steps + 3 * step + 2)
        part.step(here + was * P, here + (1 - was) * P, ranked, weights, order, heavy, partners, turn_above, goal,
                 R, R2, S, K, SPLITS, SPLITS2, BITS, RANK_BITS, FULL, ROLL, LOW_, HIGH_)  # fmt: skip
        was = 1 - was
    rough = part.heaviest_rank(here + was * P, R, R2, S, BITS) > CLOSE_
    hot = tl.max(whole, 0) * HOT_ > tl.sum(whole, 0)
    tl.store(again + pool, crowded | (rough & hot))
    key = tl.load(here + was * P + (lane % S) * R + lane // S, lane < P, 0)
    tl.store(out + pool * P + lane, key & ((1 << BITS) - 1), lane < P)
