# mypy: disable-error-code="untyped-decorator,no-untyped-def,no-untyped-call,arg-type,union-attr,return-value"
"""The Triton kernel that packs pools with very hot experts again: a program a pool, the bits of `relieve.relieved`."""

from __future__ import annotations

import triton
import triton.language as tl

from . import fused_parts as part


@triton.jit
def relieve_kernel(
    loads, again, placed, scratch, numbers, position, copies, tie, weights, order, steps, num_steps, max_count, width,
    E: tl.constexpr, E2: tl.constexpr, X: tl.constexpr, N: tl.constexpr, N2: tl.constexpr, TIE_BITS: tl.constexpr,
    P: tl.constexpr, P2: tl.constexpr, R: tl.constexpr, R2: tl.constexpr, S: tl.constexpr, S2: tl.constexpr,
    K: tl.constexpr, SPLITS: tl.constexpr, SPLITS2: tl.constexpr, BITS: tl.constexpr, RANK_BITS: tl.constexpr,
    FULL: tl.constexpr, ROLL: tl.constexpr, AREA: tl.constexpr, ROUND: tl.constexpr, SCALE_: tl.constexpr,
    UNIT_: tl.constexpr, LOW_: tl.constexpr, HIGH_: tl.constexpr, CLOSE_: tl.constexpr, HOT_: tl.constexpr,
    SETTLED_: tl.constexpr, TRIED_: tl.constexpr, HALVINGS: tl.constexpr,
):  # fmt: skip
    """As `relieve.relieved`, of one pool."""
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
        # `variants._keep`: half after the third step, half of these after the fifth.
        for stage in range(3):
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
