"""Traffic that may come: the recorded windows, and where these are few, windows imagined around them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..problem.instance import Instance
from ..problem.objective import Objective
from ..problem.pool import Floats
from ..random_numbers import numbered
from .tables import DRAW_BITS, tables

ENOUGH = (
    16  # windows; fewer are repeated until they are as many, each time with other loads
)
# Of these a factor is the mean: with four its standard deviation is a half.
DRAWS = 4


def traffic(instance: Instance) -> Instance:
    """The instance over windows, whatever its own objective: as they were recorded if they are enough.

    Parameters
    ----------
    instance : Instance

    Returns
    -------
    Instance
        Of the objective ``"mean"``, with the weights of the instance's.

    Examples
    --------
    >>> from eplb_opt import Instance
    >>> traffic(Instance([[8, 3, 1]], 4, num_ranks=2)).load.shape
    (16, 1, 3)
    """
    weights = instance.objective.window_weights(instance.num_windows)
    load = np.asarray(instance.load)
    times = -(-ENOUGH // instance.num_windows)
    if times > 1:
        weights = np.tile(weights, times)
        # The same factors for all layers.
        factors = _factors(len(weights), instance.num_experts)
        load = np.tile(load, (times, 1, 1)) * factors[:, None, :]
    objective = Objective("mean", weights=weights.tolist())
    return replace(instance, load=load, objective=objective)


def _factors(windows: int, experts: int) -> Floats:
    """Positive numbers around one, [windows, experts], the same on every machine."""
    counter = np.arange(windows * experts, dtype=np.uint64).reshape(windows, experts)
    words = numbered(counter)
    mask = np.uint64((1 << DRAW_BITS) - 1)
    total = np.zeros((windows, experts))
    for draw in range(DRAWS):
        entry = (words >> np.uint64(draw * DRAW_BITS)) & mask
        total += tables().patience[entry.astype(np.int64)]
    return np.asarray(total / DRAWS)
