"""What a packing is worth: the one reference that everything which judges calls."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .cost import Cost
from .ranks import Ranks


def rank_times(
    loads: npt.NDArray[np.float64],
    placed: npt.NDArray[np.int64],
    cost: Cost | None = None,
    unequal: Ranks | None = None,
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
    unequal : Ranks, optional
        Speeds, which divide everything on a rank, and slots, where ranks are not alike: ``placed`` then has the most
        slots of a rank, with -1 where there is none.

    Examples
    --------
    >>> rank_times(np.array([[[6.0, 2.0, 1.0]]]), np.array([[[0, 1], [0, 2]]]))
    array([[[5., 4.]]])
    >>> rank_times(np.array([[[6.0, 2.0, 1.0]]]), np.array([[[0, 1], [0, 2]]]), Cost.tiles(2, 1.0))
    array([[[3., 3.]]])
    >>> rank_times(np.array([[[6.0, 2.0]]]), np.array([[[0, 1], [0, -1]]]), unequal=Ranks((1.0, 0.5), (2, 1)))
    array([[[5., 6.]]])
    """
    layers, windows, _ = loads.shape
    _, ranks, slots = placed.shape
    of_replica = _of_replica(loads, placed, cost)
    if unequal is not None:
        # What is in no slot takes nothing: -1 is the last one.
        nothing = np.zeros((layers, windows, 1))
        of_replica = np.concatenate((of_replica, nothing), axis=2)
    flat = placed.reshape(layers, -1)
    of_slot = np.take_along_axis(of_replica, flat[:, None, :], axis=2)
    by_rank = of_slot.reshape(layers, windows, ranks, slots)
    times: npt.NDArray[np.float64] = by_rank.sum(axis=3)
    if cost is not None:
        times = times + cost.per_rank
    return times if unequal is None else unequal.times(times)


def _of_replica(
    loads: npt.NDArray[np.float64],
    placed: npt.NDArray[np.int64],
    cost: Cost | None,
) -> npt.NDArray[np.float64]:
    """What a replica of each expert takes, without what its rank takes besides, [layers, windows, experts]."""
    layers, _, experts = loads.shape
    flat = placed.reshape(layers, -1)
    first = np.arange(layers) * experts
    numbered = flat + first[:, None]  # experts of all layers in one count
    counts = np.bincount(numbered[flat >= 0], minlength=layers * experts)
    sharing = np.maximum(counts, 1).reshape(layers, 1, experts)
    of_replica = loads / sharing
    return of_replica if cost is None else np.asarray(cost(of_replica))


def mean_times(
    times: npt.NDArray[np.float64], unequal: Ranks | None = None
) -> npt.NDArray[np.float64]:
    """The mean of rank times [.., ranks], [..]: of unequal ranks all work over all speeds.

    Examples
    --------
    >>> mean_times(np.array([[5.0, 6.0]]), Ranks((1.0, 0.5), (2, 1))).round(3).tolist()
    [5.333]
    """
    if unequal is None:
        return np.asarray(times.mean(axis=-1))
    return unequal.mean_times(times)
