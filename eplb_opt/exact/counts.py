"""Pools of few count vectors: enumerate them, leave out what L1 excludes, decide each (``models/README.md``, X9).

Counts are few where there are few spare slots, or where the heaviest experts need almost all of them.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import numpy as np

from ..bounds.exclusion import learn_prices
from ..bounds.separation import Grid
from ..budget import Budget
from ..certificates.cuts import exact_range
from ..highs import collected_failures
from ..limits import Limits
from ..outcome import PoolOutcome
from ..problem.pool import Ints, Packing, Pool
from ..problem.status import StopReason
from . import fixed_counts
from .counts_kernel import (
    IMPOSSIBLE,
    LEAF_STEPS,
    OPEN_LEAF,
    PACKED,
    PAUSED,
    Counts,
    cheapest,
    enumerate_counts,
    tree_size,
)
from .cover import short_proof
from .fixed_counts import FIRST, decide_fixed, replica_loads
from .targets import Targets, Verdict, shrink_of

METHOD = "count enumeration"
MOST_VECTORS = 1e11  # of counts that a target allows, before L1 is asked
MOST_WAYS = 1e300  # so that numbers stay finite
MOST_STEPS = 5e6  # experts * spare slots * choices of a count
PRICES = 60  # price vectors kept at a target
PROGRAMS = 300  # linear programs solved for them
PROGRAM = 20_000  # ticks of a linear program, roughly
DIVES = 200  # random ones that estimate the tree
TICKS_PER_SECOND = 10_000_000  # a tick is a count tried or item placed
CHUNK = 3_000_000  # ticks between two looks at the clock
MOST_TICKS = 1e12  # where nothing limits them
LEAF = 1_000_000  # ticks for a count vector, at least
LEAF_SHARE = 0.5  # of the limits, for all count vectors that the tree seems to have, if that is more


def solve_counts(
    pool: Pool, upper: Packing, limits: Limits, lower: float = 0.0
) -> PoolOutcome:
    """The best packing of a pool and a lower bound, target by target from the incumbent downwards.

    Parameters
    ----------
    upper : Packing
        A solution to start from; the outcome's packing is never worse.
    limits : Limits
        ``gap``, ``seconds``, and ``work``: 80 million counts tried and items placed a unit.
    lower : float
        A bound that is proven already.
    """
    within = partial(decide_counts, pool, shrink=shrink_of(pool, limits.gap))
    return Targets(
        pool,
        upper,
        limits,
        lower,
        METHOD,
        within,
    ).descend()


def decide_counts(
    pool: Pool, target: float, budget: Budget, shrink: float = 0.0
) -> Verdict:
    """Find a packing within a target or prove that there is none; parameters as in `cover.decide`.

    With ``shrink > 0`` the search goes on from a packing that it found, at a target lower than it by that share.
    """
    if budget.work < PROGRAMS * PROGRAM:
        return Verdict(None, False, 0.0, StopReason.WORK)
    if not 2.0**-900 < target < 2.0**900:
        return Verdict(None, False, 0.0, StopReason.TOO_LARGE)
    # where cuts are; it only allows more
    counts = exact_range(pool, Grid(pool.mean).up(target))
    if counts is None:
        return Verdict(None, True, 0.0)
    if count_vectors(*counts, pool.slots) > MOST_VECTORS:
        return Verdict(None, False, 0.0, StopReason.TOO_LARGE)
    verdict = _Enumeration(pool, target, *counts, budget).run(shrink)
    if not verdict.impossible:
        return verdict
    return replace(verdict, proof=short_proof(pool, verdict.target))


def count_vectors(low: Ints, high: Ints, slots: int) -> float:
    """How many vectors of counts in ranges [experts] fill the slots, in float64; infinite if that is long to tell."""
    spare = slots - int(low.sum())
    choices = high - low + 1
    if low.size * (spare + 1) * int(choices.max()) > MOST_STEPS:
        return math.inf
    # to fill so many of the spare slots with the experts so far
    ways = np.zeros(spare + 1)
    ways[0] = 1.0
    for options in choices.tolist():
        # no differences of sums: nothing cancels
        further = np.convolve(ways, np.ones(options))
        ways = np.minimum(further[: spare + 1], MOST_WAYS)
    return float(ways[spare])


def _root(depths: int, prices: int, spare: int) -> Counts:
    """The tree before any count is chosen."""
    state = np.zeros(2, np.int64)
    spent = np.zeros((depths, prices), int)
    return Counts(state, np.full(depths, -1), np.full(depths, spare), spent)


class _Enumeration:
    """The counts that a target allows, heaviest expert first, and what is left of the budget."""

    def __init__(
        self, pool: Pool, target: float, low: Ints, high: Ints, budget: Budget
    ) -> None:
        self.pool = pool
        self.budget = budget.scaled(1.0)
        self.spent = 0.0
        on_grid = Grid(pool.mean).up(target)
        prices = learn_prices(
            pool,
            on_grid,
            low,
            high,
            PRICES,
            PROGRAMS,
            budget,
        )
        self._spend(float(PROGRAMS * PROGRAM))
        self.order = np.argsort(-pool.loads, kind="stable")
        self.least = low[self.order]
        self.options = (high - low)[self.order] + 1
        self.most = prices.most
        self.cost = np.ascontiguousarray(prices.cost[:, self.order])
        spare = pool.slots - int(low.sum())
        self.rest = cheapest(self.cost, self.options, spare)
        self.at = _root(low.size + 1, self.most.size, spare)
        self.owner = np.empty(pool.slots, np.int64)
        self.out = np.empty(pool.slots, np.int64)
        self._aim(target)

    def run(self, shrink: float) -> Verdict:
        """Look at every count vector that no price excludes, if it seems that the limits allow it."""
        size = self._estimated_size()
        left = min(self.budget.work, self.budget.seconds() * TICKS_PER_SECOND)
        if size > left:
            return Verdict(None, False, self.spent, StopReason.TOO_LARGE)
        leaves = max(size / (self.pool.slots * LEAF_STEPS), 1.0)
        most = min(left, MOST_TICKS) * LEAF_SHARE / leaves
        return self._search(shrink, most)

    def _estimated_size(self) -> float:
        """Ticks that the whole tree may take, from a few random ways down."""
        seed = np.zeros(1, np.uint64)
        slots = self.pool.slots
        size = tree_size(
            self.cost,
            self.most,
            self.rest,
            self.options,
            slots,
            DIVES,
            seed,
            self.at,
        )
        self.at.state[:] = 0
        return float(size)

    def _search(self, shrink: float, most: float) -> Verdict:
        """Go through the tree, with at most so many ticks for a leaf."""
        best = None
        status = PAUSED
        while status != IMPOSSIBLE:
            status, packing, stop = self._next(status, most)
            if packing is not None:
                best = packing
                if not shrink:
                    return Verdict(best, False, self.spent)
                self._aim(packing.objective(self.pool) / (1 + shrink))
            stop = stop or self.budget.stop()
            if stop is not None:
                return Verdict(best, False, self.spent, stop)
        return Verdict(best, True, self.spent, target=self.target)

    def _next(
        self, status: int, most: float
    ) -> tuple[int, Packing | None, StopReason | None]:
        """What the next part of the tree came to: its status, a packing, and why to stop."""
        if status != OPEN_LEAF:
            status = self._go_on()
            return status, self._packed() if status == PACKED else None, None
        verdict = self._leaf(most)
        if verdict.packing is not None:
            return OPEN_LEAF, verdict.packing, None
        return PAUSED, None, None if verdict.impossible else verdict.stop

    def _spend(self, ticks: float) -> None:
        self.spent += ticks
        self.budget.spend(ticks)

    def _packed(self) -> Packing:
        held = self.owner[np.argsort(self.out, kind="stable")].reshape(
            self.pool.ranks, -1
        )
        return Packing(self.order[held])

    def _go_on(self) -> int:
        chunk = int(min(CHUNK, max(self.budget.work, 0)))
        shape = (self.pool.ranks, self.pool.slots_per_rank, self.pool.distinct)
        status, used = enumerate_counts(
            self.cost,
            self.most,
            self.rest,
            self.options,
            self.least,
            self.item,
            shape,
            self.limit,
            chunk,
            FIRST,
            self.at,
            self.owner,
            self.out,
        )
        self._spend(used)
        return int(status)

    def _leaf(self, most: float) -> Verdict:
        """The verdict on the count vector that the packer left open."""
        counts = np.empty_like(self.least)
        counts[self.order] = self.least + self.at.extra[:-1]
        ticks = self.budget.at_most(max(most, LEAF))
        verdict = decide_fixed(self.pool, self.target, counts, ticks)
        self._spend(verdict.ticks)
        return verdict

    def _aim(self, target: float) -> None:
        """Look for packings within this target from now on, which is not above the first one."""
        counts = self.least[:, None] + np.arange(int(self.options.max()))
        self.target = target
        self.item, self.limit = replica_loads(
            self.pool.loads[self.order], counts, target
        )


def compile_kernels() -> None:
    """Compile (or load from the cache) what `decide_counts` calls."""
    pool = Pool(np.arange(1.0, 9.0), 12, 4)
    # of its linear programs, which are nothing to compile: steps will tell of them
    with collected_failures():
        decide_counts(pool, pool.mean * 1.2, Budget())
    fixed_counts.compile_kernels()
