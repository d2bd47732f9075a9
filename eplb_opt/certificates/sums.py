"""Sums of two replica loads: what an objective of two slots a rank can be (``models/README.md``, X5)."""

from __future__ import annotations

import numpy as np

from ..problem.pool import Pool

MARGIN = 2.0**-48  # relative room for float64 rounding in a + b <= T


def next_sum(pool: Pool, limit: float, upper: float) -> float:
    """The least sum of two replica loads above a limit, or ``upper`` if that is less.

    Parameters
    ----------
    pool : Pool
    limit, upper : float
        In units of load, >= 0.

    Returns
    -------
    float
        Up to rounding, downwards: relatively ``MARGIN`` below the sum at most.
    """
    copies = np.arange(1, pool.max_count + 1)
    loads = np.unique(pool.loads[:, None] / copies)  # of replicas, ascending
    loads = loads[loads <= upper * (1 + MARGIN)]
    missing = limit * (1 - MARGIN) - loads
    # The lightest with which each is at least the limit.
    partner = np.searchsorted(loads, missing)
    has_partner = partner < loads.size
    with np.errstate(over="ignore"):
        sums = loads[has_partner] + loads[partner[has_partner]]
    least = min(sums.min(initial=upper), upper)
    return float(least) * (1 - MARGIN)
