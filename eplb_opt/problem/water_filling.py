"""Counts by water-filling: each further replica goes to the expert with the highest load per replica.

That is the published greedy's choice of counts, and it makes the heaviest replica as light as can be (L0b). One replica
at a time is slow in Python; the same counts follow at once, for many pools together: an expert's values ``w_e / k``
fall with k, so the extra replicas go to the (slots - experts) largest of all values.

The counts are made a second time on integers where every device must find the same bits (`heuristics.replicas`, and its
kernel), and with ties broken otherwise in `exact.matching`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from .pool import Floats, Ints


@functools.lru_cache(maxsize=64)
def candidates(
    experts: int, extra: int, max_count: int, reach: int = 1
) -> tuple[Ints, Ints]:
    """Pairs of an expert and its copies so far that can win an extra replica, in ascending order of copies.

    With experts in descending order of load, ``(position + 1) * copies - 1`` pairs have at least the value of a pair:
    those of no lighter expert and no more copies. So only pairs whose product is within ``extra`` can be among the
    ``extra`` largest, or have the value of one that is.

    Parameters
    ----------
    experts : int
        Of a pool.
    extra : int
        Replicas beyond the first of every expert.
    max_count : int
        Most replicas of an expert. Where this is at most ``extra``, winners may be left out, the rule above says
        nothing, and all pairs up to the cap are candidates.
    reach : int, default 1
        So many times ``extra`` is allowed for the product: of values that are not quite ``w_e / k``.

    Returns
    -------
    position : array [pairs], int64
        Of the expert in descending order of load, from 0.
    copies : array [pairs], int64
        From 1.

    Examples
    --------
    >>> position, copies = candidates(experts=4, extra=3, max_count=7)
    >>> [(int(i), int(k)) for i, k in zip(position, copies)]
    [(0, 1), (1, 1), (2, 1), (0, 2), (0, 3)]
    """
    copies = np.arange(1, min(extra, max_count - 1) + 1)
    if max_count <= extra:
        number = np.full(len(copies), experts)
    else:
        number = np.minimum(reach * extra // copies, min(extra, experts))
    first = np.cumsum(number) - number
    position = np.arange(number.sum()) - np.repeat(first, number)
    return position, np.repeat(copies, number)


def values_of(ordered: Floats, extra: int, max_count: int) -> tuple[Floats, Floats]:
    """Values of the `candidates`, and the least of those that win.

    Parameters
    ----------
    ordered : array [pools, experts], float64
        Loads in descending order.
    extra, max_count : int
        As for `candidates`.

    Returns
    -------
    values : array [pools, pairs], float64
    least : array [pools, 1], float64
        The ``extra``-th largest.
    """
    position, copies = candidates(ordered.shape[1], extra, max_count)
    values = ordered[:, position] / copies
    place = values.shape[1] - extra
    return values, np.partition(values, place, axis=1)[:, place, None]


def water_filling(loads: Floats, slots: int, max_count: int) -> Ints:
    """Replicas of each expert; of equal values that of the lowest expert wins.

    Parameters
    ----------
    loads : array [pools, experts], float64
        Finite and >= 0.
    slots : int
        Of a pool, at least one an expert.
    max_count : int
        Most replicas of an expert.

    Returns
    -------
    array [pools, experts], int64

    Examples
    --------
    >>> water_filling(np.array([[6.0, 1.0, 3.0], [2.0, 2.0, 2.0]]), slots=5, max_count=5)
    array([[3, 1, 1],
           [2, 2, 1]])
    """
    extra = slots - loads.shape[1]
    counts = np.ones(loads.shape, dtype=np.int64)
    if extra == 0:
        return counts
    order = np.argsort(-loads, axis=1, kind="stable")
    ordered = np.take_along_axis(loads, order, axis=1)
    position, _ = candidates(loads.shape[1], extra, max_count)
    values, least = values_of(ordered, extra, max_count)
    pool, pair = np.nonzero(values > least)
    counts += _counted(pool, order[pool, position[pair]], counts.shape)
    # These have the least value that wins.
    left = slots - counts.sum(axis=1, keepdims=True)
    most = np.minimum(counts + left, max_count)
    ties = _first_false(lambda copies: loads / copies >= least, counts, most) - counts
    of_lower_experts = np.cumsum(ties, axis=1) - ties
    return np.asarray(counts + np.clip(left - of_lower_experts, 0, ties))


def ordered_counts(ordered: Floats, slots: int) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Counts of loads in descending order, where no tie decides: cheaper, as nothing is sorted.

    Parameters
    ----------
    ordered : array [pools, experts], float64
    slots : int
        More than one an expert.

    Returns
    -------
    counts : array [pools, experts], int64
        Those of `water_filling`, but in the pools that are named next.
    tied : array [pools], bool
        Where more values are as large as the least that wins.
    """
    pools, experts = ordered.shape
    extra = slots - experts
    position, _ = candidates(experts, extra, slots)
    values, least = values_of(ordered, extra, slots)
    won = values >= least
    pool = np.repeat(np.arange(pools), won.sum(axis=1))
    counts = 1 + _counted(
        pool, np.broadcast_to(position, won.shape)[won], ordered.shape
    )
    tied = (counts.sum(axis=1) > slots) | (ordered / counts >= least).any(axis=1)
    return counts, np.asarray(tied)


def _counted(pool: Ints, expert: Ints, shape: tuple[int, ...]) -> Ints:
    """How often each expert of each pool is given, in the shape [pools, experts]."""
    return np.bincount(pool * shape[1] + expert, minlength=shape[0] * shape[1]).reshape(
        shape
    )


def _first_false(
    holds: Callable[[Ints], npt.NDArray[np.bool_]], low: Ints, high: Ints
) -> Ints:
    """The first number from ``low`` on for which it does not hold, not beyond ``high``; element by element, halving."""
    low, high = low.copy(), high.copy()
    while (low < high).any():
        middle = (low + high) // 2
        yes = holds(middle) & (low < high)
        low = np.where(yes, middle + 1, low)
        high = np.where(yes, high, middle)
    return low
