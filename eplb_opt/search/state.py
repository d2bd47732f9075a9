"""State: a packing that kernels change in place, and what is left of the budget."""

from __future__ import annotations

import numpy as np

from ..budget import Budget
from ..problem.pool import Floats, Packing, Pool
from .repack import repack

CHUNK = 100_000  # work between two looks at the clock: 3-15 ms
NODES = 700  # the packer's budget


class State:
    """What every search over packings has.

    Parameters
    ----------
    pool : Pool
    budget : Budget
    seed : int
    """

    def __init__(self, pool: Pool, budget: Budget, seed: int) -> None:
        self.pool = pool
        self.budget = budget
        self.rng = np.array([seed], np.uint64)
        self.loads = np.zeros(pool.ranks)

    def over(self) -> bool:
        """Whether a limit is reached."""
        return self.budget.stop() is not None

    def packing(self) -> Packing:
        """The packing as it is now."""
        return Packing(self.experts.reshape(self.pool.ranks, -1).copy())

    def set(self, packing: Packing) -> None:
        """Go on from this packing."""
        self.experts = packing.experts.astype(np.int64).ravel()
        self.counts = packing.counts(self.pool)

    def repack_until(
        self,
        goal: float,
        weights: Floats,
        patience: int,
        *,
        moves: int = 0,
        drawn_first: float = 0.0,
    ) -> None:
        """Repack until the heaviest rank is at the goal or nothing has improved for a while.

        Parameters
        ----------
        goal : float
            In units of the mean rank load.
        weights : array [experts], float64
            Loads of the experts in the same units.
        patience : int
            Repacking work without progress after which it ends.
        moves : int, default 0
            Replicas that a round may move from one expert to another.
        drawn_first : float, default 0
            As of `repack.repack`.
        """
        sizes = (3, 8) if self.pool.slots_per_rank > 3 else (4, 10)
        least = np.inf
        idle = 0
        while least > goal and idle < patience and not self.over():
            step = int(min(CHUNK, self.budget.work))
            left = repack(
                weights,
                self.experts,
                self.counts,
                self.loads,
                self.rng,
                step,
                goal,
                self.pool.distinct,
                *sizes,
                NODES,
                moves,
                drawn_first,
            )
            self.budget.spend(step - left)
            top = float(self.loads.max())
            idle = 0 if top < least else idle + step - left
            least = min(top, least)
