"""Offline search: counts and packing together, by annealing, repacking and restarts (needs numba)."""

from __future__ import annotations

import itertools
import math

import numpy as np

from ..bracket import Bracket
from ..budget import Budget
from ..certificates.mean import trivial_bound
from ..problem.pool import Packing, Pool
from ..problem.water_filling import water_filling
from .anneal import anneal
from .state import CHUNK, State

ANNEAL = 300_000, 1_000  # work of one annealing run: at least, and a slot
PATIENCE = 2_000_000  # repacking work without progress after which a restart follows
HOT, COLD = 1e-3, 1e-9  # temperatures, in squares of the mean rank load
HOTTER = 100.0  # factor of the first temperature in every other run: an expert of most of the load changes many ranks
REREPLICATE = 0.4  # share of the moves that change counts
MOVES = 4  # most count moves of a repacking round
ROUNDING = 1e-12  # a relative excess over a lower bound that float sums may show


def search(
    pool: Pool, start: Packing, *, target: float, budget: Budget, seed: int = 0
) -> Packing:
    """Improve a packing until its objective is at the target or the limits are reached.

    Parameters
    ----------
    pool : Pool
    start : Packing
        A valid packing of the pool; the result is never worse.
    target : float
        Stop at this load of the heaviest rank, in routed tokens. Nothing is done below ``trivial_bound``.
    budget : Budget
        Its work: slots touched by moves and items placed by the packer, some 1e7 to 3e7 a second of a core.
        Compiling is not interrupted by its clock: call ``compile_kernels`` before.
    seed : int
        Seed of the random numbers. Without a clock, equal arguments give equal results.

    Returns
    -------
    Packing
        The best packing found, or ``start``.
    """
    if not _has_choice(pool):
        return start
    goal = max(target, trivial_bound(pool)[0] * (1 + ROUNDING))
    if pool.slots_per_rank == 1:
        return min(start, _one_slot(pool), key=lambda packing: packing.objective(pool))
    run = _Run(pool, goal, budget.scaled(1.0), seed)
    bracket = Bracket(pool, start, "start", lower=goal)
    number = 0
    while bracket.is_open() and not run.over():
        run.set(start)
        run.anneal(HOT * HOTTER if number % 2 else HOT)
        run.repack()
        bracket.offer(run.packing(), "search")
        number += 1
    return bracket.packing


def _has_choice(pool: Pool) -> bool:
    """Whether one packing may be better than another."""
    is_loaded = pool.mean >= np.finfo(np.float64).tiny
    return bool(is_loaded and pool.ranks > 1 and pool.num_experts > 1)


def search_near(
    pool: Pool, start: Packing, *, target: float, work: int, most_moves: int, seed: int
) -> Packing:
    """A packing whose counts are those of another, or near: one run, whose result may be worse than the start.

    Parameters
    ----------
    pool : Pool
    start : Packing
        Whose counts are kept, such as the greedy's.
    target : float
        Stop at this load of the heaviest rank, in routed tokens.
    work : int
        As of `search`.
    most_moves : int
        Replicas that a round of repacking may move from one expert to another; with 0 the counts are the start's.
    seed : int

    Returns
    -------
    Packing
    """
    run = _Run(pool, target, Budget(work=work), seed)
    run.moves = min(run.moves, most_moves)
    run.set(start)
    run.anneal(HOT, share=0.0)
    run.repack()
    return run.packing()


def restart(
    pool: Pool, start: Packing, *, target: float, work: int, seed: int
) -> Packing:
    """One annealing run and some repacking from a packing; the result may be worse than it, and differs by the seed."""
    run = _Run(pool, target, Budget(work=work), seed)
    run.set(start)
    run.anneal(HOT)
    run.repack()
    return run.packing()


def compile_kernels() -> None:
    """Compile (or load from the cache) everything that ``search`` calls."""
    pool = Pool(np.arange(1.0, 9.0), 12, 4)
    experts = np.concatenate([np.arange(8), np.arange(4, 8)]).reshape(4, 3)
    search(
        pool, Packing(experts.astype(np.int64)), target=0.0, budget=Budget(work=2000)
    )


class _Run(State):
    """Annealing and repacking of loads."""

    def __init__(self, pool: Pool, goal: float, budget: Budget, seed: int) -> None:
        super().__init__(pool, budget, seed)
        mean = pool.mean or 1.0  # of a pool without a token any map is as good
        self.weights = pool.loads / mean
        self.goal = goal / mean
        self.moves = MOVES if pool.slots > pool.num_experts else 0
        self.drawn_first = min(0.7, 8 / pool.ranks)

    def anneal(self, hot: float, share: float = REREPLICATE) -> None:
        """One annealing run from a temperature, in chunks, with a share of moves that change counts."""
        total = max(ANNEAL[0], ANNEAL[1] * self.pool.slots)
        if self.budget.work < math.inf:
            total = min(total, max(int(self.budget.work) // 2, 1))
        if self.pool.slots == self.pool.num_experts:
            share = 0.0
        chunks = -(-total // CHUNK)
        ends = hot * (COLD / hot) ** (np.arange(chunks + 1) / chunks)
        for warm, cold in itertools.pairwise(ends.tolist()):
            if self.over():
                return
            step = -(-total // chunks)
            anneal(
                self.weights,
                self.experts,
                self.counts,
                self.loads,
                self.rng,
                step,
                warm,
                cold,
                share,
                self.pool.distinct,
            )
            self.budget.spend(step)

    def repack(self) -> None:
        """Repack until the goal is reached or nothing has improved for a while."""
        self.repack_until(
            self.goal,
            self.weights,
            PATIENCE,
            moves=self.moves,
            drawn_first=self.drawn_first,
        )


def _one_slot(pool: Pool) -> Packing:
    """One slot a rank: each further replica goes to the expert whose replicas are the largest (optimal)."""
    counts = water_filling(pool.loads[None], pool.slots, pool.slots)[0]
    return Packing(
        np.repeat(np.arange(pool.num_experts), counts).reshape(pool.ranks, 1)
    )
