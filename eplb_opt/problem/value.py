"""What a packing is worth: the one reference that everything which judges calls."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .cost import Cost


def rank_times(
    loads: npt.NDArray[np.float64],
    placed: npt.NDArray[np.int64],
    cost: Cost | None = None,
) -> npt.NDArray[np.float64]:
    """Load of each rank in each window, or with a cost its time, [layers, windows, ranks].

    Parameters
    ----------
    loads : array [layers, windows, experts], float64
        Routed tokens of each expert.
    placed : array [layers, ranks, slots a rank], int64
        The expert in every slot. An expert's replicas share its load equally; one without a replica counts for nothing.
    cost : Cost, optional
        Of a replica with so many tokens; by default a token counts one.

    Examples
    --------
    >>> rank_times(np.array([[[6.0, 2.0, 1.0]]]), np.array([[[0, 1], [0, 2]]]))
    array([[[5., 4.]]])
    >>> rank_times(np.array([[[6.0, 2.0, 1.0]]]), np.array([[[0, 1], [0, 2]]]), Cost.tiles(2, 1.0))
    array([[[3., 3.]]])
    """
    layers, windows, experts = loads.shape
    _, ranks, slots = placed.shape
    flat = placed.reshape(layers, -1)
    first = np.arange(layers) * experts
    numbered = flat + first[:, None]  # experts of all layers in one count
    counts = np.bincount(numbered.ravel(), minlength=layers * experts)
    sharing = np.maximum(counts, 1).reshape(layers, 1, experts)
    of_replica = loads / sharing
    if cost is not None:
        of_replica = cost(of_replica)
    of_slot = np.take_along_axis(of_replica, flat[:, None, :], axis=2)
    by_rank = of_slot.reshape(layers, windows, ranks, slots)
    times: npt.NDArray[np.float64] = by_rank.sum(axis=3)
    return times if cost is None else times + cost.per_rank
