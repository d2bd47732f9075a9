"""Two slots a rank: a search over replica counts, many pools at once.

For given counts the heaviest replica with the lightest, and so on inwards, is the best packing (``models/README.md``,
X2), so only counts are searched: the list of extra copies changes in one place. First each variant makes the moves
that look best by prices of replicas, whatever comes of them. Then copies go to the expert of the heaviest rank's
heavier replica or to any expert, and a change stays if the loads above an aim do not grow; from time to time the better
variants replace the worse ones, and the aim follows the best.
"""

from __future__ import annotations

import functools
from types import ModuleType

import numpy as np
import torch

from ..pool import Ints
from .optional import optional
from .pair_prices import ONE, cost, num_bins, prices
from .replicas import SCALE, UNIT, expert_bits, extra_copies, sort_rows, spread, uniform

MOST_VARIANTS = 16
VARIANT_SLOTS = 1024  # variants * slots of a pool
ROUNDS_A_STEP = 4  # changes tried for each step of work
GENERATIONS = 8
AIM = 0.6  # between the mean and the best so far
AIM_ONE = 1 << 10
OPENING = 4  # one in so many rounds is spent on moves by prices first
OPENING_AIM = 0.9
NEVER = float(1 << 50)
OVER, OVER_LOAD = 1 << 60, 1 << 40  # what a list with more copies of an expert than are allowed is judged at
Best = tuple[torch.Tensor, torch.Tensor]  # of each pool: load of the heaviest rank [pools], extra copies
NOISE = 0.05  # of the aim, in the last variant's choice of moves; less in those before it, none in the first


