"""Loads of a layer's ranks while replicas are replaced, and which replacement makes them most even."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..problem.pool import Floats


class RankLoads:
    """Loads of a layer's ranks, for a rule of thumb: the smaller their sum of squares, the more even they are.

    Parameters
    ----------
    slots : sequence of sequences of int
        The expert in every slot of each rank, -1 where it is empty.
    loads : array [experts], float64

    Examples
    --------
    >>> ranks = RankLoads([[0, 1], [0, 2]], np.array([8.0, 3.0, 1.0]))
    >>> ranks.lightest_first()
    [1, 0]
    >>> ranks.best(1, leaving=[0, 2], arriving=[1])
    (2, 1)
    """

    def __init__(self, slots: Sequence[Sequence[int]], loads: Floats) -> None:
        # One expert more, without load: that of empty slots, which is found at -1.
        self._of_expert = np.append(loads, 0.0)
        self._held = np.zeros((len(slots), len(self._of_expert)))
        for rank, row in enumerate(slots):
            np.add.at(self._held[rank], np.array(row, dtype=np.int64), 1.0)
        self._replicas = self._held.sum(axis=0)

    def loads(self) -> Floats:
        """Load of each rank, [ranks]."""
        shares = self._shares(self._of_expert, self._replicas)
        return np.asarray((self._held * shares).sum(axis=1))

    @staticmethod
    def _shares(loads: Floats, replicas: Floats) -> Floats:
        """Load of one replica of experts; all of it where none is left."""
        return np.asarray(loads / np.maximum(replicas, 1.0))

    def lightest_first(self) -> list[int]:
        """The ranks by their load; of equals the first one first."""
        return [int(rank) for rank in np.argsort(self.loads(), kind="stable")]

    def best(
        self, rank: int, leaving: Sequence[int], arriving: Sequence[int]
    ) -> tuple[int, int]:
        """Which expert a rank gives up for which, so that loads are most even; of equals the first ones.

        Parameters
        ----------
        rank : int
        leaving, arriving : sequence of int
            Experts to choose from, none empty; -1 for an empty slot.
        """
        without = self._changes(rank, leaving, -1.0)
        added = self._changes(rank, arriving, 1.0)
        start = self.loads()[:, None, None]
        loads = start + without[:, :, None] + added[:, None, :]
        unevenness = np.square(loads).sum(axis=0)
        place = int(unevenness.argmin())
        first, second = divmod(place, len(arriving))
        return leaving[first], arriving[second]

    def _changes(self, rank: int, experts: Sequence[int], replicas: float) -> Floats:
        """What each rank's load changes by if one has a replica more (1.0) or less (-1.0), [ranks, experts]."""
        chosen = np.array(experts, dtype=np.int64)
        loads = self._of_expert[chosen]
        then = self._shares(loads, self._replicas[chosen] + replicas)
        now = self._shares(loads, self._replicas[chosen])
        changes = self._held[:, chosen] * (then - now)
        changes[rank] += replicas * then
        return np.asarray(changes)

    def replace(self, rank: int, leaving: int, arriving: int) -> None:
        """One replica for another on a rank."""
        for expert, more in ((leaving, -1.0), (arriving, 1.0)):
            self._held[rank, expert] += more
            self._replicas[expert] += more
