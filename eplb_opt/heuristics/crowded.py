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

FULL_RANK = 7  # slots from which on exchanges repair more, and fewer packings do
MORE_STEPS = 24  # besides the steps of other pools
HOT = 6.0  # an expert with more of the pool's load than one part in so many
# A bound up to here says nothing against the counts, and a rank up to here is light enough.
CLOSE = UNIT + (UNIT >> 12)
MOST_SHORT = 2048  # ranks whose bounds together have less than 31 bits
MOST = 1 << 62  # more than any key
SETTLED = 1 << 30  # the goal of packings that are not worked on: more than any load


def num_tried(slots: int, ranks: int) -> int:
    """How many values of n are packed."""
    return 3 if slots // ranks >= FULL_RANK else 4


def is_crowded(replicas: Array, ranks: int) -> Array:
    """Whether any packing of replicas has a rank well above the pool's bound.

    Parameters
    ----------
    replicas : array [pools, slots], ascending, int32
        Loads, in units in which the bound ``max(mean, heaviest replica)`` is `UNIT`.
    ranks : int

    Returns
    -------
    array [pools], bool
    """
    return _floor_of_shared(_sums(replicas), ranks) > CLOSE


def is_hot(loads: Array) -> Array:
    """Whether one expert has a large part of the load, [pools], of loads [pools, experts]."""
    whole = whole_loads(loads)
    return xp.max(whole, 1) * HOT > xp.sum(whole, 1, xp.float64)


def packing_floors(loads: Array, ranks: int) -> tuple[Array, Array]:
    """Two lower bounds on the heaviest rank of any packing of replicas (``models/README.md``, N4 and N3).

    Parameters
    ----------
    loads : array [pools, slots], integers, ascending
    ranks : int

    Returns
    -------
    shared : array [pools], int64
        Large where there are too many large replicas.
    alone : array [pools], int64, rounded down
        Large where these are too large.
    """
    sums = _sums(loads)
    return _floor_of_shared(sums, ranks), _floor_of_large(sums, ranks)


def _sums(loads: Array) -> Array:
    """Loads of the k lightest replicas together, from none on, [pools, slots + 1], int64."""
    sums = xp.cumulative_sum(loads, 1, xp.int64)
    return xp.concat((sums[:, :1] * 0, sums), 1)


def _floor_of_shared(sums: Array, ranks: int) -> Array:
    """Of the j R + 1 heaviest replicas, some rank has j + 1: the heaviest such rank at least, [pools]."""
    slots = sums.shape[1] - 1
    per_rank = slots // ranks
    j = xp.arange(1, per_rank, xp.device(sums))
    first = slots - 1 - j * ranks
    lightest_of_these = xp.take(sums, first + j + 1, 1) - xp.take(sums, first, 1)
    return xp.max(lightest_of_these + xp.take(sums, per_rank - 1 - j, 1), 1)


