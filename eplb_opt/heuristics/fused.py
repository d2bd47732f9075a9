# mypy: disable-error-code="untyped-decorator,no-untyped-def,no-untyped-call"
"""The production heuristic as one Triton kernel: a program a pool, the same bits as `refine.refine_pools`.

For pools of one variant (`refine.num_variants`) with three or more slots a rank. Steps, order and rounding are those of
`replicas`, `deal` and `exchange`; sums are of integers, so their order does not matter. What a program's threads
exchange goes through a scratch row of its own. Fused multiply-add must stay off: it would round once less.
"""

from __future__ import annotations

import functools

import torch
import triton
import triton.language as tl

from .exchange import EXCHANGED, FULL_SPLITS, HIGH, LOW, rank_bits, splits
from .replicas import SCALE, UNIT, candidates, expert_bits

MOST_RANKS = 128
MOST_SLOTS = 2048
WARPS = 8
MAGIC = 6755399441055744.0  # 1.5 * 2^52: adding and subtracting it rounds to the nearest integer, ties to even


def fits(slots: int, ranks: int, experts: int) -> bool:
    """Pools that the kernel takes."""
    return slots // ranks >= 3 and 1 < ranks <= MOST_RANKS and slots <= MOST_SLOTS and experts > 1


def refine_pools_fused(
    loads: torch.Tensor, slots: int, ranks: int, max_count: int, schedule: tuple[tuple[int, int, int], ...], goal: int
) -> torch.Tensor:
    """Experts in the slots of each pool, [pools, slots] (int64), of loads [pools, experts] (float64, on CUDA).

    Parameters
    ----------
    schedule : for each step the heavy ranks, the partners of each, and the load above which packings turn their slots.
    goal : see `exchange.exchange`.
    """
    pools, experts = loads.shape
    extra, each = slots - experts, slots // ranks
    device = loads.device
    position, copies, tie = _candidates(experts, extra, max_count, device)
    weights, order = _split_tables(each, device)
    steps = _schedule(schedule, device)
    width = 2 * slots + 2 * triton.next_power_of_2(max(slots, experts)) + 4 * ranks
    scratch = torch.empty((pools, width), dtype=torch.int64, device=device)
    out = torch.empty((pools, slots), dtype=torch.int64, device=device)
    _kernel[(pools,)](
        loads, scratch, out, position, copies, tie, weights, order, steps, len(schedule), goal, width,
        E=experts, E2=triton.next_power_of_2(experts), X=extra, N=len(tie), N2=triton.next_power_of_2(len(tie)),
        TIE_BITS=len(tie).bit_length(), P=slots, P2=triton.next_power_of_2(slots), R=ranks,
        R2=max(16, triton.next_power_of_2(ranks)), S=each, K=len(weights), SPLITS=order.shape[1],
        SPLITS2=weights.shape[1],
        BITS=expert_bits(experts), RANK_BITS=rank_bits(ranks), FULL=each <= FULL_SPLITS,
        ROLL=EXCHANGED if each > EXCHANGED + 1 else 0, ROUND=MAGIC, SCALE_=SCALE, UNIT_=UNIT, LOW_=LOW, HIGH_=HIGH,
        num_warps=WARPS, enable_fp_fusion=False,
    )  # fmt: skip
    return out


