"""Windows: what a pool is judged by where its objective looks at several recorded windows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .arrays import Floats
from .objective import Objective
from .ranks import Ranks
from .value import mean_times


@dataclass(frozen=True, eq=False)
class Windows:
    """A pool's loads window by window; the pool's own loads are their mix.

    Attributes
    ----------
    loads : array [windows, experts], float64
        Each window's have a mean rank load of one, or are zero where nothing was routed; with a cost they are tokens.
    shares : array [windows], float64
        Which sum to one; zero for a window without load.
    objective : Objective
        Which adds no windows.
    unequal : Ranks, optional
        Of the ranks, if these are not identical.
    """

    loads: Floats
    shares: Floats
    objective: Objective
    unequal: Ranks | None = None

    @property
    def caps(self) -> Floats:
        """What each window may weigh in the objective at most, [windows]."""
        return self.objective.caps(self.shares[:, None])[:, 0]

    def imbalance(self, times: Floats) -> Floats:
        """Heaviest over mean rank load of each window, [windows], of rank loads or times [windows, ranks]."""
        heaviest: Floats = times.max(axis=1)
        if self.objective.timed_by is None:
            return heaviest
        means = mean_times(times, self.unequal)
        ones = np.ones_like(means)
        return np.asarray(np.divide(heaviest, means, out=ones, where=means > 0))

    def value(self, times: Floats) -> float:
        """The objective of rank loads [windows, ranks] in the unit of `loads`, or of rank times."""
        heaviest = self.imbalance(times)
        value = self.objective.of_imbalance(heaviest[:, None], self.shares[:, None])
        return float(value[0])

    def worst_weights(self, times: Floats) -> Floats:
        """What each window weighs in the objective of rank loads or times [windows, ranks], [windows]."""
        heaviest = self.imbalance(times)
        weights = self.objective.worst_weights(heaviest[:, None], self.shares[:, None])
        return weights[:, 0]
