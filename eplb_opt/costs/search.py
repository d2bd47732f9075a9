"""Search in time: counts and packing together, by annealing, repacking and restarts (needs numba)."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np

from ..bracket import Bracket
from ..budget import Budget
from ..certificates.least_total import cheapest, scale_of, whole_sizes
from ..certificates.mean import trivial_bound
from ..heuristics.greedy_unequal import ranks_by_speed
from ..heuristics.separate import separate_ranks
from ..problem.cost import Cost
from ..problem.objective import Objective
from ..problem.pool import Floats, Ints, Packing, Pool
from ..problem.ranks import EMPTY, Ranks
from ..problem.value import mean_times
from ..problem.windows import Windows
from ..search.state import CHUNK, State
from .kernel import anneal

ANNEAL = 300_000, 1_000  # work of one annealing run: at least, and a slot
ANNEAL_ALONE = 20_000  # at least, of unequal ranks, where nothing but restarts follows
PATIENCE = 1_000_000  # repacking work without progress after which a restart follows
MOST_IDLE = 8  # runs in a row that gain nothing, after which it ends
HOT, COLD = 1e-3, 1e-9  # temperatures of squares, in units of the mean rank time
COLDER = 1e-10  # where nothing repacks
HOTTER = 100.0  # factor of the first temperature in every other run
# Over windows a high power, which looks at the slowest ranks; nothing repacks there.
SOFT_DOUBLINGS = 4
SOFT_HOT, SOFT_COLD = 0.1, 3e-4
REREPLICATE = 0.4  # share of the moves that change counts
ROUNDING = 1e-12  # a relative excess over a lower bound that float sums may show
METHOD = "search in time"


def search_times(
    pool: Pool, start: Packing, *, target: float, budget: Budget, seed: int = 0
) -> Packing:
    """Improve a packing until its objective is at the target or the limits are reached.

    Parameters
    ----------
    pool : Pool
        With a cost or unequal ranks, and with windows or without.
    start : Packing
        A valid packing of the pool; the result is never worse.
    target : float
        Stop at this objective. Nothing is done below ``trivial_bound``.
    budget : Budget
        Its work: slots touched by moves, times windows, and items placed by the packer.
    seed : int
        Seed of the random numbers. Without a clock, equal arguments give equal results.

    Returns
    -------
    Packing
        The best packing found, or ``start``.
    """
    goal = max(target, trivial_bound(pool)[0] * (1 + ROUNDING))
    bracket = Bracket(pool, start, "start", lower=goal)
    if pool.ranks == 1 and pool.slots == pool.num_experts:
        return start
    run = _Run(pool, start, goal, budget.scaled(1.0), seed)
    if not run.has_times:
        return start
    idle = 0
    starts = itertools.cycle(_starts(pool, start))
    for number, packing in enumerate(starts):
        if not bracket.is_open() or run.over() or idle == MOST_IDLE:
            break
        before = bracket.upper
        run.set(packing)
        run.anneal(number)
        bracket.offer(run.packing(), METHOD)
        if run.repacks and bracket.is_open():
            run.repack()
            bracket.offer(run.packing(), METHOD)
        idle = 0 if bracket.upper < before else idle + 1
    return bracket.packing


def _starts(pool: Pool, start: Packing) -> list[Packing]:
    """The packing itself, and before it the counts of the least total dealt to ranks.

    A packing for tokens has counts for tokens, which exchanges alone are slow to leave.
    """
    if pool.windows is not None or pool.cost is None:
        return [start]
    return [_least_total(pool), start]


def _least_total(pool: Pool) -> Packing:
    """Counts of the least total, the largest replicas first, each to the rank with the least time that takes it."""
    whole = whole_sizes(pool.sizes, scale_of(pool))
    prices = whole * np.arange(1, pool.max_count + 1)
    _, counts = cheapest(prices, np.ones(pool.num_experts, np.int64), pool.slots)
    sizes = pool.sizes[np.arange(pool.num_experts), counts - 1]
    replicas = np.repeat(np.arange(pool.num_experts), counts)
    order = replicas[np.argsort(-sizes[replicas], kind="stable")]
    if pool.unequal is not None:
        return _by_speed(pool, pool.unequal, order, sizes[order])
    held = _dealt(pool, order.tolist(), sizes[order].tolist())
    if pool.distinct:
        held = separate_ranks(held, sizes.tolist())
    return Packing(np.array(held, dtype=np.int64))


def _dealt(pool: Pool, replicas: list[int], sizes: list[float]) -> list[list[int]]:
    """Replicas in this order, each to the rank of least time with a free slot, if there is one without its expert."""
    held: list[list[int]] = [[] for _ in range(pool.ranks)]
    times = [0.0] * pool.ranks
    for expert, size in zip(replicas, sizes, strict=True):
        free = [
            rank
            for rank, experts in enumerate(held)
            if len(experts) < pool.slots_per_rank
        ]
        without = [rank for rank in free if expert not in held[rank]]
        among = without if pool.distinct and without else free
        rank = min(among, key=times.__getitem__)
        held[rank].append(expert)
        times[rank] += size
    return held


def _by_speed(pool: Pool, ranks: Ranks, order: Ints, sizes: Floats) -> Packing:
    """Replicas in this order, each to the rank where it ends soonest."""
    (chosen,) = ranks_by_speed(sizes[None], ranks, pool.on_each_rank)
    arrived = np.argsort(chosen, kind="stable")
    return Packing(ranks.by_rank(order[arrived]))


class _Run(State):
    """Annealing and repacking of sizes."""

    def __init__(
        self, pool: Pool, start: Packing, goal: float, budget: Budget, seed: int
    ) -> None:
        super().__init__(pool, budget, seed)
        self.goal = goal
        times = start.window_times(pool)
        self.means = mean_times(times, pool.unequal)
        self.has_times = bool((self.means > 0).any())
        self.times = np.zeros(times.T.shape)
        self.sizes, self.shares = _sizes_of(pool, self.means)
        self.real = np.flatnonzero(start.experts.ravel() != EMPTY)
        self.speeds = np.ones(pool.ranks)
        self.besides = np.zeros(times.T.shape)
        if pool.unequal is not None:
            self.speeds = np.array(pool.unequal.speeds)
            alone = np.full(pool.ranks, pool.on_each_rank)
            units = np.where(self.means > 0, self.means, 1.0)
            self.besides = pool.unequal.times(alone)[:, None] / units

    @property
    def cold(self) -> float:
        """The last temperature of squares: colder where nothing repacks."""
        return COLD if self.repacks else COLDER

    @property
    def repacks(self) -> bool:
        """Whether the packer, which is of identical ranks and one window, may finish."""
        return self.pool.windows is None and self.pool.unequal is None

    def anneal(self, number: int) -> None:
        """One annealing run, in chunks; every other one begins hotter."""
        over_windows = self.pool.windows is not None
        hot, cold = (SOFT_HOT, SOFT_COLD) if over_windows else (HOT, self.cold)
        if number % 4 >= 2 and not over_windows:
            hot *= HOTTER
        windows = len(self.shares)
        least = ANNEAL[0] if self.pool.unequal is None else ANNEAL_ALONE
        total = max(least, ANNEAL[1] * self.pool.slots) << min(number // 4, 4)
        if self.budget.work < math.inf:
            total = min(total, max(int(self.budget.work / windows) // 2, 1))
        chunks = -(-total // max(CHUNK // windows, 1))
        ends = hot * (cold / hot) ** (np.arange(chunks + 1) / chunks)
        for warm, cool in itertools.pairwise(ends.tolist()):
            if self.over():
                return
            step = -(-total // chunks)
            anneal(
                self.sizes,
                self.shares,
                self.experts,
                self.counts,
                self.times,
                self.speeds,
                self.besides,
                self.real,
                self.rng,
                step,
                warm,
                cool,
                REREPLICATE if self.pool.slots > self.pool.num_experts else 0.0,
                SOFT_DOUBLINGS if over_windows else 1,
                self.pool.distinct,
            )
            self.budget.spend(step * windows)

    def repack(self) -> None:
        """Repack with these counts until the goal is reached or nothing has improved for a while.

        With counts as they are, a replica's size is a share of its expert's sizes as it is of a load.
        """
        number = np.arange(self.pool.num_experts)
        weights = self.counts * self.sizes[number, self.counts - 1, 0]
        self.repack_until(self.goal / float(self.means[0]), weights, PATIENCE)


def _sizes_of(pool: Pool, means: Floats) -> tuple[Floats, Floats]:
    """Sizes [experts, counts, windows] in units of the windows' mean rank times, and what each window weighs."""
    units = np.where(means > 0, means, 1.0)
    if pool.windows is None:
        return np.ascontiguousarray(pool.sizes[:, :, None] / units), np.ones(1)
    of_windows = [_window_sizes(pool, loads) for loads in pool.windows.loads]
    sizes = np.stack(of_windows, axis=2) / units
    return np.ascontiguousarray(sizes), pool.windows.shares


def _window_sizes(pool: Pool, loads: Floats) -> Floats:
    return replace(pool, loads=loads, windows=None).sizes


def compile_kernels() -> None:
    """Compile (or load from the cache) everything that a search calls."""
    cost = Cost.roofline(1.0, 1.0)
    experts: Ints = np.concatenate([np.arange(8), np.arange(4, 8)]).reshape(4, 3)
    loads = np.arange(1.0, 9.0)
    windows = Windows(
        np.stack([loads, loads[::-1]]),
        np.array([0.5, 0.5]),
        Objective("mean", cost=cost),
    )
    for over in (None, windows):
        pool = Pool(loads, 12, 4, windows=over, cost=cost)
        search_times(pool, Packing(experts), target=0.0, budget=Budget(work=2000))
