"""Two slots a rank: a search over replica counts, many pools at once.

For given counts the heaviest replica with the lightest, and so on inwards, is the best packing (``models/README.md``,
X2), so only counts are searched, from the greedy's on, in small pools also from others. In a step one extra copy goes
to another expert. Prices of replicas (`pair_prices`) choose some experts that should gain one and some that should lose
one; all pairs of these are packed and judged by the load above an aim between the bound and the best so far. The best
pair is taken, better or worse than what there is, and for some steps is not undone (tabu search: Glover, ORSA Journal
on Computing 1 (1989)).
"""

from __future__ import annotations

import math

from . import arrays as xp
from .arrays import Array
from .pair_moves import (
    INDEX_BITS,
    LOW,
    NEVER,
    barred_pairs,
    cheapest,
    first_least,
    rank_loads,
)
from .pair_prices import cost, num_bins, prices
from .replicas import UNIT, extra_copies, whole_loads

MOST_SLOTS = 1024  # of a pool that is searched
# Slots of all candidates of the pools that are searched together on a CPU.
CHUNK = 1 << 19
CANDIDATE_SLOTS = 6400  # slots of all candidates of a pool in a step
MOST_TRIED = 8  # experts tried each way in a step
MOST_STARTS = 3  # of a pool
# Steps for which an expert that has gained loses none, and the other way round.
TENURE = 3
AIM = 614  # between the bound and the best so far, in 1024ths
HEAVIEST = 1 << 28  # more load of a replica is not told apart
# Nor is more load of a rank above the aim, so that sums over ranks have 31 bits.
MOST_ABOVE = 1 << 21


def is_searched(slots: int, experts: int) -> bool:
    """Whether the counts of a pool with two slots a rank are searched; if not, the greedy's are taken."""
    return experts < slots <= MOST_SLOTS and slots > 2


