"""Across: the ways to make one number of the imbalances of several windows, as data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .arrays import Floats


@dataclass(frozen=True)
class Across:
    """One way: the largest weighted mean of the imbalances, of all weights that sum to one and are within caps.

    Attributes
    ----------
    name : str
        As users write it.
    words : callable
        The level to a few words for people.
    caps : callable, optional
        The windows' shares [windows, layers] and the level to the most that each may weigh, of the same shape; a
        layer's caps sum to at least one where it has windows at all. Without it, loads are added, not imbalances.
    has_level : bool
        Whether the level says anything.
    """

    name: str
    words: Callable[[float], str]
    caps: Callable[[Floats, float], Floats] | None = None
    has_level: bool = False

    def most(self, shares: Floats, level: float) -> Floats:
        """The caps, [windows, layers]."""
        if self.caps is None:
            raise TypeError(f"{self.name} adds loads: it weighs no imbalances")
        return self.caps(shares, level)

    def worst_weights(self, imbalance: Floats, shares: Floats, level: float) -> Floats:
        """The weights of the largest mean, of imbalances and shares [windows, layers]: the worst windows first.

        They are zero in a layer whose shares are.
        """
        caps = self.most(shares, level)
        order = np.argsort(-imbalance, axis=0, kind="stable")
        sorted_caps = np.take_along_axis(caps, order, axis=0)
        before = np.cumsum(sorted_caps, axis=0) - sorted_caps
        sorted_weights = np.clip(1.0 - before, 0.0, sorted_caps)
        weights = np.zeros_like(shares)
        np.put_along_axis(weights, order, sorted_weights, axis=0)
        return weights


SUM = Across("sum", lambda level: "sum")
MEAN = Across("mean", lambda level: "mean imbalance", lambda shares, level: shares)
CVAR = Across(
    "cvar",
    lambda level: f"mean imbalance of the worst {1.0 - level:.4g}",
    lambda shares, level: shares / (1.0 - level),
    has_level=True,
)
MAX = Across(
    "max",
    lambda level: "worst imbalance",
    lambda shares, level: (shares > 0).astype(np.float64),
)
# By name; the first is the default, and an objective is added here.
ACROSS: dict[str, Across] = {way.name: way for way in (SUM, MEAN, CVAR, MAX)}
