"""Judging: what maps were worth in windows that they were not planned on, and what changing them moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..problem.instance import Instance
from ..problem.placement import Placement
from ..problem.pool import Floats, Ints

PERCENTILES = (50, 95, 99)


@dataclass(frozen=True, eq=False)
class Outcome:
    """A policy over the whole trace, with one number of replicas and one interval.

    Attributes
    ----------
    policy : str
    replicas : int
    interval : int, or None
        Windows between plans; None: planned once.
    imbalance : array [served windows, layers], float64
        Heaviest over mean rank load in the windows that were served.
    seen : float
        Mean imbalance of the maps in the windows that they were planned on.
    moves : array [re-plans, layers], int64
        Replicas that were new on their rank.
    seconds : float or None
        Mean time of a plan.
    plans : int
    """

    policy: str
    replicas: int
    interval: int | None
    imbalance: Floats
    seen: float
    moves: Ints
    seconds: float | None
    plans: int

    @property
    def mean(self) -> float:
        """First over windows, then over layers."""
        return float(self.imbalance.mean(axis=0).mean())

    @property
    def by_window(self) -> Floats:
        """Mean over layers, [served windows]."""
        return np.asarray(self.imbalance.mean(axis=1))

    @property
    def by_layer(self) -> Floats:
        """Mean over windows, [layers]."""
        return np.asarray(self.imbalance.mean(axis=0))

    def figures(self, layer_ids: Sequence[int]) -> dict[str, Any]:
        """What is reported of it, as JSON types."""
        by_layer = self.by_layer
        worst = int(by_layer.argmax())
        levels = np.percentile(self.by_window, PERCENTILES).tolist()
        return {
            "policy": self.policy,
            "replicas": self.replicas,
            "interval": self.interval,
            "plans": self.plans,
            "imbalance_mean": self.mean,
            **{
                f"imbalance_p{n}": at for n, at in zip(PERCENTILES, levels, strict=True)
            },
            "worst_layer": int(layer_ids[worst]),
            "worst_layer_imbalance": float(by_layer[worst]),
            "seen_imbalance": self.seen,
            "moves_mean": float(self.moves.mean()) if self.moves.size else None,
            "plan_seconds": self.seconds,
            "window_imbalance": self.by_window.tolist(),
            "layer_imbalance": by_layer.tolist(),
        }


def of_windows(instance: Instance, windows: Sequence[int]) -> Instance:
    """The instance of some of its windows."""
    return replace(instance, load=instance.load[list(windows)])


def imbalance_in(
    placement: Placement, instance: Instance, windows: Sequence[int]
) -> Floats:
    """Heaviest over mean rank load of a map in some windows, [windows, layers]."""
    return placement.window_imbalance(of_windows(instance, windows))


def moves_between(old: Placement, new: Placement, num_ranks: int) -> Ints:
    """Replicas of the new map on a rank that did not hold their expert before, [layers].

    Ranks keep their numbers: no renaming is looked for.

    Examples
    --------
    >>> old = Placement([[0, 1, 2, 0]], 3)
    >>> moves_between(old, Placement([[1, 1, 2, 0]], 3), num_ranks=2).tolist()
    [0]
    >>> moves_between(old, Placement([[2, 0, 1, 0]], 3), num_ranks=2).tolist()
    [2]
    """
    layers, replicas = new.phy2log.shape
    rank = np.arange(replicas) // (replicas // num_ranks)
    rows = np.arange(layers)[:, None]
    was_there = np.zeros((layers, num_ranks, new.num_experts), dtype=bool)
    was_there[rows, rank, old.phy2log] = True
    stays = was_there[rows, rank, new.phy2log]
    return np.asarray((~stays).sum(axis=1))
