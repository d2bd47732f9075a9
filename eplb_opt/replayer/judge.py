"""Judging: what maps were worth in windows that they were not planned on, and what changing them moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..moves.held import moves
from ..moves.renaming import match_ranks
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
    renamed_moves : array [re-plans, layers], int64
        The same, had ranks been renamed so that fewest are.
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
    renamed_moves: Ints
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

    @property
    def moves_mean(self) -> float | None:
        """Replicas that moved, the mean over re-plans and layers; None without a re-plan."""
        return _mean(self.moves)

    @property
    def moves_share(self) -> float | None:
        """The same as a share of the slots."""
        return None if self.moves_mean is None else self.moves_mean / self.replicas

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
            "moves_mean": self.moves_mean,
            "moves_share": self.moves_share,
            "renamed_moves_mean": _mean(self.renamed_moves),
            "plan_seconds": self.seconds,
            "window_imbalance": self.by_window.tolist(),
            "layer_imbalance": by_layer.tolist(),
        }


def _mean(moves: Ints) -> float | None:
    return float(moves.mean()) if moves.size else None


def of_windows(instance: Instance, windows: Sequence[int]) -> Instance:
    """The instance of some of its windows."""
    return replace(instance, load=instance.load[list(windows)])


def imbalance_in(
    placement: Placement, instance: Instance, windows: Sequence[int]
) -> Floats:
    """Heaviest over mean rank load of a map in some windows, [windows, layers]."""
    return placement.window_imbalance(of_windows(instance, windows))


def renamed_moves(new: Placement, old: Placement, instance: Instance) -> Ints:
    """Replicas that move from one map to the next if ranks are renamed so that fewest do, [layers]."""
    return moves(match_ranks(new, old, instance), old, instance)
