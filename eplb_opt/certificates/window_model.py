"""What the windows of a pool allow at a target, as integers: limits of rank contents (``models/README.md``, W4)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from ..problem.pool import Floats, Ints, Pool
from ..problem.windows import Windows
from .rank_model import Model, rounded_down, scale_of

Bools = npt.NDArray[np.bool_]

# Relative: what floats may round objectives by, and by far less than targets differ.
MARGIN = 2.0**-44


@dataclass(frozen=True, eq=False)
class WindowModel:
    """Loads of replica types window by window, in the integers of the pool's `Model`, and what a rank may carry.

    Windows that weigh nothing are left out.

    Attributes
    ----------
    items : array [windows, types], int64
        Load of a replica, rounded down.
    totals : array [windows], int64
        Of all replicas, at most.
    least, most : arrays [windows], int64
        What any rank carries.
    caps : array [windows], float64
        What a window may weigh in the objective.
    limit : float
        The objective's.
    windows : Windows
        Whose objective it is.
    """

    items: Ints
    totals: Ints
    least: Ints
    most: Ints
    caps: Floats
    limit: float
    windows: Windows

    def loads_of(self, types: Ints) -> Ints:
        """What ranks carry of types [ranks, slots a rank], or fewer slots, in each window, [windows, ranks]."""
        sums = np.zeros((len(self.items), len(types)), np.int64)
        for slot in range(types.shape[1]):
            sums += self.items[:, types[:, slot]]
        return sums

    def within(self, heaviest: Ints) -> Bools:
        """Whether the objective of loads [windows, any], one of each window, is within the limit, [any]."""
        shares = self.windows.shares[self.windows.caps > 0]
        every = np.broadcast_to(shares[:, None], heaviest.shape)
        values = self.windows.objective.of_imbalance(heaviest.astype(np.float64), every)
        return np.asarray(values <= self.limit)


def window_model(pool: Pool, model: Model, target: float) -> WindowModel | None:
    """The model of a pool's windows, None if it has none with loads.

    Parameters
    ----------
    pool : Pool
    model : Model
        The pool's mix at the target.
    target : float
        Of the objective: a multiple of a window's mean rank load, and of the mix's.

    Notes
    -----
    A window's heaviest rank has at least its mean load. So if window k may weigh ``b``, and all others together the
    rest, the objective is at least ``b T_k + (1 - b) m``, with the least mean ``m``: that is what limits a rank.
    """
    windows = pool.windows
    if windows is None or not windows.shares.any():
        return None
    caps = windows.caps
    counting = np.flatnonzero(caps > 0)
    scale = scale_of(target)
    experts = model.order[model.expert]
    items = []
    totals = []
    for loads in windows.loads[counting].tolist():
        exact = [Fraction(load) * scale for load in loads]
        items.append(rounded_down((exact[e] for e in experts), model.count))
        # Rounding hides less than 1 a replica.
        totals.append(math.floor(sum(exact)) - pool.slots)
    limit = float(Fraction(target) * scale) * (1 + MARGIN)
    most = [_most(limit, cap, min(totals) / pool.ranks) for cap in caps[counting]]
    least = [
        total - (pool.ranks - 1) * top for total, top in zip(totals, most, strict=True)
    ]
    return WindowModel(
        np.array(items, np.int64).reshape(-1, experts.size),
        np.array(totals, np.int64),
        np.array(least, np.int64),
        np.array(most, np.int64),
        caps[counting],
        limit,
        windows,
    )


def _most(limit: float, cap: float, mean: float) -> int:
    """The most that a rank may carry in a window of that cap, with the least mean of all windows."""
    weight = min(cap, 1.0)
    most = (limit - (1 - weight) * max(mean, 0.0)) / weight
    return math.ceil(most * (1 + MARGIN))
