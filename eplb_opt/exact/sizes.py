"""What replicas add to their ranks in the assignment formulation: loads, or with a cost what these take."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from ..problem.pool import Packing, Pool
from ..problem.value import mean_times

Pair = tuple[int, int]  # an expert and its count
Sizes = dict[Pair, float]


def window_sizes(pool: Pool, pairs: Iterable[Pair], incumbent: Packing) -> list[Sizes]:
    """What a replica of each expert with each count adds to its rank, in each window that has a share.

    Parameters
    ----------
    pool : Pool
        Without windows, its own sizes are the only ones.
    pairs : iterable of (int, int)
        Experts and their counts.
    incumbent : Packing
        Whose mean rank time is one in each window, where sizes are costs: there only their proportions matter.

    Returns
    -------
    list of mapping from (expert, count) to float
    """
    pairs = list(pairs)
    if pool.windows is None:
        return [_sizes(pool, pairs, 1.0)]
    of_windows = [
        replace(pool, loads=loads, windows=None)
        for loads in pool.windows.loads[pool.windows.shares > 0]
    ]
    return [
        _sizes(of_window, pairs, unit)
        for of_window, unit in zip(of_windows, _units(pool, incumbent), strict=True)
    ]


def work_besides(pool: Pool, incumbent: Packing) -> list[float]:
    """What every rank takes besides the sizes on it, in the units of `window_sizes`, one a window that has a share."""
    return [pool.on_each_rank / unit for unit in _units(pool, incumbent)]


def _units(pool: Pool, incumbent: Packing) -> list[float]:
    """The unit of sizes in each window that has a share: of costs over windows the incumbent's mean rank time."""
    if pool.windows is None:
        return [1.0]
    heard = pool.windows.shares > 0
    if pool.cost is None:
        return [1.0] * int(heard.sum())
    times = incumbent.window_times(pool)[heard]
    means = mean_times(times, pool.unequal)
    units: list[float] = np.where(means > 0, means, 1.0).tolist()
    return units


def _sizes(pool: Pool, pairs: list[Pair], unit: float) -> Sizes:
    sizes = pool.sizes.tolist()
    return {(e, k): sizes[e][k - 1] / unit for e, k in pairs}


def allowed_by_size(pool: Pool, upper: float) -> list[range]:
    """Every count that each expert can have in a solution no worse than a time (V3, with sizes that never rise).

    Parameters
    ----------
    pool : Pool
        With a cost or unequal ranks. Over windows with a cost, whose times are over their mean, every count may be.
    upper : float
        Time of the slowest rank.

    Returns
    -------
    list of range
        One an expert.
    """
    most = pool.max_count
    if pool.windows is not None and pool.cost is not None:
        return [range(1, most + 1)] * pool.num_experts
    if pool.unequal is not None:
        upper = upper * pool.unequal.fastest - pool.on_each_rank
    is_within = pool.sizes <= upper
    first = np.where(is_within.any(axis=1), is_within.argmax(axis=1) + 1, most)
    spare = max(pool.slots - int(first.sum()), 0)
    return [range(least, min(most, least + spare) + 1) for least in first.tolist()]
