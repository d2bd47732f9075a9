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
from .pair_prices import cost, num_bins, prices
from .replicas import UNIT, extra_copies, whole_loads

MOST_SLOTS = 1024  # of a pool that is searched
CHUNK = 1 << 19  # slots of all candidates of the pools that are searched together on a CPU
CANDIDATE_SLOTS = 6400  # slots of all candidates of a pool in a step
MOST_TRIED, MOST_STARTS = 8, 3
TENURE = 3  # steps for which an expert that has gained loses none, and the other way round
AIM = 614  # between the bound and the best so far, in 1024ths
HEAVIEST = 1 << 28  # more load of a replica is not told apart
MOST_ABOVE = 1 << 21  # nor is more load of a rank above the aim, so that sums over ranks have 31 bits
NEVER = 1 << 50
INDEX_BITS = 12  # of an expert, or of a pair of candidates


def is_searched(slots: int, experts: int) -> bool:
    """Whether the counts of a pool with two slots a rank are searched; if not, the greedy's are taken."""
    return experts < slots <= MOST_SLOTS and slots > 2


def search_pairs(loads: Array, slots: int, max_count: int, steps: int) -> Array:
    """Extra copies [pools, slots - experts] (int64: the expert of each) that a search over counts ends with.

    Parameters
    ----------
    loads : array [pools, experts], float64; more slots than experts, two slots a rank
    max_count : most replicas of an expert
    steps : moves of a copy
    """
    tried, starts = sizes(slots, loads.shape[1])
    pools = max(1, CHUNK // (starts * tried * tried * slots)) if xp.device(loads) is None else len(loads)
    parts = [_search(loads[i : i + pools], slots, max_count, steps) for i in range(0, len(loads), pools)]
    return parts[0] if len(parts) == 1 else xp.concat(parts, 0)


def _search(loads: Array, slots: int, max_count: int, steps: int) -> Array:
    """`search_pairs` of pools whose candidates fit a core's cache."""
    whole = whole_loads(loads)
    tried, starts = sizes(slots, loads.shape[1])
    extra = extra_copies(whole, slots - loads.shape[1], max_count, starts)
    search = _Search(xp.tile(whole, (starts, 1)), extra, max_count, tried, len(whole))
    for step in range(steps):
        search.move(step)
    return search.best_of_starts()[:, search.experts :]


def sizes(slots: int, experts: int) -> tuple[int, int]:
    """Experts tried each way in a step, and starts of each pool: more where the experts are few."""
    tried = min(experts, MOST_TRIED, max(1, math.isqrt(CANDIDATE_SLOTS // slots)))
    return tried, max(1, min(MOST_STARTS, CANDIDATE_SLOTS // (tried * tried * slots)))


class _Search:
    """Counts of each pool as they are, the expert of every slot, and the best that was seen.

    There is a row for every start and pool, start by start.
    """

    def __init__(self, whole: Array, extra: Array, max_count: int, tried: int, pools: int) -> None:
        self.rows, self.experts = whole.shape
        self.slots, self.most, self.tried, self.pools = self.experts + extra.shape[1], max_count, tried, pools
        self.at = xp.device(whole)
        self.counts = xp.astype(xp.bincount(extra, self.experts), xp.int64) + 1
        # No counts have a lighter heaviest replica than the greedy's (L0b), those of the first start: a bound for all.
        heaviest = xp.max(whole[:pools] / self.counts[:pools], 1)
        bound = xp.maximum(xp.divide(xp.sum(whole[:pools], 1, xp.float64), self.slots // 2), heaviest)
        unit = xp.concat([UNIT / xp.where(bound > 0, bound, 1.0)] * (self.rows // pools), 0)
        self.scaled = whole * unit[:, None]
        self.owner = xp.concat((xp.tile(xp.arange(0, self.experts, self.at), (self.rows, 1)), extra), 1)
        self.best = self.owner
        self.change = xp.arange(-1, 2, self.at)[:, None]
        self.loads = self._loads(self.scaled, self.counts)
        self.load = xp.max(_pairs(xp.take_along_axis(self.loads[:, 1], self.owner)), 1)
        self.gained, self.lost = (xp.empty((self.rows * self.experts,), xp.int64, self.at) for _ in range(2))
        self.gained[:] = self.lost[:] = -TENURE
        self.row = xp.arange(0, self.rows, self.at)

    def best_of_starts(self) -> Array:
        """The expert of every slot of each pool; of equals the first start's."""
        number = xp.arange(0, self.rows // self.pools, self.at)[:, None]
        start = xp.min((xp.astype(self.load, xp.int64).reshape(-1, self.pools) << INDEX_BITS) | number, 0)
        row = (start & ((1 << INDEX_BITS) - 1)) * self.pools
        return xp.take(self.best, row + xp.arange(0, self.pools, self.at), 0)

    def _loads(self, scaled: Array, counts: Array) -> Array:
        """Quantised loads of a replica of experts [rows, any], int32 [rows, 3, any].

        With one replica fewer, as many as there are, and one more.
        """
        near = xp.clip(counts[:, None] + self.change, 1, self.slots + 1)
        return xp.astype(xp.round(xp.clip(scaled[:, None] / near, 0.0, HEAVIEST)), xp.int32)

    def move(self, step: int) -> None:
        """Move one copy in each row, if there is one that may be moved."""
        fewer, now, more = self.loads[:, 0], self.loads[:, 1], self.loads[:, 2]
        here = xp.take_along_axis(now, self.owner)
        aim = xp.astype(UNIT + (xp.astype(self.load - UNIT, xp.int64) * AIM >> 10), xp.int32)[:, None]
        gain, loss = self._costs(step, here, aim)
        gains, loses = _least(gain, self.tried), _least(loss, self.tried)
        barred = (gains[:, :, None] == loses[:, None]) | (xp.take_along_axis(gain, gains) >= NEVER)[:, :, None]
        barred = (barred | (xp.take_along_axis(loss, loses) >= NEVER)[:, None]).reshape(self.rows, -1)
        change = xp.take_along_axis(fewer - now, loses), xp.take_along_axis(more - now, gains)
        slot, packed = self._candidates(here, gains, loses, xp.take_along_axis(more, gains), *change)
        ranks = _pairs(packed)
        self._note(xp.max(ranks, -1).reshape(self.rows, -1), barred, gains, loses, slot)
        above = xp.sum(xp.clip(ranks - aim[:, :, None, None], 0, MOST_ABOVE), -1, xp.int32)
        price, pair = _first_least(above.reshape(self.rows, -1), barred)
        expert, loser, slot = self._pick(pair, gains, loses, slot)
        moves = price < NEVER
        expert = xp.where(moves, expert, loser)
        self.owner = xp.where(xp.arange(0, self.slots, self.at) == slot[:, None], expert[:, None], self.owner)
        changed = xp.concat((expert[:, None], loser[:, None]), 1)
        first = self.row * self.experts
        for who, copies in ((expert, 1), (loser, -1)):
            self.counts.reshape(-1)[first + who] += copies
        loads = self._loads(xp.take_along_axis(self.scaled, changed), xp.take_along_axis(self.counts, changed))
        for i in range(2):
            self.loads[self.row, :, changed[:, i]] = loads[:, :, i]
        for marks, who in ((self.gained, first + expert), (self.lost, first + loser)):
            marks[who] = xp.where(moves, step, marks[who])

    def _costs(self, step: int, here: Array, aim: Array) -> tuple[Array, Array]:
        """What one replica more of each expert costs at the prices, and one fewer, int64 [rows, experts]."""
        near = (self.counts[:, None] + self.change).reshape(self.rows, -1)
        table = prices(here, aim, num_bins(self.slots))
        costs = cost(table, self.loads.reshape(self.rows, -1), near, aim).reshape(self.rows, 3, -1)
        gained, lost = (marks.reshape(self.rows, -1) > step - TENURE for marks in (self.gained, self.lost))
        return (xp.where((self.counts >= self.most) | lost, NEVER, costs[:, 2] - costs[:, 1]),
                xp.where((self.counts < 2) | gained, NEVER, costs[:, 0] - costs[:, 1]))  # fmt: skip

    def _candidates(
        self, here: Array, gains: Array, loses: Array, gained: Array, fall: Array, rise: Array
    ) -> tuple[Array, Array]:
        """The slot each loser gives up, [rows, tried], and the loads of all slots, [rows, tried, tried, slots].

        Those of a gainer that is the loser mean nothing.
        """
        owned = self.owner[:, None] == loses[:, :, None]
        slot = xp.last_true(owned)
        light = (owned * fall[:, :, None])[:, None]
        heavy = ((self.owner[:, None] == gains[:, :, None]) * rise[:, :, None] + here[:, None])[:, :, None]
        packed = heavy + light
        first = xp.arange(0, self.rows * self.tried * self.tried, self.at).reshape(self.rows, self.tried, -1) * self.slots
        packed.reshape(-1)[first + slot[:, None]] = gained[:, :, None]
        return slot, packed

    def _pick(self, pair: Array, gains: Array, loses: Array, slot: Array) -> tuple[Array, Array, Array]:
        """Expert that gains, expert that loses, and the slot between them, of a pair of each row, all [rows]."""
        first = self.row * self.tried
        row, column = pair // self.tried + first, pair % self.tried + first
        return gains.reshape(-1)[row], loses.reshape(-1)[column], slot.reshape(-1)[column]

    def _note(self, heaviest: Array, barred: Array, *candidates: Array) -> None:
        """Keep the candidate with the lightest heaviest rank where it is the best so far."""
        load, pair = _first_least(heaviest, barred)
        expert, _, slot = self._pick(pair, *candidates)
        better = load < self.load
        changed = (xp.arange(0, self.slots, self.at) == slot[:, None]) & better[:, None]
        self.best = xp.where(changed, expert[:, None], xp.where(better[:, None], self.owner, self.best))
        self.load = xp.astype(xp.where(better, load, xp.astype(self.load, xp.int64)), xp.int32)


def _pairs(loads: Array) -> Array:
    """Loads of the ranks, the heaviest replica with the lightest and so on, [..., slots / 2] of [..., slots]."""
    loads = xp.sort(loads)
    ranks = loads.shape[-1] // 2
    return loads[..., :ranks] + xp.flip(loads[..., ranks:])


def _least(values: Array, number: int) -> Array:
    """Where the smallest values of each row are, the first of equals first, [rows, number]."""
    index = xp.arange(0, values.shape[1], xp.device(values))
    return xp.sort((values << INDEX_BITS) | index)[:, :number] & ((1 << INDEX_BITS) - 1)


def _first_least(values: Array, barred: Array) -> tuple[Array, Array]:
    """The smallest value of each row that is not barred (`NEVER`, if all are) and the first place of it, [rows]."""
    index = xp.arange(0, values.shape[1], xp.device(values))
    found = xp.min((xp.where(barred, NEVER, xp.astype(values, xp.int64)) << INDEX_BITS) | index, 1)
    return found >> INDEX_BITS, found & ((1 << INDEX_BITS) - 1)
