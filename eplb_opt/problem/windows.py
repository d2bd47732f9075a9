"""Windows: what a pool is judged by where its objective looks at several recorded windows."""

from __future__ import annotations

from dataclasses import dataclass

from .arrays import Floats
from .objective import Objective


@dataclass(frozen=True, eq=False)
class Windows:
    """A pool's loads window by window; the pool's own loads are their mix.

    Attributes
    ----------
    loads : array [windows, experts], float64
        Each window's have a mean rank load of one, or are zero where nothing was routed.
    shares : array [windows], float64
        Which sum to one; zero for a window without load.
    objective : Objective
        Which adds no windows.
    """

    loads: Floats
    shares: Floats
    objective: Objective

    @property
    def caps(self) -> Floats:
        """What each window may weigh in the objective at most, [windows]."""
        return self.objective.caps(self.shares[:, None])[:, 0]

    def value(self, times: Floats) -> float:
        """The objective of rank loads [windows, ranks] in the unit of `loads`."""
        heaviest = times.max(axis=1)
        value = self.objective.of_imbalance(heaviest[:, None], self.shares[:, None])
        return float(value[0])

    def worst_weights(self, times: Floats) -> Floats:
        """What each window weighs in the objective of rank loads [windows, ranks], [windows]."""
        heaviest = times.max(axis=1)
        weights = self.objective.worst_weights(heaviest[:, None], self.shares[:, None])
        return weights[:, 0]
