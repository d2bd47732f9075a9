"""What replicas add to their ranks in the assignment formulation: loads, or with a cost what these take."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from ..problem.pool import Packing, Pool

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
    heard = pool.windows.shares > 0
    of_windows = [
        replace(pool, loads=loads, windows=None) for loads in pool.windows.loads[heard]
    ]
    means = np.ones(len(of_windows))
    if pool.cost is not None:
        means = incumbent.window_times(pool)[heard].mean(axis=1)
    return [
        _sizes(of_window, pairs, mean if mean > 0 else 1.0)
        for of_window, mean in zip(of_windows, means.tolist(), strict=True)
    ]


def _sizes(pool: Pool, pairs: list[Pair], unit: float) -> Sizes:
    sizes = pool.sizes.tolist()
    return {(e, k): sizes[e][k - 1] / unit for e, k in pairs}


def allowed_by_size(pool: Pool, upper: float) -> list[range]:
    """Every count that each expert can have in a solution no worse than a time (V3, with sizes that never rise).

    Parameters
    ----------
    pool : Pool
        With a cost. Over windows, whose times are over their mean, every count may be.
    upper : float
        Time of the slowest rank.

    Returns
    -------
    list of range
        One an expert.
    """
    most = pool.max_count
    if pool.windows is not None:
        return [range(1, most + 1)] * pool.num_experts
    is_within = pool.sizes <= upper
    first = np.where(is_within.any(axis=1), is_within.argmax(axis=1) + 1, most)
    spare = max(pool.slots - int(first.sum()), 0)
    return [range(least, min(most, least + spare) + 1) for least in first.tolist()]