@functools.cache
def _candidates(
    experts: int, extra: int, max_count: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    if not extra:
        nothing = torch.zeros(1, dtype=torch.int64, device=device)
        return nothing, torch.ones(1, dtype=torch.float64, device=device), nothing
    position, copies, tie, *_ = candidates(experts, extra, max_count, 1, device)
    return position, copies, tie


@functools.cache
def _schedule(schedule: tuple[tuple[int, int, int], ...], device: torch.device) -> torch.Tensor:
    return torch.tensor(schedule or [(1, 1, 0)], dtype=torch.int32, device=device)


@functools.cache
def _split_tables(slots: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """What the slots of a pair count for the difference after each split, padded; and their order afterwards.

    Rows are the slots of the heavy rank, then those of the light one; or, where slots are exchanged one for one, the
    slots of the heavy rank less those of the light one.
    """
    swap = splits(slots, torch.device("cpu")).swap
    if slots <= FULL_SPLITS:
        order = swap
    else:
        straight = torch.arange(2 * slots)[:, None]
        crossed = torch.cat((straight[slots:], straight[:slots]))
        order = torch.where(torch.cat((swap, swap)) != 0, crossed, straight)
    side = torch.where(torch.arange(2 * slots)[:, None] < slots, 1.0, -1.0)  # of the places after the split
    weights = torch.empty(order.shape).scatter_(0, order.to(torch.int64), side.expand(order.shape))
    weights = weights if slots <= FULL_SPLITS else weights[:slots]
    rows, columns = max(16, triton.next_power_of_2(len(weights))), max(16, triton.next_power_of_2(order.shape[1]))
    padded = torch.zeros((rows, columns))
    padded[: len(weights), : order.shape[1]] = weights
    return padded.to(device), order.to(torch.int32).contiguous().to(device)


@triton.jit
def _kernel(
    loads, scratch, out, position, copies, tie, weights, order, steps, num_steps, goal, width,
    E: tl.constexpr, E2: tl.constexpr, X: tl.constexpr, N: tl.constexpr, N2: tl.constexpr, TIE_BITS: tl.constexpr,
    P: tl.constexpr, P2: tl.constexpr, R: tl.constexpr, R2: tl.constexpr, S: tl.constexpr, K: tl.constexpr,
    SPLITS: tl.constexpr, SPLITS2: tl.constexpr, BITS: tl.constexpr, RANK_BITS: tl.constexpr, FULL: tl.constexpr,
    ROLL: tl.constexpr, ROUND: tl.constexpr, SCALE_: tl.constexpr, UNIT_: tl.constexpr, LOW_: tl.constexpr,
    HIGH_: tl.constexpr,
):  # fmt: skip
    pool = tl.program_id(0)
    here = scratch + pool * width  # two states, then two work areas, then the order of the ranks
    work = here + 2 * P
    area = (width - 2 * P - 4 * R) // 2
    ranked = here + width - 4 * R
    _replicas(loads + pool * E, work, area, position, copies, tie, E, E2, X, N, N2, TIE_BITS, P, P2, R, BITS,
              ROUND, SCALE_, UNIT_)  # fmt: skip
    _deal(work, here, ranked, P, R, R2, S, BITS, RANK_BITS, UNIT_)
    was = 0
    for step in range(num_steps):
        heavy = tl.load(steps + 3 * step)
        partners = tl.load(steps + 3 * step + 1)
        turn_above = tl.load(steps + 3 * step + 2)
        _exchange(here + was * P, here + (1 - was) * P, ranked, weights, order, heavy, partners, turn_above, goal,
                  R, R2, S, K, SPLITS, SPLITS2, BITS, RANK_BITS, FULL, ROLL, LOW_, HIGH_)  # fmt: skip
        was = 1 - was
    lane = tl.arange(0, P2)
    key = tl.load(here + was * P + (lane % S) * R + lane // S, lane < P, 0)
    tl.store(out + pool * P + lane, key & ((1 << BITS) - 1), lane < P)


@triton.jit
def _replicas(
    loads, work, area, position, copies, tie,
    E: tl.constexpr, E2: tl.constexpr, X: tl.constexpr, N: tl.constexpr, N2: tl.constexpr, TIE_BITS: tl.constexpr,
    P: tl.constexpr, P2: tl.constexpr, R: tl.constexpr, BITS: tl.constexpr, ROUND: tl.constexpr, SCALE_: tl.constexpr,
    UNIT_: tl.constexpr,
):  # fmt: skip
    """Keys of the replicas, ascending, in the first work area."""
    expert = tl.arange(0, E2)
    load = tl.load(loads + expert, expert < E, 0.0)
    heaviest = tl.max(load, 0)
    whole = load / tl.where(heaviest > 0, heaviest, 1.0) * SCALE_
    whole = (whole + ROUND) - ROUND
    counts = tl.full((E2,), 1, tl.int64)
    if X > 0:
        key = (whole.to(tl.int64) << BITS) | (E - 1 - expert).to(tl.int64)
        key = tl.sort(tl.where(expert < E, key, -1), descending=True)
        tl.store(work + expert, key)
        tl.debug_barrier()
        pair = tl.arange(0, N2)
        at = tl.load(position + pair, pair < N, 0)
        value = (tl.load(work + at) >> BITS).to(tl.float64) / tl.load(copies + pair, pair < N, 1.0)
        value = (value.to(tl.int64) << TIE_BITS) | tl.load(tie + pair, pair < N, 0)
        value = tl.sort(tl.where(pair < N, value, -1), descending=True)
        chosen = (N - 1) - (value & ((1 << TIE_BITS) - 1))
        won = tl.load(position + chosen, pair < X, 0)
        extra = (E - 1) - (tl.load(work + won, pair < X, 0) & ((1 << BITS) - 1))
        tl.store(work + area + expert, counts)
        tl.debug_barrier()
        tl.atomic_add(work + area + extra, 1, pair < X)
        tl.debug_barrier()
        counts = tl.load(work + area + expert, expert < E, 1)
    each = whole / counts.to(tl.float64)
    bound = tl.maximum(tl.sum(whole, 0) / R, tl.max(each, 0))
    unit = UNIT_ / tl.where(bound > 0, bound, 1.0)
    each = each * unit
    each = (each + ROUND) - ROUND
    key = (each.to(tl.int64) << BITS) | expert.to(tl.int64)
    lane = tl.arange(0, P2)
    if X > 0:
        tl.debug_barrier()
        tl.store(work + area + expert, key)
        tl.debug_barrier()
        replica = tl.load(work + area + lane, lane < E, 0x7FFFFFFF)
        tl.debug_barrier()
        tl.store(work + E + pair, tl.load(work + area + extra, pair < X, 0), pair < X)
        tl.debug_barrier()
        replica = tl.where(lane < E, replica, tl.load(work + lane, (lane >= E) & (lane < P), 0x7FFFFFFF))
    else:
        tl.store(work + expert, key, expert < E)
        tl.debug_barrier()
        replica = tl.load(work + lane, lane < P, 0x7FFFFFFF)
    tl.debug_barrier()
    tl.store(work + lane, tl.sort(replica.to(tl.int32)).to(tl.int64))
    tl.debug_barrier()


@triton.jit
def _deal(
    work, state, ranked, P: tl.constexpr, R: tl.constexpr, R2: tl.constexpr, S: tl.constexpr, BITS: tl.constexpr,
    RANK_BITS: tl.constexpr, UNIT_: tl.constexpr,
):  # fmt: skip
    """The first packing: key of slot j of rank r at ``state + j * R + r``."""
    rank = tl.arange(0, R2)
    inside = rank < R
    top = tl.load(work + (S - 1) * R + rank, inside, 0)
    tl.store(state + rank, top, inside)
    load = top >> BITS
    companions = tl.zeros((R2,), tl.int64)
    for j in tl.static_range(S - 1):
        companions += tl.load(work + rank * (S - 1) + j, inside, 0) >> BITS
    over = (tl.load(work + P - 1 - rank, inside, 0) >> BITS) + companions > UNIT_ + S
    full = tl.min(tl.where(over & inside, R, rank), 0)
    full = tl.minimum(full, R)
    others = R - full
    behind = tl.where(rank >= others, (1 << 28) + rank, 0)
    for column in range(1, S):
        row = tl.where(column == 1, 0, S - column)
        at = tl.where(
            rank < others, full * (S - 1) + (row + 1) * others - 1 - rank, (R - 1 - rank) * (S - 1) + column - 1
        )
        item = tl.load(work + at, inside, 0)
        by_load = tl.where(inside, ((load + behind) << RANK_BITS) | rank, 0x7FFFFFFFFFFFFFFF)
        target = tl.where(column == 1, rank, tl.sort(by_load) & ((1 << RANK_BITS) - 1))
        tl.store(state + column * R + target, item, inside)
        tl.debug_barrier()
        load += tl.load(state + column * R + rank, inside, 0) >> BITS


@triton.jit
def _exchange(
    old, new, ranked, weights, order, heavy, partners, turn_above, goal,
    R: tl.constexpr, R2: tl.constexpr, S: tl.constexpr, K: tl.constexpr, SPLITS: tl.constexpr,
    SPLITS2: tl.constexpr, BITS: tl.constexpr, RANK_BITS: tl.constexpr, FULL: tl.constexpr, ROLL: tl.constexpr,
    LOW_: tl.constexpr, HIGH_: tl.constexpr,
):  # fmt: skip
    """One step from the old state to the new one, whose ranks are the heavy ones, then the others by load."""
    lane = tl.arange(0, R2)
    load = tl.zeros((R2,), tl.int64)
    for j in tl.static_range(S):
        load += tl.load(old + j * R + lane, lane < R, 0) >> BITS
    by_load = tl.sort(tl.where(lane < R, (load << RANK_BITS) | lane, 0x7FFFFFFFFFFFFFFF))
    tl.debug_barrier()
    tl.store(ranked + lane, by_load, lane < R)
    tl.debug_barrier()
    heaviest = tl.load(ranked + R - 1) >> RANK_BITS
    light = lane < R - heavy  # light ranks, then the rest
    paired = lane < heavy * partners
    by_load = tl.load(ranked + lane, light, 0)
    source = by_load & ((1 << RANK_BITS) - 1)
    source_heavy = tl.load(ranked + R - 1 - lane % heavy, light, 0) & ((1 << RANK_BITS) - 1)
    turn = tl.where(heaviest > turn_above, 0 if FULL else 1, 0)
    shift = tl.where(paired, turn, 0)
    split = tl.arange(0, SPLITS2)
    slot = tl.arange(0, K)[None, :]
    if FULL:
        from_light = slot >= S
        at = tl.where(from_light, (slot - S) * R + source[:, None], slot * R + source_heavy[:, None])
        value = (tl.load(old + at, (slot < 2 * S) & light[:, None], 0) >> BITS).to(tl.float32)
    else:
        within = (slot < S) & light[:, None]
        turned = (slot + S - shift[:, None]) % S
        value = ((tl.load(old + slot * R + source_heavy[:, None], within, 0) >> BITS)
                 - (tl.load(old + turned * R + source[:, None], within, 0) >> BITS)).to(tl.float32)  # fmt: skip
    weight = tl.load(weights + tl.arange(0, K)[:, None] * SPLITS2 + split[None, :])
    difference = tl.dot(value, weight, input_precision="ieee")  # integers below 2^24: exact
    pattern = tl.abs(difference).to(tl.int32, bitcast=True)
    pattern = tl.where((split < SPLITS)[None, :], (pattern & HIGH_) | split[None, :], 0x7FFFFFFF)
    best = tl.min(pattern, 1)
    value = (best & HIGH_).to(tl.float32, bitcast=True).to(tl.int32) + (by_load >> RANK_BITS).to(tl.int32)
    value = tl.where(paired, (value << 6) | (lane // heavy), 0x7FFFFFFF)
    tl.store(ranked + R + lane, value.to(tl.int64), lane < R)
    tl.debug_barrier()
    least = value
    for j in range(partners):
        other = lane % heavy + j * heavy
        least = tl.minimum(least, tl.load(ranked + R + other, light, 0x7FFFFFFF).to(tl.int32))
    chosen = paired & (value == least)
    best = tl.where(chosen & (heaviest > goal), best & LOW_, 0)
    for j in tl.static_range(S):
        k = tl.load(order + j * SPLITS + best)
        of_light = k >= S
        slot = tl.where(of_light, (k - S + S - shift) % S, k)
        key = tl.load(old + slot * R + tl.where(of_light, source, source_heavy), chosen, 0)
        tl.store(new + ((j + ROLL) % S) * R + lane % heavy, key, chosen)
        k = tl.load(order + (S + j) * SPLITS + best)
        of_light = k >= S
        slot = tl.where(of_light, (k - S + S - shift) % S, k)
        key = tl.load(old + slot * R + tl.where(of_light, source, source_heavy), light, 0)
        tl.store(new + ((j + ROLL) % S) * R + heavy + lane, key, light)
    tl.debug_barrier()