def search_pairs(loads: Array, slots: int, max_count: int, steps: int) -> Array:
    """Extra copies that a search over counts ends with.

    Parameters
    ----------
    loads : array [pools, experts], float64
        Fewer experts than slots.
    slots : int
        Of a pool, two on each rank.
    max_count : int
        Most replicas of an expert.
    steps : int
        Moves of a copy.

    Returns
    -------
    array [pools, slots - experts], int64
        The expert of each copy.
    """
    tried, starts = sizes(slots, loads.shape[1])
    pools = (
        max(1, CHUNK // (starts * tried * tried * slots))
        if xp.device(loads) is None
        else len(loads)
    )
    parts = [
        _search(loads[i : i + pools], slots, max_count, steps)
        for i in range(0, len(loads), pools)
    ]
    return parts[0] if len(parts) == 1 else xp.concat(parts, 0)


def _search(loads: Array, slots: int, max_count: int, steps: int) -> Array:
    """`search_pairs` of pools whose candidates fit a core's cache."""
    pools, experts = loads.shape
    whole = whole_loads(loads)
    tried, starts = sizes(slots, experts)
    extra = extra_copies(whole, slots - experts, max_count, starts)
    search = _CountSearch(xp.tile(whole, (starts, 1)), extra, max_count, tried, pools)
    for step in range(steps):
        search.move(step)
    return search.best_of_starts()[:, experts:]


def sizes(slots: int, experts: int) -> tuple[int, int]:
    """Experts tried each way in a step, and starts of each pool: more where the experts are few."""
    tried = min(experts, MOST_TRIED, max(1, math.isqrt(CANDIDATE_SLOTS // slots)))
    return tried, max(1, min(MOST_STARTS, CANDIDATE_SLOTS // (tried * tried * slots)))


class _CountSearch:
    """Counts of each pool as they are, the expert of every slot, and the best that was seen.

    There is a row for every start and pool, start by start.

    Parameters
    ----------
    whole : array [rows, experts], float64
        Of `whole_loads`.
    extra : array [rows, slots - experts], int64
        The experts of the extra copies at the start.
    max_count : int
        Most replicas of an expert.
    tried : int
        Experts tried each way in a step.
    pools : int
    """

    def __init__(
        self, whole: Array, extra: Array, max_count: int, tried: int, pools: int
    ) -> None:
        self.rows: int = whole.shape[0]
        self.experts: int = whole.shape[1]
        self.slots: int = self.experts + extra.shape[1]
        self.most = max_count
        self.tried = tried
        self.pools = pools
        self.device = xp.device(whole)
        self.row = xp.arange(0, self.rows, self.device)
        self.slot = xp.arange(0, self.slots, self.device)
        # Of a count: one replica fewer, none, one more.
        self.change = xp.arange(-1, 2, self.device)[:, None]
        self.counts = xp.astype(xp.bincount(extra, self.experts), xp.int64) + 1
        self.scaled = whole * self._units(whole)[:, None]
        first = xp.tile(xp.arange(0, self.experts, self.device), (self.rows, 1))
        self.owner = xp.concat((first, extra), 1)
        self.best = self.owner
        self.loads = self._loads(self.scaled, self.counts)
        self.load = xp.max(
            rank_loads(xp.take_along_axis(self.loads[:, 1], self.owner)), 1
        )
        self.gained = self._never()
        self.lost = self._never()

    def _units(self, whole: Array) -> Array:
        """What whole loads are multiplied by, so that the pool's bound becomes `UNIT`, [rows]."""
        # No counts have a lighter heaviest replica than the greedy's (L0b), those of the first start: a bound for all.
        of_pools = whole[: self.pools]
        heaviest = xp.max(of_pools / self.counts[: self.pools], 1)
        mean = xp.divide(xp.sum(of_pools, 1, xp.float64), self.slots // 2)
        bound = xp.maximum(mean, heaviest)
        unit = UNIT / xp.where(bound > 0, bound, 1.0)
        return xp.concat([unit] * (self.rows // self.pools), 0)

    def _never(self) -> Array:
        """The last step in which an expert gained or lost a copy, flat: none that bars anything."""
        marks = xp.empty((self.rows * self.experts,), xp.int64, self.device)
        marks[:] = -TENURE
        return marks

    def best_of_starts(self) -> Array:
        """The expert of every slot of each pool; of equals the first start's."""
        starts = self.rows // self.pools
        number = xp.arange(0, starts, self.device)[:, None]
        load = xp.astype(self.load, xp.int64).reshape(-1, self.pools)
        start = xp.min((load << INDEX_BITS) | number, 0) & LOW
        return xp.take(
            self.best, start * self.pools + xp.arange(0, self.pools, self.device), 0
        )

    def _loads(self, scaled: Array, counts: Array) -> Array:
        """Quantised loads of a replica of experts [rows, any], int32 [rows, 3, any].

        With one replica fewer, as many as there are, and one more.
        """
        near = xp.clip(counts[:, None] + self.change, 1, self.slots + 1)
        per_replica = xp.clip(scaled[:, None] / near, 0.0, HEAVIEST)
        return xp.astype(xp.round(per_replica), xp.int32)

    def move(self, step: int) -> None:
        """Move one copy in each row, if there is one that may be moved."""
        fewer = self.loads[:, 0]
        now = self.loads[:, 1]
        more = self.loads[:, 2]
        here = xp.take_along_axis(now, self.owner)
        above_bound = xp.astype(self.load - UNIT, xp.int64)
        aim = xp.astype(UNIT + (above_bound * AIM >> 10), xp.int32)[:, None]
        gain, loss = self._costs(step, here, aim)
        gains = cheapest(gain, self.tried)
        loses = cheapest(loss, self.tried)
        barred = barred_pairs(gain, loss, gains, loses)
        fall = xp.take_along_axis(fewer - now, loses)
        rise = xp.take_along_axis(more - now, gains)
        slot, packed = self._candidates(
            here, gains, loses, xp.take_along_axis(more, gains), fall, rise
        )
        ranks = rank_loads(packed)
        self._note(xp.max(ranks, -1).reshape(self.rows, -1), barred, gains, loses, slot)
        above = xp.sum(
            xp.clip(ranks - aim[:, :, None, None], 0, MOST_ABOVE), -1, xp.int32
        )
        price, pair = first_least(above.reshape(self.rows, -1), barred)
        expert, loser, slot = self._pick(pair, gains, loses, slot)
        self._make(step, price < NEVER, expert, loser, slot)

    def _make(
        self, step: int, moves: Array, expert: Array, loser: Array, slot: Array
    ) -> None:
        """Give the loser's slot to the expert, in the rows [rows] in which a copy moves; all [rows]."""
        # Where none moves, a loser gets its own slot back.
        expert = xp.where(moves, expert, loser)
        is_moved = self.slot == slot[:, None]
        self.owner = xp.where(is_moved, expert[:, None], self.owner)  # type: ignore[arg-type]
        first = self.row * self.experts
        counts = self.counts.reshape(-1)
        counts[first + expert] += 1
        counts[first + loser] -= 1
        changed = xp.concat((expert[:, None], loser[:, None]), 1)
        loads = self._loads(
            xp.take_along_axis(self.scaled, changed),
            xp.take_along_axis(self.counts, changed),
        )
        for i in range(2):
            self.loads[self.row, :, changed[:, i]] = loads[:, :, i]  # type: ignore[assignment]
        for marks, who in ((self.gained, first + expert), (self.lost, first + loser)):
            marks[who] = xp.where(moves, step, marks[who])  # type: ignore[assignment]

    def _costs(self, step: int, here: Array, aim: Array) -> tuple[Array, Array]:
        """What one replica more of each expert costs at the prices, and one fewer, int64 [rows, experts]."""
        near = (self.counts[:, None] + self.change).reshape(self.rows, -1)
        table = prices(here, aim, num_bins(self.slots))
        costs = cost(table, self.loads.reshape(self.rows, -1), near, aim).reshape(
            self.rows, 3, -1
        )
        just_gained = self.gained.reshape(self.rows, -1) > step - TENURE
        just_lost = self.lost.reshape(self.rows, -1) > step - TENURE
        gain = xp.where(
            (self.counts >= self.most) | just_lost, NEVER, costs[:, 2] - costs[:, 1]
        )
        loss = xp.where(
            (self.counts < 2) | just_gained, NEVER, costs[:, 0] - costs[:, 1]
        )
        return gain, loss

    def _candidates(
        self,
        here: Array,
        gains: Array,
        loses: Array,
        gained: Array,
        fall: Array,
        rise: Array,
    ) -> tuple[Array, Array]:
        """The slot each loser gives up, [rows, tried], and the loads of all slots, [rows, tried, tried, slots].

        Those of a gainer that is the loser mean nothing.
        """
        is_losers = self.owner[:, None] == loses[:, :, None]
        is_gainers = self.owner[:, None] == gains[:, :, None]
        slot = xp.last_true(is_losers)  # type: ignore[arg-type]
        with_fewer = (is_losers * fall[:, :, None])[:, None]
        with_more = (is_gainers * rise[:, :, None] + here[:, None])[:, :, None]
        packed = with_more + with_fewer
        vectors = xp.arange(0, self.rows * self.tried * self.tried, self.device)
        first = vectors.reshape(self.rows, self.tried, -1) * self.slots
        packed.reshape(-1)[first + slot[:, None]] = gained[:, :, None]  # type: ignore[assignment]
        return slot, packed

    def _pick(
        self, pair: Array, gains: Array, loses: Array, slot: Array
    ) -> tuple[Array, Array, Array]:
        """Expert that gains, expert that loses, and the slot between them, of a pair of each row, all [rows]."""
        first = self.row * self.tried
        row = pair // self.tried + first
        column = pair % self.tried + first
        return (
            gains.reshape(-1)[row],
            loses.reshape(-1)[column],
            slot.reshape(-1)[column],
        )

    def _note(
        self, heaviest: Array, barred: Array, gains: Array, loses: Array, slot: Array
    ) -> None:
        """Keep the candidate with the lightest heaviest rank where it is the best so far."""
        load, pair = first_least(heaviest, barred)
        expert, _, slot = self._pick(pair, gains, loses, slot)
        is_better = load < self.load
        is_changed = (self.slot == slot[:, None]) & is_better[:, None]
        so_far = xp.where(is_better[:, None], self.owner, self.best)
        self.best = xp.where(is_changed, expert[:, None], so_far)
        lighter = xp.where(is_better, load, xp.astype(self.load, xp.int64))
        self.load = xp.astype(lighter, xp.int32)
