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

import torch

from .pair_prices import cost, num_bins, prices
from .replicas import SCALE, UNIT, extra_copies, sort_rows

MOST_SLOTS = 1024  # of a pool that is searched
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


def search_pairs(loads: torch.Tensor, slots: int, max_count: int, steps: int) -> torch.Tensor:
    """Extra copies [pools, slots - experts] (int64: the expert of each) that a search over counts ends with.

    Parameters
    ----------
    loads : tensor [pools, experts], float64; more slots than experts, two slots a rank
    max_count : most replicas of an expert
    steps : moves of a copy
    """
    heaviest = loads.amax(1, keepdim=True)
    whole = (loads / torch.where(heaviest > 0, heaviest, 1.0)).mul_(SCALE).round_()
    tried, starts = sizes(slots, loads.shape[1])
    extra = extra_copies(whole, slots - loads.shape[1], max_count, starts)
    search = _Search(whole.repeat(starts, 1), extra, max_count, tried, len(whole))
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

    def __init__(self, whole: torch.Tensor, extra: torch.Tensor, max_count: int, tried: int, pools: int) -> None:
        self.rows, self.experts = whole.shape
        self.slots, self.most, self.tried, self.pools = self.experts + extra.shape[1], max_count, tried, pools
        one = torch.ones((), dtype=torch.float64, device=whole.device)
        self.counts = torch.ones_like(whole).scatter_add_(1, extra, one.expand_as(extra))
        # No counts have a lighter heaviest replica than the greedy's (L0b), those of the first start: a bound for all.
        heaviest = (whole[:pools] / self.counts[:pools]).amax(1)
        bound = torch.maximum(whole[:pools].sum(1) / (self.slots // 2), heaviest).repeat(len(whole) // pools)
        self.scaled = (whole * (UNIT / torch.where(bound > 0, bound, 1.0))[:, None])[:, None]
        self.owner = torch.cat((torch.arange(self.experts, device=whole.device).expand_as(whole), extra), 1)
        self.best = self.owner
        self.change = torch.arange(-1, 2, dtype=torch.float64, device=whole.device)[:, None]
        self.load = _pairs(self._loads()[1].gather(1, self.owner)).amax(1)
        self.gained, self.lost = (torch.full_like(whole, -TENURE, dtype=torch.int32) for _ in range(2))

    def best_of_starts(self) -> torch.Tensor:
        """The expert of every slot of each pool; of equals the first start's."""
        number = torch.arange(self.rows // self.pools, device=self.load.device)[:, None]
        start = ((self.load.view(-1, self.pools).to(torch.int64) << INDEX_BITS) | number).amin(0)
        row = (start & ((1 << INDEX_BITS) - 1)) * self.pools
        return self.best.index_select(0, row + torch.arange(self.pools, device=row.device))

    def _loads(self) -> tuple[torch.Tensor, ...]:
        """Quantised load of a replica of each expert with one replica fewer, as it is, and with one more, int32."""
        near = (self.counts[:, None] + self.change).clamp_(min=1)
        return (self.scaled / near).clamp_(max=HEAVIEST).round_().to(torch.int32).unbind(1)

    def move(self, step: int) -> None:
        """Move one copy in each row, if there is one that may be moved."""
        fewer, now, more = self._loads()
        here = now.gather(1, self.owner)
        aim = (UNIT + ((self.load - UNIT).to(torch.int64) * AIM >> 10)).to(torch.int32)[:, None]
        gain, loss = self._costs(step, here, aim, fewer, now, more)
        gains, loses = _least(gain, self.tried), _least(loss, self.tried)
        barred = (gains[:, :, None] == loses[:, None]) | (gain.gather(1, gains) >= NEVER)[:, :, None]
        barred = (barred | (loss.gather(1, loses) >= NEVER)[:, None]).view(self.rows, -1)
        change = (fewer - now).gather(1, loses), (more - now).gather(1, gains)
        place, packed = self._candidates(here, gains, loses, more.gather(1, gains), *change)
        ranks = _pairs(packed)
        self._note(ranks.amax(-1).view(self.rows, -1), barred, gains, loses, place)
        above = (ranks - aim[:, :, None, None]).clamp_(0, MOST_ABOVE).sum(-1, dtype=torch.int32)
        cost, pair = _first_least(above.view(self.rows, -1), barred)
        expert, loser, slot = self._pick(pair, gains, loses, place)
        moves = cost < NEVER
        expert = torch.where(moves, expert, loser)
        one = torch.ones_like(expert, dtype=torch.float64)
        self.owner = self.owner.scatter(1, slot, expert)
        self.counts.scatter_add_(1, expert, one).scatter_add_(1, loser, -one)
        for marks, who in ((self.gained, expert), (self.lost, loser)):
            marks.scatter_(1, who, torch.where(moves, step, marks.gather(1, who)))

    def _costs(
        self, step: int, here: torch.Tensor, aim: torch.Tensor, *loads: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What one replica more of each expert costs at the prices, and one fewer, int64 [rows, experts]."""
        near = (self.counts[:, None] + self.change).view(self.rows, -1)
        costs = cost(prices(here, aim, num_bins(self.slots)), torch.cat(loads, 1), near, aim)
        fewer, now, more = costs.to(torch.int64).view(self.rows, 3, -1).unbind(1)
        gain = (more - now).masked_fill_((self.counts >= self.most) | (self.lost > step - TENURE), NEVER)
        return gain, (fewer - now).masked_fill_((self.counts < 2) | (self.gained > step - TENURE), NEVER)

    def _candidates(
        self, here: torch.Tensor, gains: torch.Tensor, loses: torch.Tensor,
        gained: torch.Tensor, fall: torch.Tensor, rise: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
        """The slot each loser gives up, [rows, tried], and the loads of all slots, [rows, tried, tried, slots]."""
        owned = self.owner[:, None] == loses[:, :, None]
        place = (owned * torch.arange(self.slots, device=here.device)).amax(2, keepdim=True)
        light = owned * fall[:, :, None]
        light.scatter_(2, place, -here[:, None].expand_as(light).gather(2, place))
        heavy = (self.owner[:, None] == gains[:, :, None]) * rise[:, :, None]
        packed = heavy.add_(here[:, None])[:, :, None] + light[:, None]
        shape = (self.rows, self.tried, self.tried, 1)
        packed.scatter_add_(3, place[:, None].expand(shape), gained[:, :, None, None].expand(shape))
        return place[:, :, 0], packed

    def _pick(
        self, pair: torch.Tensor, gains: torch.Tensor, loses: torch.Tensor, place: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Expert that gains, expert that loses, and the slot between them, of a pair of each row, all [rows, 1]."""
        row, column = torch.div(pair, self.tried, rounding_mode="floor"), pair % self.tried
        return gains.gather(1, row), loses.gather(1, column), place.gather(1, column)

    def _note(self, heaviest: torch.Tensor, barred: torch.Tensor, *candidates: torch.Tensor) -> None:
        """Keep the candidate with the lightest heaviest rank where it is the best so far."""
        load, pair = _first_least(heaviest, barred)
        expert, _, slot = self._pick(pair, *candidates)
        better = load < self.load[:, None]
        self.best = torch.where(better, self.owner.scatter(1, slot, expert), self.best)
        self.load = torch.where(better[:, 0], load[:, 0].to(torch.int32), self.load)


def _pairs(loads: torch.Tensor) -> torch.Tensor:
    """Loads of the ranks, the heaviest replica with the lightest and so on, [..., slots / 2] of [..., slots]."""
    loads = sort_rows(loads)
    ranks = loads.shape[-1] // 2
    return loads[..., :ranks] + loads[..., ranks:].flip(-1)


def _least(values: torch.Tensor, number: int) -> torch.Tensor:
    """Where the smallest values of each row are, the first of equals first, [rows, number]."""
    index = torch.arange(values.shape[1], device=values.device)
    return sort_rows((values << INDEX_BITS) | index)[:, :number] & ((1 << INDEX_BITS) - 1)


def _first_least(values: torch.Tensor, barred: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The smallest value of each row that is not barred (`NEVER`, if all are) and the first place of it, [rows, 1]."""
    index = torch.arange(values.shape[1], device=values.device)
    least = ((values.to(torch.int64).masked_fill_(barred, NEVER) << INDEX_BITS) | index).amin(1, keepdim=True)
    return least >> INDEX_BITS, least & ((1 << INDEX_BITS) - 1)
