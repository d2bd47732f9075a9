"""Columns of programs over mixtures of counts: pairs of an expert and how many replicas it has."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..certificates.least_total import NOWHERE, cheapest
from ..problem.pool import Ints, Pool

NEAR = 2  # counts on either side of the cheapest ones that are columns from the start


class CountColumns:
    """Pairs of an expert and a count; a solver has them from its column 1 on.

    Parameters
    ----------
    pool : Pool
    least : array [experts], int64
        The fewest replicas of each.
    prices : array [experts, counts], int64
        Counts near the cheapest ones are columns from the start, and the least of each expert.
    """

    def __init__(self, pool: Pool, least: Ints, prices: Ints) -> None:
        self.pool = pool
        self.least = least
        self.columns: list[tuple[int, int]] = []
        _, self.cheapest = cheapest(prices, least, pool.slots)
        counts = self.cheapest.tolist()
        for e, (first, count) in enumerate(zip(least.tolist(), counts, strict=True)):
            near = range(
                max(first, count - NEAR), min(pool.max_count, count + NEAR) + 1
            )
            self.columns += [(e, k) for k in sorted({first, *near})]

    def pairs(self) -> tuple[Ints, Ints]:
        """Expert and count of each column, [columns]."""
        pairs = np.array(self.columns, dtype=np.int64)
        return pairs[:, 0], pairs[:, 1]

    def add_cheapest(self, prices: Ints) -> bool:
        """Add the cheapest counts that fill the slots; whether there are new ones."""
        total, counts = cheapest(prices, self.least, self.pool.slots)
        if total == NOWHERE:
            return False
        known = set(self.columns)
        new = [pair for pair in enumerate(counts.tolist()) if pair not in known]
        self.columns += new
        return bool(new)

    def add_rows(self, solver: Any) -> None:
        """To a HiGHS solver: every expert has one count, in the mean, and all together fill the slots."""
        expert, count = self.pairs()
        places = np.arange(1, len(expert) + 1, dtype=np.int32)
        for e in range(self.pool.num_experts):
            own = places[expert == e]
            solver.addRow(1.0, 1.0, own.size, own, np.ones(own.size))
        slots = float(self.pool.slots)
        solver.addRow(slots, slots, places.size, places, count.astype(np.float64))
