"""Search over ranges of counts: choose counts, then cover all ranks exactly with counts near those (needs numba).

Annealing finds good counts in milliseconds, but not the packing that fits them best. `exact.cover` looks at all
packings whose counts differ little from these at once. Its time has a heavy tail, so each range gets a small budget.
In every other round the counts are those of a random solution of L2's linear program (`bounds.pattern_lp`) at the load
aimed at; ``python -m benchmarks.ablation`` compares the search with and without them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..bounds.pattern_list import list_all
from ..bounds.pattern_lp import mean_counts
from ..bracket import Bracket
from ..budget import Budget
from ..certificates.rank_model import rank_model
from ..exact.cover import decide
from ..problem.pool import Ints, Packing, Pool
from ..problem.status import StopReason
from .search import restart

METHOD = "count ranges"
ANNEALING = 300_000  # work of one annealing run, in the search's unit
PROGRAM = 500_000  # work of one linear program, roughly
PROGRAM_PATTERNS = 50_000  # of programs that are solved that soon
RANGE_TICKS = 10_000_000  # patterns that may be looked at in one range
TICKS_PER_WORK = 5  # patterns looked at in the time of one unit of the search's work
# Ranges around the same counts: by how much counts may differ, and which share of the way from the incumbent to the
# target is aimed at. The share rises where a range was too much to search and falls where it was empty.
RANGES = ((1, 1.0), (2, 1.0), (1, 0.25), (2, 0.25), (3, 0.25))
HARDER = 0.85  # factor of the share, down or up
# Of annealing runs: calls with different seeds have none in common.
SEEDS_A_CALL = 10_000
# What a mean count of the linear program may be below a whole number.
MEAN_ROUNDING = 1e-6


def search_count_ranges(
    pool: Pool, start: Packing, *, target: float, budget: Budget, seed: int = 0
) -> Packing:
    """Improve a packing until its objective is at the target, or the limits are reached, or the pool is too large.

    Parameters
    ----------
    pool : Pool
        With at least two slots a rank; patterns are few with three or four.
    start : Packing
        A valid packing of the pool; the result is never worse.
    target : float
        Stop at this load of the heaviest rank, > 0, in routed tokens.
    budget : Budget
        With a clock, or with work in the unit of `search`.
    seed : int
        As in `search`.

    Returns
    -------
    Packing
        The best packing found, or ``start``.
    """
    run = _Run(pool, start, target, budget)
    ranges = [_Range(width, share) for width, share in RANGES]
    rng = np.random.default_rng(seed)
    number = 0
    while ranges and run.goes_on():
        near = run.program(ranges[0].share, rng) if number % 2 else None
        if near is None:
            near = run.anneal(start, seed * SEEDS_A_CALL + number)
        ranges = _searched(run, ranges, near)
        number += 1
    return run.bracket.packing


def _searched(run: _Run, ranges: list[_Range], near: Ints) -> list[_Range]:
    """Search ranges around counts; returns those that are not too large."""
    for counts_range in ranges:
        if not run.goes_on():
            break
        if run.look(counts_range, near) is StopReason.TOO_LARGE:
            return _narrower(ranges, counts_range.width)
    return ranges


@dataclass
class _Range:
    """By how much counts may differ, and which share of the way from the incumbent to the target is aimed at."""

    width: int
    share: float


def _narrower(ranges: list[_Range], width: int) -> list[_Range]:
    """The ranges narrower than one that was too large; at last that of the counts alone."""
    narrower = [one for one in ranges if one.width < width]
    if narrower or width == 0:
        return narrower
    return [_Range(0, 1.0)]


class _Run:
    """The incumbent, and what is left of the budget."""

    def __init__(
        self, pool: Pool, start: Packing, target: float, budget: Budget
    ) -> None:
        self.pool = pool
        self.budget = budget.at_most(budget.work)
        self.bracket = Bracket(pool, start, METHOD, lower=target)

    def goes_on(self) -> bool:
        """Whether the target is not reached and something may still be spent."""
        return self.bracket.is_open() and self.budget.stop() is None

    def anneal(self, start: Packing, seed: int) -> Ints:
        """Counts [experts] of an annealing run."""
        annealed = restart(
            self.pool, start, target=self.bracket.lower, work=ANNEALING, seed=seed
        )
        self.budget.spend(ANNEALING)
        self.bracket.offer(annealed, METHOD)
        return annealed.counts(self.pool)

    def program(self, share: float, rng: np.random.Generator) -> Ints | None:
        """Counts [experts] of a solution of L2's program at an aim, rounded; None: no solution, or too large."""
        model = rank_model(self.pool, self._aim(share))
        if model is None:
            return None
        patterns = list_all(self.pool, model, PROGRAM_PATTERNS)
        if patterns is None or not len(patterns[0]):
            return None
        self.budget.spend(PROGRAM)
        mean = mean_counts(self.pool, model, patterns[0], rng, self.budget)
        if mean is None:
            return None
        # at most the slots: the means fill them
        counts = np.floor(mean + MEAN_ROUNDING).astype(np.int64)
        left = self.pool.slots - counts.sum()
        furthest = np.argsort(counts - mean, kind="stable")[:left]
        counts[furthest] += 1
        return counts

    def look(self, counts_range: _Range, near: Ints) -> StopReason:
        """Cover the ranks with counts near these; aim lower next time if there was nothing, higher if too much."""
        ticks = self.budget.scaled(TICKS_PER_WORK).at_most(RANGE_TICKS)
        verdict = decide(
            self.pool,
            self._aim(counts_range.share),
            ticks,
            near,
            counts_range.width,
        )
        self.budget.spend(verdict.ticks / TICKS_PER_WORK)
        if verdict.packing is not None:
            self.bracket.offer(verdict.packing, METHOD)
        elif verdict.impossible:
            counts_range.share *= HARDER
        elif verdict.stop is StopReason.WORK:
            counts_range.share = min(1.0, counts_range.share / HARDER)
        return verdict.stop

    def _aim(self, share: float) -> float:
        return self.bracket.upper - (self.bracket.upper - self.bracket.lower) * share


def compile_kernels() -> None:
    """Compile (or load from the cache) what `search_count_ranges` and `exact.cover` call, beside the search."""
    pool = Pool(np.arange(1.0, 9.0), 12, 4)
    decide(pool, pool.mean * 1.2, Budget(work=1000))
