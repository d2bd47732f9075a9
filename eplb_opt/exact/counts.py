"""Pools of few count vectors: enumerate them, leave out what L1 excludes, decide each (``models/README.md``, X9).

Counts are few where there are few spare slots, or where the heaviest experts need almost all of them.
"""

from __future__ import annotations

import math
import time

import numpy as np

from ..bounds.exclusion import learn_prices
from ..bounds.separation import Grid
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
from .fixed_counts import FIRST, decide_fixed, replica_loads
from .targets import Answer, Targets, shrink_of, whole

METHOD = "count enumeration"
MOST_VECTORS = 1e11  # of counts that a target allows, before L1 is asked
MOST_STEPS = 5e6  # experts * spare slots * choices of a count
PRICES, PROGRAMS = 60, 300  # price vectors kept, linear programs solved for them, at a target
PROGRAM = 20_000  # ticks of a linear program, roughly
DIVES, TICKS_PER_SECOND = 200, 10_000_000  # random dives that estimate the tree; a tick is a count tried or item placed
CHUNK = 3_000_000  # ticks between two looks at the clock
LEAF = 1_000_000  # ticks for a count vector, at least
LEAF_SHARE = 0.5  # of the limits, for all count vectors that the tree seems to have, if that is more


def solve_counts(pool: Pool, upper: Packing, limits: Limits, lower: float = 0.0) -> PoolOutcome:
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

    def within(target: float, deadline: float, ticks: float) -> Answer:
        return decide_counts(pool, target, deadline, ticks, shrink_of(pool, limits.gap))

    return Targets(pool, upper, limits, lower, METHOD, within, lambda packing: packing.objective(pool)).descend()


def decide_counts(
    pool: Pool, target: float, deadline: float = math.inf, ticks: float = math.inf, shrink: float = 0.0
) -> Answer:
    """Find a packing within a target or prove that there is none; parameters as in `patterns.decide`.

    With ``shrink > 0`` the search goes on from a packing that it found, at a target lower than it by that share.
    """
    if ticks < PROGRAMS * PROGRAM:
        return Answer(None, False, 0.0, StopReason.WORK)
    if not 2.0**-900 < target < 2.0**900:
        return Answer(None, False, 0.0, StopReason.TOO_LARGE)
    counts = exact_range(pool, Grid(pool.mean).up(target))  # where cuts are; it only allows more
    if counts is None:
        return Answer(None, True, 0.0)
    if count_vectors(*counts, pool.slots) > MOST_VECTORS:
        return Answer(None, False, 0.0, StopReason.TOO_LARGE)
    return _Enumeration(pool, target, *counts, deadline, ticks).run(shrink)


def count_vectors(low: Ints, high: Ints, slots: int) -> float:
    """How many vectors of counts in ranges [experts] fill the slots, in float64; infinite if that is long to tell."""
    spare, width = slots - int(low.sum()), int((high - low).max()) + 1
    if low.size * (spare + 1) * width > MOST_STEPS:
        return math.inf
    ways = np.zeros(spare + 1)
    ways[0] = 1.0
    for options in (high - low + 1).tolist():  # no differences of sums: nothing cancels
        ways = np.minimum(np.convolve(ways, np.ones(options))[: spare + 1], 1e300)
    return float(ways[spare])


