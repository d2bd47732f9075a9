"""Search over windows of counts: choose counts, then cover all ranks exactly with counts near those (needs numba).

Annealing finds good counts in milliseconds, but not the packing that fits them best. `exact.patterns` looks at all
packings whose counts differ little from these at once. Its time has a heavy tail, so each window gets a small budget.
In every other round the counts are those of a random solution of L2's linear program (`bounds.pattern_lp`) at the load
aimed at; ``python -m benchmarks.ablation`` compares the search with and without them.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np

from ..bounds.pattern_list import list_all
from ..bounds.pattern_lp import mean_counts
from ..certificates.rank_model import rank_model
from ..exact.cover import decide
from ..problem.pool import Ints, Packing, Pool
from ..problem.status import StopReason
from .search import restart

ANNEALING = 300_000  # work of one annealing run, in the search's unit
PROGRAM = 500_000  # work of one linear program, roughly
PROGRAM_PATTERNS = 50_000  # of programs that are solved that soon
WINDOW_TICKS = 10_000_000  # patterns that may be looked at in one window
TICKS_PER_WORK = 5  # patterns looked at in the time of one unit of the search's work
# Windows around the same counts: by how much counts may differ, and which share of the way from the incumbent to the
# target is aimed at. The share rises where a window was too much to search and falls where it was empty.
WINDOWS = ((1, 1.0), (2, 1.0), (1, 0.25), (2, 0.25), (3, 0.25))
HARDER = 0.85  # factor of the share, down or up


def window_search(
    pool: Pool, start: Packing, *, target: float, work: int | None = None, seed: int = 0, deadline: float | None = None
) -> Packing:  # fmt: skip
    """Improve a packing until its objective is at the target, or the limits are reached, or the pool is too large.

    Parameters
    ----------
    pool : Pool
        With at least two slots a rank; patterns are few with three or four.
    start : Packing
        A valid packing of the pool; the result is never worse.
    target : float
        Stop at this load of the heaviest rank, > 0, in routed tokens.
    work, seed, deadline : as in `search`; at least one of work and deadline.

    Returns
    -------
    Packing
        The best packing found, or ``start``.
    """
    run = _Run(pool, start, target, math.inf if work is None else work, math.inf if deadline is None else deadline)
    windows = [_Window(width, share) for width, share in WINDOWS]
    rng = np.random.default_rng(seed)
    number = 0
    while windows and run.goes_on():
        near = run.program(windows[0].share, rng) if number % 2 else None
        if near is None:
            near = run.anneal(start, seed * 10_000 + number)
        for window in windows:
            if not run.goes_on():
                break
            if run.look(window, near) is StopReason.TOO_LARGE:
                narrower = [w for w in windows if w.width < window.width]
                windows = narrower or ([_Window(0, 1.0)] if window.width > 0 else [])
                break
        number += 1
    return run.best


@dataclass
class _Window:
    """By how much counts may differ, and which share of the way from the incumbent to the target is aimed at."""

    width: int
    share: float


class _Run:
    """The incumbent, and what is left of the limits."""

    def __init__(self, pool: Pool, start: Packing, target: float, work: float, deadline: float) -> None:
        self.pool, self.best, self.objective = pool, start, start.objective(pool)
        self.target, self.work, self.deadline = target, work, deadline

    def goes_on(self) -> bool:
        """Whether the target is not reached and limits are left."""
        return self.objective > self.target and self.work > 0 and time.monotonic() < self.deadline

    def anneal(self, start: Packing, seed: int) -> Ints:
        """Counts [experts] of an annealing run."""
        annealed = restart(self.pool, start, target=self.target, work=ANNEALING, seed=seed)
        self.work -= ANNEALING
        self._take(annealed)
        return annealed.counts(self.pool)

    def program(self, share: float, rng: np.random.Generator) -> Ints | None:
        """Counts [experts] of a solution of L2's program at an aim, rounded; None: no solution, or too large."""
        model = rank_model(self.pool, self._aim(share))
        patterns = None if model is None else list_all(self.pool, model, PROGRAM_PATTERNS)
        if model is None or patterns is None or not len(patterns[0]):
            return None
        self.work -= PROGRAM
        seconds = self.deadline - time.monotonic()
        mean = mean_counts(self.pool, model, patterns[0], rng, seconds)
        if mean is None:
            return None
        counts = np.floor(mean + 1e-6).astype(np.int64)  # they add up to at most the slots: the means fill them
        rest = np.argsort(counts - mean, kind="stable")[: self.pool.slots - counts.sum()]
        counts[rest] += 1
        return counts

    def look(self, window: _Window, near: Ints) -> StopReason:
        """Cover the ranks with counts near these; aim lower next time if there was nothing, higher if too much."""
        ticks = min(WINDOW_TICKS, self.work * TICKS_PER_WORK)
        answer = decide(self.pool, self._aim(window.share), self.deadline, ticks, near, window.width)
        self.work -= answer.ticks / TICKS_PER_WORK
        if answer.packing is not None:
            self._take(answer.packing)
        elif answer.impossible:
            window.share *= HARDER
        elif answer.stop is StopReason.WORK:
            window.share = min(1.0, window.share / HARDER)
        return answer.stop

    def _aim(self, share: float) -> float:
        return self.objective - (self.objective - self.target) * share

    def _take(self, packing: Packing) -> None:
        value = packing.objective(self.pool)
        if value < self.objective:
            self.best, self.objective = packing, value


def prepare() -> None:
    """Compile (or load from the cache) what `window_search` and `exact.patterns` call, beside the search."""
    pool = Pool(np.arange(1.0, 9.0), 12, 4)
    decide(pool, pool.mean * 1.2, ticks=1000)
