"""Search over windows of counts: anneal, then cover all ranks exactly with counts near those found (needs numba).

Annealing finds good counts in milliseconds, but not the packing that fits them best. `exact.patterns` looks at all
packings whose counts differ little from these at once. Its time has a heavy tail, so each window gets a small budget.
"""

from __future__ import annotations

import math
import time

import numpy as np

from ..exact.patterns import decide
from ..outcome import StopReason
from ..pool import Packing, Pool
from .search import restart

ANNEALING = 300_000  # work of one annealing run, in the search's unit
WINDOW_TICKS = 10_000_000  # patterns that may be looked at in one window
TICKS_PER_WORK = 5  # patterns looked at in the time of one unit of the search's work
WIDTHS = (1, 2)  # counts differ by at most this much from the annealed ones
AIMS = (0.0, 0.5, 0.75)  # where to aim between the target and the incumbent, in turn


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
    best, objective = start, start.objective(pool)
    left = math.inf if work is None else float(work)
    end = math.inf if deadline is None else deadline
    widths: tuple[int, ...] = WIDTHS
    number = 0
    while objective > target and left > 0 and time.monotonic() < end:
        annealed = restart(pool, start, target=target, work=ANNEALING, seed=seed * 10_000 + number)
        left -= ANNEALING
        if (value := annealed.objective(pool)) < objective:
            best, objective = annealed, value
        aim = target + (objective - target) * AIMS[number % len(AIMS)]
        width = widths[number // len(AIMS) % len(widths)]
        answer = decide(pool, aim, end, min(WINDOW_TICKS, left * TICKS_PER_WORK), annealed.counts(pool), width)
        left -= answer.ticks / TICKS_PER_WORK
        if answer.packing is not None and (value := answer.packing.objective(pool)) < objective:
            best, objective = answer.packing, value
        if answer.stop is StopReason.TOO_LARGE:
            if width == 0:
                break
            widths = tuple(w for w in widths if w < width) or (0,)
        number += 1
    return best


def prepare() -> None:
    """Compile (or load from the cache) what `window_search` and `exact.patterns` call, beside the search."""
    pool = Pool(np.arange(1.0, 9.0), 12, 4)
    decide(pool, pool.mean * 1.2, ticks=1000)
