# mypy: disable-error-code="untyped-decorator,no-untyped-def,no-untyped-call,arg-type,union-attr,return-value"
"""The production heuristic as two Triton kernels: a program a pool, the same bits as `refine.refine_pools`.

For pools with three or more slots a rank: one kernel for those of one variant (`variants.num_variants`), and one that
packs some pools again (`crowded`). Fused multiply-add must stay off: it would round once less.
"""

from __future__ import annotations

import functools

import torch
import triton
import triton.language as tl

from . import fused_parts as part
from .crowded import CLOSE, HOT, SETTLED, num_halvings, num_tried
from .exchange import HIGH, LOW, rank_bits
from .replicas import SCALE, UNIT, candidates, expert_bits
from .splits import EXCHANGED, FULL_SPLITS, splits

MOST_RANKS = 128
MOST_SLOTS = 2048
WARPS = 8
MAGIC = 6755399441055744.0  # 1.5 * 2^52: adding and subtracting it rounds to the nearest integer, ties to even


def fits(slots: int, ranks: int, experts: int) -> bool:
    """Pools that the kernel takes."""
    return (
        slots // ranks >= 3
        and 1 < ranks <= MOST_RANKS
        and slots <= MOST_SLOTS
        and experts > 1
    )


def refine_pools_fused(
    loads: torch.Tensor,
    slots: int,
    ranks: int,
    max_count: int,
    schedule: tuple[tuple[int, int, int], ...],
    goal: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Experts in the slots of each pool, [pools, slots] (int64), and which pools are packed again, [pools] (bool).

    Parameters
    ----------
    loads : tensor [pools, experts], float64, on CUDA
    schedule : for each step the heavy ranks, the partners of each, and the load above which packings turn their slots.
    goal : see `exchange.exchanges`.
    """
    pools = len(loads)
    constants, tables = launch(loads, slots, ranks, max_count, schedule)
    width = 2 * slots + 2 * int(constants["AREA"]) + 4 * ranks
    scratch = torch.empty((pools, width), dtype=torch.int64, device=loads.device)
    out = torch.empty((pools, slots), dtype=torch.int64, device=loads.device)
    again = torch.empty(pools, dtype=torch.bool, device=loads.device)
    _kernel[(pools,)](
        loads, scratch, out, again, *tables, len(schedule), goal, width, **constants,
        num_warps=WARPS, enable_fp_fusion=False,
    )  # fmt: skip
    return out, again


def launch(
    loads: torch.Tensor,
    slots: int,
    ranks: int,
    max_count: int,
    schedule: tuple[tuple[int, int, int], ...],
) -> tuple[dict[str, int | float | bool], tuple[torch.Tensor, ...]]:
    """The constants of a kernel, and its tables."""
    experts, each, device = loads.shape[1], slots // ranks, loads.device
    position, copies, tie = _candidates(experts, slots - experts, max_count, device)
    weights, order = _split_tables(each, device)
    constants = {
        "E": experts, "E2": triton.next_power_of_2(experts), "X": slots - experts, "N": len(tie),
        "N2": triton.next_power_of_2(len(tie)), "TIE_BITS": len(tie).bit_length(), "P": slots,
        "P2": triton.next_power_of_2(slots), "R": ranks, "R2": max(16, triton.next_power_of_2(ranks)), "S": each,
        "S2": max(16, triton.next_power_of_2(each)), "K": len(weights), "SPLITS": order.shape[1],
        "SPLITS2": weights.shape[1], "BITS": expert_bits(experts), "RANK_BITS": rank_bits(ranks),
        "FULL": each <= FULL_SPLITS, "ROLL": EXCHANGED if each > EXCHANGED + 1 else 0,
        "AREA": triton.next_power_of_2(max(slots + 1, experts)),
        "ROUND": MAGIC, "SCALE_": SCALE, "UNIT_": UNIT, "LOW_": LOW, "HIGH_": HIGH, "CLOSE_": CLOSE, "HOT_": HOT,
        "SETTLED_": SETTLED,
    }  # fmt: skip
    return constants, (
        position,
        copies,
        tie,
        weights,
        order,
        _schedule(schedule, device),
    )


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
def _schedule(
    schedule: tuple[tuple[int, int, int], ...], device: torch.device
) -> torch.Tensor:
    return torch.tensor(schedule or [(1, 1, 0)], dtype=torch.int32, device=device)


@functools.cache
def _split_tables(
    slots: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
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
    side = torch.where(
        torch.arange(2 * slots)[:, None] < slots, 1.0, -1.0
    )  # of the places after the split
    weights = torch.empty(order.shape).scatter_(
        0, order.to(torch.int64), side.expand(order.shape)
    )
    weights = weights if slots <= FULL_SPLITS else weights[:slots]
    rows, columns = (
        max(16, triton.next_power_of_2(len(weights))),
        max(16, triton.next_power_of_2(order.shape[1])),
    )
    padded = torch.zeros((rows, columns))
    padded[: len(weights), : order.shape[1]] = weights
    return padded.to(device), order.to(torch.int32).contiguous().to(device)


@triton.jit
def _kernel(
    loads, scratch, out, again, position, copies, tie, weights, order, steps, num_steps, goal, width,
    E: tl.constexpr, E2: tl.constexpr, X: tl.constexpr, N: tl.constexpr, N2: tl.constexpr, TIE_BITS: tl.constexpr,
    P: tl.constexpr, P2: tl.constexpr, R: tl.constexpr, R2: tl.constexpr, S: tl.constexpr, S2: tl.constexpr,
    K: tl.constexpr, SPLITS: tl.constexpr, SPLITS2: tl.constexpr, BITS: tl.constexpr, RANK_BITS: tl.constexpr,
    FULL: tl.constexpr, ROLL: tl.constexpr, AREA: tl.constexpr, ROUND: tl.constexpr, SCALE_: tl.constexpr,
    UNIT_: tl.constexpr, LOW_: tl.constexpr, HIGH_: tl.constexpr, CLOSE_: tl.constexpr, HOT_: tl.constexpr,
    SETTLED_: tl.constexpr,
):  # fmt: skip
    pool = tl.program_id(0)
    here = (
        scratch + pool * width
    )  # two states, then two work areas, then the order of the ranks
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


def relieve_fused(
    loads: torch.Tensor, again: torch.Tensor, placed: torch.Tensor, ranks: int, max_count: int,
    schedule: tuple[tuple[int, int, int], ...],
) -> torch.Tensor:  # fmt: skip
    """The maps [pools, slots], in place, where the marked pools have the best of other counts if it is better.

    Parameters
    ----------
    loads : tensor [pools, experts], float64, on CUDA
    again : tensor [pools], bool
    schedule : as for `refine_pools_fused`, of more than five steps.
    """
    pools, slots = placed.shape
    constants, tables = launch(loads, slots, ranks, max_count, schedule)
    experts, extra = loads.shape[1], slots - loads.shape[1]
    tried = num_tried(slots, ranks)
    width = (
        2 * tried * slots
        + 2 * int(constants["AREA"])
        + 4 * ranks
        + 3 * extra
        + experts
        + 64
    )
    scratch = torch.empty((pools, width), dtype=torch.int64, device=loads.device)
    numbers = torch.empty(
        (pools, experts + tried), dtype=torch.float64, device=loads.device
    )
    _relieve_kernel[(pools,)](
        loads, again, placed, scratch, numbers, *tables, len(schedule), max_count, width, **constants,
        TRIED_=tried, HALVINGS=num_halvings(extra), num_warps=WARPS, enable_fp_fusion=False,
    )  # fmt: skip
    return placed


@triton.jit
def _relieve_kernel(
    loads, again, placed, scratch, numbers, position, copies, tie, weights, order, steps, num_steps, max_count, width,
    E: tl.constexpr, E2: tl.constexpr, X: tl.constexpr, N: tl.constexpr, N2: tl.constexpr, TIE_BITS: tl.constexpr,
    P: tl.constexpr, P2: tl.constexpr, R: tl.constexpr, R2: tl.constexpr, S: tl.constexpr, S2: tl.constexpr,
    K: tl.constexpr, SPLITS: tl.constexpr, SPLITS2: tl.constexpr, BITS: tl.constexpr, RANK_BITS: tl.constexpr,
    FULL: tl.constexpr, ROLL: tl.constexpr, AREA: tl.constexpr, ROUND: tl.constexpr, SCALE_: tl.constexpr,
    UNIT_: tl.constexpr, LOW_: tl.constexpr, HIGH_: tl.constexpr, CLOSE_: tl.constexpr, HOT_: tl.constexpr,
    SETTLED_: tl.constexpr, TRIED_: tl.constexpr, HALVINGS: tl.constexpr,
):  # fmt: skip
    pool = tl.program_id(0)
    if tl.load(again + pool):
        states = scratch + pool * width  # two of each packing that is tried
        work = states + 2 * TRIED_ * P
        ranked = work + 2 * AREA
        first = ranked + 4 * R  # experts of the copies of the heavy, and of the others
        others = first + X
        pick = others + X  # which packings are kept
        value = pick + 16
        units = numbers + pool * (E + TRIED_) + E
        whole = part.whole_loads(loads + pool * E, E, E2, ROUND, SCALE_)
        _candidates_dealt(whole, placed + pool * P, states, work, ranked, first, others, units, position, copies, tie,
                          E, E2, X, N, N2, TIE_BITS, P, P2, R, R2, S, S2, BITS, RANK_BITS, AREA, ROUND, UNIT_, CLOSE_,
                          TRIED_, HALVINGS)  # fmt: skip
        lane = tl.arange(0, 16)
        tl.store(pick + lane, lane.to(tl.int64))
        least = tl.min(tl.load(units + lane, lane < TRIED_, float("inf")), 0)
        tl.debug_barrier()
        for stage in range(
            3
        ):  # `variants._keep`: half after the third step, half of these after the fifth
            begin = tl.where(stage == 0, 0, tl.where(stage == 1, 3, 5))
            end = tl.where(stage == 0, 3, tl.where(stage == 1, 5, num_steps))
            number = tl.where(
                stage == 0, TRIED_, tl.where(stage == 1, (TRIED_ + 1) // 2, 1)
            )
            for c in range(number):
                k = tl.load(pick + c)
                state = states + 2 * k * P
                for step in range(begin, end):
                    heavy = tl.load(steps + 3 * step)
                    partners = tl.load(steps + 3 * step + 1)
                    turn_above = tl.load(steps + 3 * step + 2)
                    part.step(state + step % 2 * P, state + (1 - step % 2) * P, ranked, weights, order, heavy,
                              partners, turn_above, CLOSE_, R, R2, S, K, SPLITS, SPLITS2, BITS, RANK_BITS, FULL,
                              ROLL, LOW_, HIGH_)  # fmt: skip
                heaviest = part.heaviest_rank(state + end % 2 * P, R, R2, S, BITS)
                weighed = (heaviest.to(tl.float64) * (tl.load(units + k) / least)).to(
                    tl.int64
                )
                tl.store(value + c, (weighed << 6) | c)
            tl.debug_barrier()
            best = (
                tl.sort(tl.load(value + lane, lane < number, 0x7FFFFFFFFFFFFFFF)) & 63
            )
            kept = tl.load(pick + best, lane < number, 0)
            tl.debug_barrier()
            tl.store(pick + lane, kept)
            tl.debug_barrier()
        state = states + 2 * tl.load(pick) * P + num_steps % 2 * P
        _keep_better(loads + pool * E, state, placed + pool * P, work, numbers + pool * (E + TRIED_), max_count, E, E2,
                     P, P2, R, R2, S, BITS)  # fmt: skip


@triton.jit
def _candidates_dealt(
    whole, placed, states, work, ranked, first, others, units, position, copies, tie,
    E: tl.constexpr, E2: tl.constexpr, X: tl.constexpr, N: tl.constexpr, N2: tl.constexpr, TIE_BITS: tl.constexpr,
    P: tl.constexpr, P2: tl.constexpr, R: tl.constexpr, R2: tl.constexpr, S: tl.constexpr, S2: tl.constexpr,
    BITS: tl.constexpr, RANK_BITS: tl.constexpr, AREA: tl.constexpr, ROUND: tl.constexpr, UNIT_: tl.constexpr,
    CLOSE_: tl.constexpr, TRIED_: tl.constexpr, HALVINGS: tl.constexpr,
):  # fmt: skip
    """As `crowded.other_copies`, of one pool; the packings are dealt, and their units noted."""
    expert = tl.arange(0, E2)
    pair = tl.arange(0, N2)
    lane = tl.arange(0, P2)
    counts = _counts_of(tl.load(placed + lane, lane < P, 0), work, E, E2, P, P2)
    bound = part.pool_bound(whole, whole / counts.to(tl.float64), R)
    heavy = whole + whole > bound
    light = tl.where(heavy, 0.0, whole)
    high = tl.sum(tl.where(heavy, counts - 1, 0), 0)
    low = high * 0
    for turn in range(2 + TRIED_):  # one loop, so that what it calls is compiled once
        number = tl.minimum(tl.maximum(low + 3 - turn, 0), X)
        asked = tl.where(turn == 0, whole - light, light)
        if turn > 1:
            asked = _held_back(
                light,
                number,
                tl.sum(heavy.to(tl.int64), 0),
                bound,
                expert,
                E,
                R,
                S,
                BITS,
            )
        found = part.awards(
            asked, work, position, copies, tie, E, E2, X, N, N2, TIE_BITS, BITS
        )
        tl.store(tl.where(turn == 0, first, others) + pair, found, pair < X)
        tl.debug_barrier()
        if turn == 1:
            low = _most_that_fit(whole * (UNIT_ / bound), high, work, first, others, pair, E, E2, X, N2, P, P2, R, R2,
                                 S, S2, AREA, ROUND, CLOSE_, HALVINGS)  # fmt: skip
        if turn > 1:
            chosen = _shared_out(first, others, number, pair, X)
            each = whole / part.counted(chosen, work, E, E2, X, N2).to(tl.float64)
            unit = part.pool_bound(whole, each, R)
            key = part.replica_keys(each, unit, E2, BITS, ROUND, UNIT_)
            replicas = part.all_sorted(key, chosen, work, AREA, E, E2, X, N2, P, P2)
            tl.store(work + lane, replicas, lane < P)
            tl.store(units + turn - 2, unit)
            tl.debug_barrier()
            part.deal(
                work,
                states + 2 * (turn - 2) * P,
                ranked,
                P,
                R,
                R2,
                S,
                BITS,
                RANK_BITS,
                UNIT_,
            )


@triton.jit
def _most_that_fit(
    scaled, high, work, first, others, pair,
    E: tl.constexpr, E2: tl.constexpr, X: tl.constexpr, N2: tl.constexpr, P: tl.constexpr, P2: tl.constexpr,
    R: tl.constexpr, R2: tl.constexpr, S: tl.constexpr, S2: tl.constexpr, AREA: tl.constexpr, ROUND: tl.constexpr,
    CLOSE_: tl.constexpr, HALVINGS: tl.constexpr,
):  # fmt: skip
    """How many copies the heavy experts may get, by halving, as in `crowded.other_copies`."""
    low = high * 0
    for _ in range(HALVINGS):
        middle = (low + high) >> 1
        chosen = _shared_out(first, others, middle, pair, X)
        each = scaled / part.counted(chosen, work, E, E2, X, N2).to(tl.float64)
        each = (each + ROUND) - ROUND
        replicas = part.all_sorted(
            each.to(tl.int64), chosen, work, AREA, E, E2, X, N2, P, P2
        )
        shared, alone = part.floors(replicas, work, P, P2, R, R2, S, S2)
        fits = (shared <= CLOSE_) | (shared <= alone)
        low = tl.where(fits, middle, low)
        high = tl.where(fits, high, middle)
    return low


@triton.jit
def _held_back(
    light,
    number,
    num_heavy,
    bound,
    expert,
    E: tl.constexpr,
    R: tl.constexpr,
    S: tl.constexpr,
    BITS: tl.constexpr,
):
    """As `crowded._held_back`, of one pool whose heavy experts get a number of copies."""
    free = tl.minimum(tl.maximum(R - number - num_heavy, 0), R)
    keys = (light.to(tl.int64) << BITS) | (E - 1 - expert).to(tl.int64)
    keys = tl.where(expert < E, keys, -1)
    ordered = tl.sort(keys, descending=True)
    load = tl.cumsum(tl.where(expert < E, ordered >> BITS, 0), 0).to(tl.float64)
    held = (load <= free.to(tl.float64) * bound) & (expert < free * S) & (expert < E)
    least = tl.min(tl.where(held, ordered, 0x7FFFFFFFFFFFFFFF), 0)
    return tl.where(keys < least, light, 0.0)


@triton.jit
def _shared_out(first, others, number, pair, X: tl.constexpr):
    """As `crowded._shared_out`, of one pool, in lanes below X."""
    mine = tl.load(first + pair, pair < tl.minimum(number, X), 0)
    theirs = tl.load(others + pair - number, (pair >= number) & (pair < X), 0)
    return tl.where(pair < number, mine, theirs)


@triton.jit
def _keep_better(
    loads, state, placed, work, numbers, max_count,
    E: tl.constexpr, E2: tl.constexpr, P: tl.constexpr, P2: tl.constexpr, R: tl.constexpr, R2: tl.constexpr,
    S: tl.constexpr, BITS: tl.constexpr,
):  # fmt: skip
    """Write a packing over the map if its heaviest rank is lighter, in the loads as they were given."""
    lane = tl.arange(0, P2)
    was = tl.load(placed + lane, lane < P, 0)
    found = tl.load(state + (lane % S) * R + lane // S, lane < P, 0) & ((1 << BITS) - 1)
    before, _ = _heaviest_load(loads, was, work, numbers, E, E2, P, P2, R, R2, S)
    after, most = _heaviest_load(loads, found, work, numbers, E, E2, P, P2, R, R2, S)
    tl.store(placed + lane, found, (lane < P) & (after < before) & (most <= max_count))


@triton.jit
def _heaviest_load(
    loads, experts, work, numbers, E: tl.constexpr, E2: tl.constexpr, P: tl.constexpr, P2: tl.constexpr,
    R: tl.constexpr, R2: tl.constexpr, S: tl.constexpr,
):  # fmt: skip
    """As `greedy_check.heaviest_load`, of one map, and the most replicas of an expert."""
    expert = tl.arange(0, E2)
    lane = tl.arange(0, P2)
    rank = tl.arange(0, R2)
    counts = _counts_of(experts, work, E, E2, P, P2)
    each = tl.load(loads + expert, expert < E, 0.0) / counts.to(tl.float64)
    tl.debug_barrier()
    tl.store(numbers + expert, each, expert < E)
    tl.store(work + lane, experts, lane < P)
    tl.debug_barrier()
    total = tl.load(numbers + tl.load(work + rank * S, rank < R, 0), rank < R, 0.0)
    for j in range(1, S):
        total += tl.load(
            numbers + tl.load(work + rank * S + j, rank < R, 0), rank < R, 0.0
        )
    most = tl.max(counts, 0)
    tl.debug_barrier()
    return tl.max(total, 0), most


@triton.jit
def _counts_of(
    experts, work, E: tl.constexpr, E2: tl.constexpr, P: tl.constexpr, P2: tl.constexpr
):
    """Replicas of each expert in a map, whose experts are in lanes below P."""
    expert = tl.arange(0, E2)
    tl.store(work + expert, tl.zeros((E2,), tl.int64))
    tl.debug_barrier()
    tl.atomic_add(work + experts, tl.full((P2,), 1, tl.int64), tl.arange(0, P2) < P)
    tl.debug_barrier()
    counts = tl.load(work + expert, expert < E, 1)
    tl.debug_barrier()
    return counts
