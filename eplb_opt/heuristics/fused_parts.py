# mypy: disable-error-code="untyped-decorator,no-untyped-def,no-untyped-call"
"""What the Triton kernels are made of: the parts of the production heuristic for one pool, in one program.

Steps, order and rounding are those of `replicas`, `deal`, `exchange` and `crowded`; sums are of integers, so their
order does not matter. What a program's threads exchange goes through its own scratch memory: ``work`` has two areas of
AREA numbers, of which a part may use both.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def whole_loads(
    loads, E: tl.constexpr, E2: tl.constexpr, ROUND: tl.constexpr, SCALE_: tl.constexpr
):
    """As `replicas.whole_loads`, of one pool."""
    expert = tl.arange(0, E2)
    load = tl.load(loads + expert, expert < E, 0.0)
    heaviest = tl.max(load, 0)
    whole = load / tl.where(heaviest > 0, heaviest, 1.0) * SCALE_
    return (whole + ROUND) - ROUND


@triton.jit
def awards(
    whole, work, position, copies, tie,
    E: tl.constexpr, E2: tl.constexpr, X: tl.constexpr, N: tl.constexpr, N2: tl.constexpr, TIE_BITS: tl.constexpr,
    BITS: tl.constexpr,
):  # fmt: skip
    """The experts that win the extra copies, the largest values of ``w_e / k`` first, in lanes below X."""
    expert = tl.arange(0, E2)
    key = (whole.to(tl.int64) << BITS) | (E - 1 - expert).to(tl.int64)
    key = tl.sort(tl.where(expert < E, key, -1), descending=True)
    tl.store(work + expert, key)
    tl.debug_barrier()
    pair = tl.arange(0, N2)
    at = tl.load(position + pair, pair < N, 0)
    value = (tl.load(work + at) >> BITS).to(tl.float64) / tl.load(
        copies + pair, pair < N, 1.0
    )
    value = (value.to(tl.int64) << TIE_BITS) | tl.load(tie + pair, pair < N, 0)
    value = tl.sort(tl.where(pair < N, value, -1), descending=True)
    chosen = (N - 1) - (value & ((1 << TIE_BITS) - 1))
    won = tl.load(position + chosen, pair < X, 0)
    extra = (E - 1) - (tl.load(work + won, pair < X, 0) & ((1 << BITS) - 1))
    tl.debug_barrier()
    return extra


@triton.jit
def counted(
    extra, work, E: tl.constexpr, E2: tl.constexpr, X: tl.constexpr, N2: tl.constexpr
):
    """Replicas of each expert, of the experts of the extra copies in lanes below X."""
    expert = tl.arange(0, E2)
    pair = tl.arange(0, N2)
    tl.store(work + expert, tl.full((E2,), 1, tl.int64))
    tl.debug_barrier()
    tl.atomic_add(work + extra, tl.full((N2,), 1, tl.int64), pair < X)
    tl.debug_barrier()
    counts = tl.load(work + expert, expert < E, 1)
    tl.debug_barrier()
    return counts


@triton.jit
def pool_bound(whole, each, R: tl.constexpr):
    """As `replicas.pool_bound`, of one pool."""
    bound = tl.maximum(tl.sum(whole, 0) / R, tl.max(each, 0))
    return tl.where(bound > 0, bound, 1.0)


@triton.jit
def replica_keys(
    each,
    bound,
    E2: tl.constexpr,
    BITS: tl.constexpr,
    ROUND: tl.constexpr,
    UNIT_: tl.constexpr,
):
    """Key of a replica of each expert."""
    each = each * (UNIT_ / bound)
    each = (each + ROUND) - ROUND
    return (each.to(tl.int64) << BITS) | tl.arange(0, E2).to(tl.int64)


@triton.jit
def all_sorted(
    value, extra, work, AREA: tl.constexpr, E: tl.constexpr, E2: tl.constexpr, X: tl.constexpr, N2: tl.constexpr,
    P: tl.constexpr, P2: tl.constexpr,
):  # fmt: skip
    """The values below 2^31 of all replicas, ascending, int64, in lanes below P, of those of experts."""
    expert = tl.arange(0, E2)
    lane = tl.arange(0, P2)
    tl.store(work + expert, value, expert < E)
    tl.debug_barrier()
    if X > 0:
        pair = tl.arange(0, N2)
        tl.store(work + AREA + pair, tl.load(work + extra, pair < X, 0), pair < X)
        tl.debug_barrier()
    replica = tl.load(work + lane, lane < E, 0x7FFFFFFF)
    if X > 0:
        replica = tl.where(
            lane < E,
            replica,
            tl.load(work + AREA + lane - E, (lane >= E) & (lane < P), 0x7FFFFFFF),
        )
    tl.debug_barrier()
    return tl.sort(replica.to(tl.int32)).to(tl.int64)


@triton.jit
def floors(
    loads, work, P: tl.constexpr, P2: tl.constexpr, R: tl.constexpr, R2: tl.constexpr, S: tl.constexpr,
    S2: tl.constexpr,
):  # fmt: skip
    """As `crowded.packing_floors`, of one pool."""
    lane = tl.arange(0, P2)
    sums = tl.cumsum(tl.where(lane < P, loads, 0), 0)
    tl.store(work + lane, tl.zeros((P2,), tl.int64), lane < 1)
    tl.store(work + 1 + lane, sums, lane < P)
    tl.debug_barrier()
    j = tl.arange(0, S2)
    inside = (j >= 1) & (j < S)
    first = P - 1 - j * R
    shared = tl.load(work + first + j + 1, inside, 0) - tl.load(work + first, inside, 0)
    shared += tl.load(work + S - 1 - j, inside, 0)
    k = tl.arange(0, R2) + 1
    inside = k <= R
    alone = (
        tl.load(work + P)
        - tl.load(work + P - k, inside, 0)
        + tl.load(work + k * (S - 1), inside, 0)
    )
    alone = tl.where(inside, alone // k, 0)
    tl.debug_barrier()
    return tl.max(shared, 0), tl.max(alone, 0)


@triton.jit
def heaviest_rank(
    state, R: tl.constexpr, R2: tl.constexpr, S: tl.constexpr, BITS: tl.constexpr
):
    """Quantised load of the heaviest rank of a state."""
    lane = tl.arange(0, R2)
    load = tl.zeros((R2,), tl.int64)
    for j in range(S):
        load += tl.load(state + j * R + lane, lane < R, 0) >> BITS
    return tl.max(load, 0)


@triton.jit(noinline=True)  # compiles in half the time
def deal(
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
            rank < others,
            full * (S - 1) + (row + 1) * others - 1 - rank,
            (R - 1 - rank) * (S - 1) + column - 1,
        )
        item = tl.load(work + at, inside, 0)
        by_load = tl.where(
            inside, ((load + behind) << RANK_BITS) | rank, 0x7FFFFFFFFFFFFFFF
        )
        target = tl.where(column == 1, rank, tl.sort(by_load) & ((1 << RANK_BITS) - 1))
        tl.store(state + column * R + target, item, inside)
        tl.debug_barrier()
        load += tl.load(state + column * R + rank, inside, 0) >> BITS


@triton.jit
def step(
    old, new, ranked, weights, order, heavy, partners, turn_above, goal,
    R: tl.constexpr, R2: tl.constexpr, S: tl.constexpr, K: tl.constexpr, SPLITS: tl.constexpr,
    SPLITS2: tl.constexpr, BITS: tl.constexpr, RANK_BITS: tl.constexpr, FULL: tl.constexpr, ROLL: tl.constexpr,
    LOW_: tl.constexpr, HIGH_: tl.constexpr,
):  # fmt: skip
    """One step of `exchange.exchanges`: a state whose heaviest rank is within the goal is copied as it is."""
    if heaviest_rank(old, R, R2, S, BITS) > goal:
        exchange(old, new, ranked, weights, order, heavy, partners, turn_above, R, R2, S, K, SPLITS, SPLITS2, BITS,
                 RANK_BITS, FULL, ROLL, LOW_, HIGH_)  # fmt: skip
    else:
        lane = tl.arange(0, R2)
        for j in range(S):
            tl.store(
                new + j * R + lane, tl.load(old + j * R + lane, lane < R, 0), lane < R
            )
        tl.debug_barrier()


@triton.jit(noinline=True)  # compiles in half the time
def exchange(
    old, new, ranked, weights, order, heavy, partners, turn_above,
    R: tl.constexpr, R2: tl.constexpr, S: tl.constexpr, K: tl.constexpr, SPLITS: tl.constexpr,
    SPLITS2: tl.constexpr, BITS: tl.constexpr, RANK_BITS: tl.constexpr, FULL: tl.constexpr, ROLL: tl.constexpr,
    LOW_: tl.constexpr, HIGH_: tl.constexpr,
):  # fmt: skip
    """One step from the old state to the new one, whose ranks are the heavy ones, then the others by load."""
    lane = tl.arange(0, R2)
    load = tl.zeros((R2,), tl.int64)
    for j in tl.static_range(S):
        load += tl.load(old + j * R + lane, lane < R, 0) >> BITS
    by_load = tl.sort(
        tl.where(lane < R, (load << RANK_BITS) | lane, 0x7FFFFFFFFFFFFFFF)
    )
    tl.debug_barrier()
    tl.store(ranked + lane, by_load, lane < R)
    tl.debug_barrier()
    heaviest = tl.load(ranked + R - 1) >> RANK_BITS
    light = lane < R - heavy  # light ranks, then the rest
    paired = lane < heavy * partners
    by_load = tl.load(ranked + lane, light, 0)
    source = by_load & ((1 << RANK_BITS) - 1)
    source_heavy = tl.load(ranked + R - 1 - lane % heavy, light, 0) & (
        (1 << RANK_BITS) - 1
    )
    turn = tl.where(heaviest > turn_above, 0 if FULL else 1, 0)
    shift = tl.where(paired, turn, 0)
    split = tl.arange(0, SPLITS2)
    slot = tl.arange(0, K)[None, :]
    if FULL:
        from_light = slot >= S
        at = tl.where(
            from_light,
            (slot - S) * R + source[:, None],
            slot * R + source_heavy[:, None],
        )
        value = (tl.load(old + at, (slot < 2 * S) & light[:, None], 0) >> BITS).to(
            tl.float32
        )
    else:
        within = (slot < S) & light[:, None]
        turned = (slot + S - shift[:, None]) % S
        value = ((tl.load(old + slot * R + source_heavy[:, None], within, 0) >> BITS)
                 - (tl.load(old + turned * R + source[:, None], within, 0) >> BITS)).to(tl.float32)  # fmt: skip
    weight = tl.load(weights + tl.arange(0, K)[:, None] * SPLITS2 + split[None, :])
    # Integers below 2^24: exact.
    difference = tl.dot(value, weight, input_precision="ieee")
    pattern = tl.abs(difference).to(tl.int32, bitcast=True)
    pattern = tl.where(
        (split < SPLITS)[None, :], (pattern & HIGH_) | split[None, :], 0x7FFFFFFF
    )
    best = tl.min(pattern, 1)
    value = (best & HIGH_).to(tl.float32, bitcast=True).to(tl.int32) + (
        by_load >> RANK_BITS
    ).to(tl.int32)
    value = tl.where(paired, (value << 6) | (lane // heavy), 0x7FFFFFFF)
    tl.store(ranked + R + lane, value.to(tl.int64), lane < R)
    tl.debug_barrier()
    least = value
    for j in range(partners):
        other = lane % heavy + j * heavy
        least = tl.minimum(
            least, tl.load(ranked + R + other, light, 0x7FFFFFFF).to(tl.int32)
        )
    chosen = paired & (value == least)
    best = tl.where(chosen, best & LOW_, 0)
    for j in tl.static_range(S):
        k = tl.load(order + j * SPLITS + best)
        of_light = k >= S
        slot = tl.where(of_light, (k - S + S - shift) % S, k)
        key = tl.load(
            old + slot * R + tl.where(of_light, source, source_heavy), chosen, 0
        )
        tl.store(new + ((j + ROLL) % S) * R + lane % heavy, key, chosen)
        k = tl.load(order + (S + j) * SPLITS + best)
        of_light = k >= S
        slot = tl.where(of_light, (k - S + S - shift) % S, k)
        key = tl.load(
            old + slot * R + tl.where(of_light, source, source_heavy), light, 0
        )
        tl.store(new + ((j + ROLL) % S) * R + heavy + lane, key, light)
    tl.debug_barrier()
