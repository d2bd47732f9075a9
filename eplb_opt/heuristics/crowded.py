"""Very hot experts: other counts for pools in which the greedy's put two large replicas on one rank.

The greedy's counts make the heaviest replica as light as can be. Where a few experts have most of the load, these make
more large replicas than there are ranks, and some rank gets two. Such pools are told by a bound on any packing of these
replicas (``models/README.md``, N4). They get other counts: of the further copies, n go to the *heavy* experts and the
others to the rest, by water-filling each. Fewer copies for heavy experts make their replicas larger but leave ranks to
other experts. The n at which the one bound meets the other is looked for; it and some smaller ones are packed, and the
best packing is kept.
"""

from __future__ import annotations

from . import arrays as xp
from .arrays import Array
from .replicas import UNIT, expert_bits, extra_copies, pool_bound, whole_loads

TRIED = 4  # values of n that are packed
MORE_STEPS = 16  # besides the steps of other pools
HOT = 6.0  # an expert with more of the pool's load than one part in so many
CLOSE = UNIT + (UNIT >> 10)  # a bound up to here says nothing against the counts, and a rank up to here is light enough
MOST_SHORT = 2048  # ranks whose bounds together have less than 31 bits
MOST = 1 << 62  # more than any key
SETTLED = 1 << 30  # the goal of packings that are not worked on: more than any load


def is_crowded(replicas: Array, ranks: int) -> Array:
    """Whether any packing of replicas has a rank well above the pool's bound, [pools].

    Parameters
    ----------
    replicas : array [pools, slots], ascending, int32
        Loads, in units in which the bound ``max(mean, heaviest replica)`` is `UNIT`.
    ranks : int
    """
    shared, _ = packing_floors(replicas, ranks)
    return shared > CLOSE


def is_hot(loads: Array) -> Array:
    """Whether one expert has a large part of the load, [pools], of loads [pools, experts]."""
    whole = whole_loads(loads)
    return xp.max(whole, 1) * HOT > xp.sum(whole, 1, xp.float64)


def packing_floors(loads: Array, ranks: int) -> tuple[Array, Array]:
    """Two lower bounds on the heaviest rank of any packing of replicas (``models/README.md``, N4 and N3), [pools].

    The first is large where there are too many large replicas, the second where these are too large. Of integer loads
    [pools, slots], ascending; the second is rounded down.
    """
    slots = loads.shape[1]
    each, at = slots // ranks, xp.device(loads)
    sums = xp.cumulative_sum(loads, 1, xp.int64)
    sums = xp.concat((sums[:, :1] * 0, sums), 1)  # of the k lightest
    number = xp.arange(1, each, at)  # j: of the j R + 1 heaviest, some rank has j + 1
    first = slots - 1 - number * ranks
    shared = xp.take(sums, first + number + 1, 1) - xp.take(sums, first, 1) + xp.take(sums, each - 1 - number, 1)
    k = xp.arange(1, ranks + 1, at)
    alone = (sums[:, -1:] - xp.take(sums, slots - k, 1) + xp.take(sums, k * (each - 1), 1)) // k
    return xp.max(shared, 1), xp.max(alone, 1)


def other_copies(whole: Array, slots: int, ranks: int, max_count: int) -> Array:
    """The experts of the extra copies for `TRIED` vectors of counts a pool, [TRIED * pools, slots - experts] (int64).

    Parameters
    ----------
    whole : array [pools, experts]
        Of `replicas.whole_loads`.
    slots, ranks : int
        More slots than experts, more than one slot a rank.
    max_count : int
        Most replicas of an expert, for water-filling; a vector may exceed it where there is little load.
    """
    experts = whole.shape[1]
    extra = slots - experts
    greedy = extra_copies(whole, extra, max_count, 1)
    bound = pool_bound(whole, whole / (xp.bincount(greedy, experts) + 1.0), ranks)
    heavy = xp.astype(whole + whole > bound[:, None], xp.float64)
    first = xp.flip(extra_copies(whole * heavy, extra, max_count, 1))
    others = xp.flip(extra_copies(whole * (1.0 - heavy), extra, max_count, 1))
    high = xp.sum(xp.take_along_axis(heavy, greedy), 1, xp.int64)
    low = high * 0
    for _ in range(extra.bit_length()):
        middle = (low + high) >> 1
        fits = _fits(whole * (UNIT / bound)[:, None], _shared_out(first, others, middle), ranks)
        low, high = xp.where(fits, middle, low), xp.where(fits, high, middle)
    numbers = [xp.clip(low + 1 - k, 0, extra) for k in range(TRIED)]
    light = whole * (1.0 - heavy)
    free = [xp.clip(ranks - number - xp.sum(heavy, 1, xp.int64), 0, ranks) for number in numbers]
    others = extra_copies(xp.concat(_held_back(light, free, bound, slots // ranks), 0), extra, max_count, 1)
    return _shared_out(xp.tile(first, (TRIED, 1)), xp.flip(others), xp.concat(numbers, 0))


def _shared_out(first: Array, others: Array, number: Array) -> Array:
    """The first ``number`` [pools] of each row, filled up with the first of the others, [pools, extra]."""
    extra, number = first.shape[1], number[:, None]
    place = xp.arange(0, extra, xp.device(first))
    return xp.take_along_axis(xp.concat((first, others), 1), xp.where(place < number, place, place + extra - number))


def _fits(scaled: Array, copies: Array, ranks: int) -> Array:
    """Whether it is not the number of large replicas that keeps these counts from a bound, [pools]."""
    kind = xp.int32 if ranks < MOST_SHORT else xp.int64  # no replica is heavier than the ranks' bounds together
    each = xp.astype(xp.round(scaled / (xp.bincount(copies, scaled.shape[1]) + 1.0)), kind)
    shared, alone = packing_floors(xp.sort(xp.concat((each, xp.take_along_axis(each, copies)), 1)), ranks)
    return (shared <= CLOSE) | (shared <= alone)


def _held_back(light: Array, free: list[Array], bound: Array, each: int) -> list[Array]:
    """The loads without the heaviest, which need no copies: they are put on ranks that have no heavy replica.

    Of whole loads [pools, experts] for each number of such ranks [pools], of ``each`` slots and ``bound`` [pools] load.
    """
    experts = light.shape[1]
    bits = expert_bits(experts)
    keys = xp.astype(light, xp.int64) << bits | (experts - 1 - xp.arange(0, experts, xp.device(light)))
    ordered = xp.flip(xp.sort(keys + 0))
    load = xp.cumulative_sum(ordered >> bits, 1, xp.float64)
    left = []
    for ranks in free:
        number = xp.minimum(xp.sum(load <= (ranks * bound)[:, None], 1, xp.int64), ranks * each)[:, None]
        lightest = xp.take_along_axis(ordered, xp.clip(number - 1, 0, experts))
        left.append(light * (keys < xp.where(number > 0, lightest, MOST)))
    return left