def _floor_of_large(sums: Array, ranks: int) -> Array:
    """The k heaviest replicas are on k ranks at most, with the lightest companions: these ranks' mean, [pools]."""
    slots = sums.shape[1] - 1
    others = slots // ranks - 1  # on the rank of a replica
    k = xp.arange(1, ranks + 1, xp.device(sums))
    k_heaviest = sums[:, -1:] - xp.take(sums, slots - k, 1)
    of_companions = sums[:, others : others * ranks + 1 : others]
    return xp.max((k_heaviest + of_companions) // k, 1)


def other_copies(
    whole: Array, counts: Array, slots: int, ranks: int, max_count: int
) -> Array:
    """The experts of the extra copies for `num_tried` vectors of counts a pool.

    Parameters
    ----------
    whole : array [pools, experts]
        Of `replicas.whole_loads`.
    counts : array [pools, experts], float64
        Replicas of the experts in the packing that is to be bettered; heavy experts get no more.
    slots, ranks : int
        More slots than experts, more than one slot a rank.
    max_count : int
        Most replicas of an expert, for water-filling; a vector may exceed it where there is little load.

    Returns
    -------
    array [tried * pools, slots - experts], int64
    """
    experts = whole.shape[1]
    extra = slots - experts
    bound = pool_bound(whole, whole / counts, ranks)
    heavy = xp.astype(whole + whole > bound[:, None], xp.float64)
    num_heavy = xp.sum(heavy, 1, xp.int64)
    copies_of_heavy = xp.sum(heavy * counts, 1, xp.int64) - num_heavy
    light = whole * (1.0 - heavy)
    of_heavy = xp.flip(extra_copies(whole * heavy, extra, max_count, 1))
    of_light = xp.flip(extra_copies(light, extra, max_count, 1))
    most = _most_that_fit(
        whole * (UNIT / bound)[:, None], copies_of_heavy, of_heavy, of_light, ranks
    )
    tried = num_tried(slots, ranks)
    numbers = [xp.clip(most + 1 - k, 0, extra) for k in range(tried)]
    free = [xp.clip(ranks - number - num_heavy, 0, ranks) for number in numbers]
    wanting = _held_back(light, free, bound, slots // ranks)
    of_light = xp.flip(extra_copies(xp.concat(wanting, 0), extra, max_count, 1))
    return _shared_out(xp.tile(of_heavy, (tried, 1)), of_light, xp.concat(numbers, 0))


def num_halvings(extra: int) -> int:
    """Until two numbers of at most ``extra`` copies are next to each other."""
    return (extra - 1).bit_length()


def _most_that_fit(
    scaled: Array, high: Array, of_heavy: Array, of_light: Array, ranks: int
) -> Array:
    """How many copies the heavy experts may get, less than ``high`` [pools], by halving, [pools]."""
    low = high * 0
    for _ in range(num_halvings(of_heavy.shape[1])):
        middle = (low + high) >> 1
        fits = _fits(scaled, _shared_out(of_heavy, of_light, middle), ranks)
        low = xp.where(fits, middle, low)
        high = xp.where(fits, high, middle)
    return low


def _shared_out(first: Array, others: Array, number: Array) -> Array:
    """The first ``number`` [pools] of each row, filled up with the first of the others, [pools, extra]."""
    extra = first.shape[1]
    number = number[:, None]
    place = xp.arange(0, extra, xp.device(first))
    index = xp.where(place < number, place, place + extra - number)
    return xp.take_along_axis(xp.concat((first, others), 1), index)


def _fits(scaled: Array, extra: Array, ranks: int) -> Array:
    """Whether it is not the number of large replicas that keeps these counts from a bound, [pools]."""
    # No replica is heavier than the ranks' bounds together.
    dtype = xp.int32 if ranks < MOST_SHORT else xp.int64
    per_replica = scaled / (xp.bincount(extra, scaled.shape[1]) + 1.0)
    quantised = xp.astype(xp.round(per_replica), dtype)
    replicas = xp.sort(xp.concat((quantised, xp.take_along_axis(quantised, extra)), 1))
    shared, alone = packing_floors(replicas, ranks)
    return (shared <= CLOSE) | (shared <= alone)


def _held_back(
    light: Array, free: list[Array], bound: Array, slots: int
) -> list[Array]:
    """The loads without the heaviest, which need no copies: they are put on ranks that have no heavy replica.

    Of whole loads [pools, experts] for each number of such ranks [pools], of ``slots`` and ``bound`` [pools] load.
    """
    experts = light.shape[1]
    bits = expert_bits(experts)
    # Load and expert in one integer, as in `replicas.extra_copies`; a copy is sorted, as the keys are read again.
    keys = xp.astype(light, xp.int64) << bits | (
        experts - 1 - xp.arange(0, experts, xp.device(light))
    )
    ordered = xp.flip(xp.sort(keys + 0))
    load = xp.cumulative_sum(ordered >> bits, 1, xp.float64)
    left = []
    for ranks in free:
        within = xp.sum(load <= (ranks * bound)[:, None], 1, xp.int64)
        number = xp.minimum(within, ranks * slots)[:, None]
        lightest = xp.take_along_axis(ordered, xp.clip(number - 1, 0, experts))
        left.append(light * (keys < xp.where(number > 0, lightest, MOST)))
    return left
