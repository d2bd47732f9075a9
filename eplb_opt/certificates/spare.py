"""The bound of maps with spare replicas (proof: ``models/README.md``, SP2)."""

from __future__ import annotations

import numpy as np

from ..problem.pool import Pool
from ..problem.spare import COPIES
from ..problem.water_filling import candidates
from .mean import exact_share, floor_float


def spare_replica_bound(pool: Pool) -> float:
    """The load that the largest replica has where every expert has two at least, rounded down.

    It is the (slots - 2 * experts + 1)-th largest of all ``w_e / k``, k >= 2.

    Parameters
    ----------
    pool : Pool
        With at least two slots an expert.

    Returns
    -------
    float
        In the unit of the loads.

    Examples
    --------
    >>> spare_replica_bound(Pool(np.array([8.0, 3.0, 1.0]), slots=8, ranks=4))
    2.0
    """
    rank = pool.slots - COPIES * pool.num_experts + 1
    # Of the i-th heaviest expert only i * (k - 1) <= rank matters: as many pairs are at least as large.
    position, extra = candidates(pool.num_experts, rank, rank + 1)
    copies = extra + COPIES - 1
    loads = np.sort(pool.loads)[::-1]
    values = loads[position] / copies
    place = len(values) - rank
    value = np.partition(values, place)[place]
    # Rounding is monotone: pairs that share the float may differ below it, the least of them is safe.
    tied = np.flatnonzero(values == value)
    return floor_float(min(exact_share(loads[position[i]], copies[i]) for i in tied))