def num_variants(slots: int) -> int:
    """Variants searched for each pool; none (the greedy's counts) for large pools."""
    return min(MOST_VARIANTS, VARIANT_SLOTS // slots)


def search_pairs(loads: torch.Tensor, slots: int, max_count: int, steps: int, *, compiled: bool = True) -> torch.Tensor:
    """Extra copies [pools, slots - experts] (int64: the expert of each) that a search over counts ends with.

    Parameters
    ----------
    loads : tensor [pools, experts], float64; more slots than experts, two slots a rank
    max_count : most replicas of an expert
    steps : work; `ROUNDS_A_STEP` moves in each variant for every step, one in `OPENING` of them by prices
    compiled : use `pair_compiled` on a CPU, where there is numba
    """
    experts = loads.shape[1]
    heaviest = loads.amax(1, keepdim=True)
    whole = (loads / torch.where(heaviest > 0, heaviest, 1.0)).mul_(SCALE).round_()
    variants = num_variants(slots)
    extra = extra_copies(whole, slots - experts, max_count, variants)
    table = _Table(whole, _heaviest_replica(whole, extra), slots, max_count, variants)
    opening = steps * ROUNDS_A_STEP // OPENING
    trials = steps * ROUNDS_A_STEP - opening
    kernel = optional("pair_compiled") if compiled and loads.device.type == "cpu" else None
    if kernel is not None:
        return _compiled(kernel, table, extra, opening, trials)
    extra, best = _by_prices(table, extra, opening)
    return _by_trial(table, extra, best, trials)


def _heaviest_replica(whole: torch.Tensor, extra: torch.Tensor) -> torch.Tensor:
    """Load of the heaviest replica of each pool [pools] under the first variant's counts, the greedy's."""
    first = extra[: len(whole)]
    one = torch.ones((), dtype=whole.dtype, device=whole.device).expand_as(first)
    return (whole / torch.ones_like(whole).scatter_add_(1, first, one)).amax(1)


def _compiled(kernel: ModuleType, table: _Table, extra: torch.Tensor, opening: int, trials: int) -> torch.Tensor:
    """What `_by_prices` and `_by_trial` find, by compiled code."""
    copies = extra.shape[1]
    add, take = (n.numpy() for n in _noise(opening, table.variants, table.experts, copies, table.bins, extra.device))
    aims = [int(share * AIM_ONE) for share in (OPENING_AIM, AIM)]
    setting = (table.unit, table.bits, table.heaviest, table.bins, ONE, GENERATIONS, *aims)
    place, expert = _numbers(trials, table.variants, copies, table.experts)
    found = kernel.search(table.scaled.numpy(), extra.numpy(), table.most, place, expert, add, take, setting)
    return torch.from_numpy(found)


def _by_prices(table: _Table, extra: torch.Tensor, rounds: int) -> tuple[torch.Tensor, Best]:
    """The variants after so many moves by prices, and the best seen."""
    aim = torch.full((len(extra), 1), table.unit, dtype=torch.int32, device=extra.device)
    best = _best(table.judge(extra, aim)[1], extra, table.pools)
    add, take = _noise(rounds, table.variants, table.experts, extra.shape[1], table.bins, extra.device)
    for number in range(rounds):
        extra = table.move(extra, _aim(best, table, OPENING_AIM), add[number], take[number])
        best = _better(best, table.judge(extra, aim)[1], extra)
    return extra, best


def _by_trial(table: _Table, extra: torch.Tensor, best: Best, rounds: int) -> torch.Tensor:
    """The best list seen over so many trials in every variant."""
    place, expert = _choices(rounds, table.variants, table.pools, extra.shape[1], table.experts, extra.device)
    aim = _aim(best, table, AIM)
    above, _, heavy = table.judge(extra, aim)
    for number in range(rounds):
        if number and number % max(1, rounds // GENERATIONS) == 0:
            if table.variants > 1:
                extra = _survivors(above, extra, table.pools)
            aim = _aim(best, table, AIM)
            above, _, heavy = table.judge(extra, aim)
        new = extra.scatter(1, place[number], heavy if number % 2 else expert[number])
        new_above, heaviest, new_heavy = table.judge(new, aim)
        keep = (new_above <= above)[:, None]
        extra, heavy = torch.where(keep, new, extra), torch.where(keep, new_heavy, heavy)
        above = torch.minimum(above, new_above)
        best = _better(best, heaviest, new)
    return best[1]


class _Table:
    """Keys of replicas at any counts, and what a list of extra copies leads to."""

    def __init__(self, whole: torch.Tensor, least: torch.Tensor, slots: int, max_count: int, variants: int) -> None:
        """``least`` [pools] is the heaviest replica's load under the greedy's counts: no counts have less (L0b)."""
        self.pools, self.experts = whole.shape
        self.variants, self.bins, self.ranks = variants, num_bins(slots), slots // 2
        self.capped = max_count <= slots - self.experts
        self.most = max_count if self.capped else slots + 1
        self.bits = expert_bits(self.experts)
        self.heaviest = float((1 << 30 - self.bits) - 1)  # at least four units: more is not told apart
        self.unit = min(UNIT, 1 << 28 - self.bits)
        bound = torch.maximum(whole.sum(1, keepdim=True) / self.ranks, least[:, None])
        self.scaled = whole * (self.unit / torch.where(bound > 0, bound, 1.0))
        self.index = torch.arange(self.experts, dtype=torch.int32, device=whole.device)

    def counts(self, extra: torch.Tensor) -> torch.Tensor:
        """Replicas of each expert, float64 [variants * pools, experts]."""
        one = torch.ones((), dtype=torch.float64, device=extra.device)
        counts = one.expand(len(extra), self.experts).contiguous()
        return counts.scatter_add_(1, extra, one.expand_as(extra))

    def loads(self, counts: torch.Tensor) -> torch.Tensor:
        """Quantised load of a replica of each expert, int32."""
        each = self.scaled / counts.view(self.variants, self.pools, self.experts)
        return each.clamp_(max=self.heaviest).round_().to(torch.int32).view_as(counts)

    def move(
        self, extra: torch.Tensor, aim: torch.Tensor, add_noise: torch.Tensor, take_noise: torch.Tensor
    ) -> torch.Tensor:
        """The list of extra copies after the move of one copy that looks best at the prices of its packing.

        Noise [variants, experts or copies] is added to the cost of one more, and of one less.
        """
        counts = self.counts(extra)
        alone = self.loads(counts)
        table = prices(torch.cat((alone, alone.gather(1, extra)), 1), aim, self.bins)
        now = cost(table, alone, counts, aim)
        more = cost(table, self.loads(counts + 1), counts + 1, aim).sub_(now)
        fewer = counts.sub(1).clamp_(min=1)
        less = cost(table, self.loads(fewer), fewer, aim).sub_(now).gather(1, extra)
        if self.capped:
            more.masked_fill_(counts >= self.most, NEVER)
        expert = _least(more.view(self.variants, -1, self.experts).add_(add_noise[:, None])).view(-1, 1)
        less = less.view(self.variants, -1, extra.shape[1]).add_(take_noise[:, None]).view_as(less)
        place = _least(less.masked_fill_(extra == expert, NEVER))
        return extra.scatter(1, place, expert)

    def judge(self, extra: torch.Tensor, aim: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Load above the aim over all ranks, the heaviest rank's load, its heavier expert [variants * pools, 1]."""
        counts = self.counts(extra)
        keys = self.loads(counts).bitwise_left_shift_(self.bits).bitwise_or_(self.index)
        keys = sort_rows(torch.cat((keys, keys.gather(1, extra)), 1))
        pairs = (keys[:, : self.ranks] >> self.bits) + (keys[:, self.ranks :] >> self.bits).flip(1)
        above = (pairs - aim).clamp_(min=0).sum(1, dtype=torch.int64)
        place = torch.arange(self.ranks, device=keys.device)
        top = (pairs.to(torch.int64) << 20).bitwise_or_(place).amax(1, keepdim=True)
        heavy = keys.gather(1, 2 * self.ranks - 1 - (top & ((1 << 20) - 1))) & ((1 << self.bits) - 1)
        load = top[:, 0] >> 20
        if self.capped:
            over = (counts > self.most).any(1)
            above, load = above.masked_fill(over, OVER), load.masked_fill(over, OVER_LOAD)
        return above, load, heavy.to(torch.int64)


def _least(values: torch.Tensor) -> torch.Tensor:
    """Where each row has its smallest value, the first of equals, [..., 1]."""
    index = torch.arange(values.shape[-1], device=values.device)
    return ((values.to(torch.int64) << 12) | index).amin(-1, keepdim=True) & ((1 << 12) - 1)


@functools.lru_cache(maxsize=16)
def _noise(
    rounds: int, variants: int, experts: int, extra: int, bins: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """What is added to the cost of one more and of one copy less, [rounds, variants, experts] and [.., .., extra]."""
    strength = 2 * bins * ONE * NOISE * spread(variants)[:, None]
    numbers = uniform(rounds * variants, experts + extra).reshape(rounds, variants, experts + extra)
    add, take = np.split(np.rint((numbers + 1) * strength), [experts], axis=2)
    return torch.from_numpy(add.copy()).to(device), torch.from_numpy(take.copy()).to(device)


@functools.lru_cache(maxsize=16)
def _numbers(rounds: int, variants: int, extra: int, experts: int) -> tuple[Ints, Ints]:
    """The extra copy that changes in each round and variant, and its expert otherwise, [rounds, variants]."""
    numbers = uniform(2 * rounds, variants) * 0.5 + 0.5  # a pool's do not depend on others
    return (numbers[:rounds] * extra).astype(np.int64), (numbers[rounds:] * experts).astype(np.int64)


@functools.lru_cache(maxsize=16)
def _choices(
    rounds: int, variants: int, pools: int, extra: int, experts: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """`_numbers` of many pools, [rounds, variants * pools, 1]."""
    place, expert = (
        torch.from_numpy(np.repeat(n, pools, axis=1))[:, :, None].to(device)
        for n in _numbers(rounds, variants, extra, experts)
    )
    return place, expert


def _best(heaviest: torch.Tensor, extra: torch.Tensor, pools: int) -> Best:
    """The lightest heaviest rank of each pool over its variants, and its extra copies; of equals the first."""
    number = torch.arange(len(extra) // pools, device=extra.device)[:, None]
    ranked = (heaviest.view(-1, pools) << 6).bitwise_or_(number).amin(0)
    row = (ranked & 63) * pools + torch.arange(pools, device=extra.device)
    return ranked >> 6, extra.index_select(0, row)


def _better(best: Best, heaviest: torch.Tensor, extra: torch.Tensor) -> Best:
    """The best so far of each pool, or what its variants have come to."""
    load, found = _best(heaviest, extra, len(best[0]))
    better = load < best[0]
    return torch.where(better, load, best[0]), torch.where(better[:, None], found, best[1])


def _survivors(cost: torch.Tensor, extra: torch.Tensor, pools: int) -> torch.Tensor:
    """The better half of each pool's variants, twice."""
    variants = len(extra) // pools
    number = torch.arange(variants, device=extra.device)[:, None]
    ranked = (cost.view(variants, pools).clamp(max=1 << 56) << 6).bitwise_or_(number)
    order = torch.sort(ranked, dim=0).values[: -(-variants // 2)] & 63
    rows = order * pools + torch.arange(pools, device=extra.device)
    return extra.index_select(0, rows.repeat(2, 1)[:variants].reshape(-1))


def _aim(best: Best, table: _Table, share: float) -> torch.Tensor:
    """A load between the bound and the best so far, [variants * pools, 1]."""
    aim = table.unit + ((best[0] - table.unit) * int(share * AIM_ONE)).bitwise_right_shift_(10)
    return aim.repeat(table.variants)[:, None].to(torch.int32)