class _Enumeration:
    """The counts that a target allows, heaviest expert first, and what is left of the limits."""

    def __init__(
        self, pool: Pool, target: float, low: Ints, high: Ints, deadline: float, ticks: float
    ) -> None:  # fmt: skip
        self.pool, self.deadline, self.ticks = pool, deadline, whole(ticks)
        seconds = deadline - time.monotonic()
        prices = learn_prices(
            pool, Grid(pool.mean).up(target), low, high, PRICES, PROGRAMS, time.perf_counter() + seconds
        )
        self.spent = float(PROGRAMS * PROGRAM)
        self.order = np.argsort(-pool.loads, kind="stable")
        self.least, self.options = low[self.order], (high - low)[self.order] + 1
        self.most, self.cost = prices.most, np.ascontiguousarray(prices.cost[:, self.order])
        spare, depths = pool.slots - int(low.sum()), low.size + 1
        self.rest = cheapest(self.cost, self.options, spare)
        self.at = Counts(
            np.zeros(2, np.int64), np.full(depths, -1), np.full(depths, spare), np.zeros((depths, self.most.size), int)
        )
        self.owner, self.out = np.empty(pool.slots, np.int64), np.empty(pool.slots, np.int64)
        self._aim(target)

    def run(self, shrink: float) -> Answer:
        """Look at every count vector that no price excludes, if it seems that the limits allow it."""
        size = tree_size(
            self.cost, self.most, self.rest, self.options, self.pool.slots, DIVES, np.zeros(1, np.uint64), self.at
        )
        left = min(self.ticks - self.spent, (self.deadline - time.monotonic()) * TICKS_PER_SECOND)
        if size > left:
            return Answer(None, False, self.spent, StopReason.TOO_LARGE)
        self.at.state[:] = 0
        most = min(left, 1e12) * LEAF_SHARE / max(size / (self.pool.slots * LEAF_STEPS), 1.0)
        best, status = None, PAUSED
        while status != IMPOSSIBLE:
            if status == OPEN_LEAF:
                answer = self._leaf(most)
                found, stop = answer.packing, StopReason.GAP if answer.impossible else answer.stop
                status = PAUSED if answer.packing is None else OPEN_LEAF
            else:
                status = self._go_on()
                found, stop = self._packed() if status == PACKED else None, StopReason.GAP
            if found is not None:
                best = found
                if not shrink:
                    return Answer(best, False, self.spent)
                self._aim(found.objective(self.pool) / (1 + shrink))
            elif stop is not StopReason.GAP:
                return Answer(best, False, self.spent, stop)
            if self.spent >= self.ticks:
                return Answer(best, False, self.spent, StopReason.WORK)
            if time.monotonic() >= self.deadline:
                return Answer(best, False, self.spent, StopReason.TIME)
        return Answer(best, True, self.spent, target=self.target)

    def _packed(self) -> Packing:
        held = self.owner[np.argsort(self.out, kind="stable")].reshape(self.pool.ranks, -1)
        return Packing(self.order[held])

    def _go_on(self) -> int:
        chunk = int(min(CHUNK, max(self.ticks - self.spent, 0)))
        shape = (self.pool.ranks, self.pool.slots_per_rank, self.pool.distinct)
        status, used = enumerate_counts(
            self.cost, self.most, self.rest, self.options, self.least, self.item, shape, self.limit, chunk, FIRST,
            self.at, self.owner, self.out,
        )  # fmt: skip
        self.spent += used
        return int(status)

    def _leaf(self, most: float) -> Answer:
        """The answer for the count vector that the packer left open."""
        counts = np.empty_like(self.least)
        counts[self.order] = self.least + self.at.extra[:-1]
        ticks = min(max(most, LEAF), self.ticks - self.spent)
        answer = decide_fixed(self.pool, self.target, counts, self.deadline, ticks)
        self.spent += answer.ticks
        return answer

    def _aim(self, target: float) -> None:
        """Look for packings within this target from now on, which is not above the first one."""
        counts = self.least[:, None] + np.arange(int(self.options.max()))
        self.target = target
        self.item, self.limit = replica_loads(self.pool.loads[self.order], counts, target)


def prepare() -> None:
    """Compile (or load from the cache) what `decide_counts` calls."""
    pool = Pool(np.arange(1.0, 9.0), 12, 4)
    with collected_failures():  # of its linear programs, which are nothing to compile: steps will tell of them
        decide_counts(pool, pool.mean * 1.2)
    fixed_counts.prepare()
