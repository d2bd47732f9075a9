"""A map with two replicas of every expert at least, dealt anew: the heaviest replicas first, to the lightest ranks."""

from __future__ import annotations

import heapq
import math

import numpy as np

from ..problem.pool import Floats, Ints
from ..problem.spare import COPIES
from .layer_map import Frame


def spare_counts(loads: Floats, slots: int, most: int) -> Ints:
    """Counts of at least two whose largest replica is as light as can be (``models/README.md``, SP2).

    Parameters
    ----------
    loads : array [experts], float64
    slots : int
        At least two an expert.
    most : int
        Replicas of an expert at most.

    Returns
    -------
    array [experts], int64

    Examples
    --------
    >>> spare_counts(np.array([8.0, 3.0, 1.0]), slots=8, most=8).tolist()
    [4, 2, 2]
    """
    counts = np.full(len(loads), COPIES, dtype=np.int64)
    heaviest = [(-load / COPIES, expert) for expert, load in enumerate(loads.tolist())]
    heapq.heapify(heaviest)
    for _ in range(slots - COPIES * len(loads)):
        _, expert = heapq.heappop(heaviest)
        counts[expert] += 1
        if counts[expert] < most:
            heapq.heappush(heaviest, (-loads[expert] / counts[expert], expert))
    return counts


def dealt(frame: Frame, slots: Ints, *, round_the_ranks: bool = False) -> Ints:
    """A map of the same experts in every pool.

    Parameters
    ----------
    frame : Frame
    slots : array [ranks, slots a rank], int64
        A valid map, which says the experts of every pool.
    round_the_ranks : bool
        One replica after the other round the ranks: no expert is on one unit only (``models/README.md``, SP1).
        Otherwise a replica goes to the lightest rank that takes it, and experts may be on one unit.

    Returns
    -------
    array [ranks, slots a rank], int64
    """
    result = slots.copy()
    for pool in np.unique(frame.pools):
        ranks = np.flatnonzero(frame.pools == pool)
        experts = np.unique(slots[ranks])
        most = len(ranks) if frame.distinct else slots.size
        number = len(ranks) * slots.shape[1]
        counts = spare_counts(frame.weight[experts], number, most)
        share = frame.weight[experts] / counts
        order = np.argsort(-share, kind="stable")
        replicas = np.repeat(experts[order], counts[order])
        if round_the_ranks:
            result[ranks] = _in_turn(replicas, frame.units[ranks])
        else:
            shares = np.repeat(share[order], counts[order])
            result[ranks] = _to_lightest(frame, ranks, replicas, shares)
    return result


def _interleaved(units: Ints) -> Ints:
    """Places of ranks in an order in which no two neighbours, in a ring, are of the same unit; units are as large."""
    _, sizes = np.unique(units, return_counts=True)
    return np.asarray(np.arange(len(units)).reshape(-1, sizes[0]).T.ravel())


def _to_lightest(frame: Frame, ranks: Ints, replicas: Ints, shares: Floats) -> Ints:
    """Slots of some ranks, [ranks, slots a rank]; replicas of an expert follow each other."""
    width = len(replicas) // len(ranks)
    held: list[list[int]] = [[] for _ in ranks]
    load = np.zeros(len(ranks))
    units = frame.units[ranks]
    used: set[int] = set()
    for place, expert in enumerate(replicas.tolist()):
        if place == 0 or replicas[place - 1] != expert:
            used = set()
        is_open = np.array([len(row) < width for row in held])
        has_none = np.array([expert not in row for row in held])
        is_other = ~np.isin(units, list(used)) if len(used) == 1 else is_open
        rank = _lightest(load, [is_open & has_none & is_other, is_open & has_none])
        if rank is None and not frame.distinct:
            rank = _lightest(load, [is_open])
        if rank is None:
            return _in_turn(replicas, units)
        held[rank].append(expert)
        load[rank] += shares[place]
        used.add(int(units[rank]))
    return np.array(held, dtype=np.int64)


def _in_turn(replicas: Ints, units: Ints) -> Ints:
    """Replicas one after the other round the ranks, [ranks, slots a rank]."""
    result = np.empty((len(units), len(replicas) // len(units)), dtype=np.int64)
    result[_interleaved(units)] = replicas.reshape(-1, len(units)).T
    return result


def _lightest(load: Floats, choices: list[Ints]) -> int | None:
    """The lightest rank of the first choice that has any."""
    for choice in choices:
        if choice.any():
            return int(np.where(choice, load, math.inf).argmin())
    return None
