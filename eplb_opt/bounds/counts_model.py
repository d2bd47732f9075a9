"""The linear program of L1: counts that the cuts at a target leave (``models/README.md``, L1.7)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..certificates import cuts as certificate
from ..certificates.cuts import AGGREGATE, Cut, CutCertificate
from ..highs import new_highs, run_highs
from ..problem.pool import Floats, Ints, Pool
from .separation import Grid, violated_cuts

CUTS_A_ROUND = 20
NOISE = 1e-7  # violations in targets or replicas, and dual values, that do not count


class CountsModel:
    """minimise t, t >= 0, over y >= 0: one count an expert, all slots used, every cut at most t.

    An aggregate cut is divided by the target. Columns (e, k) and cuts are added as they are needed.

    Parameters
    ----------
    pool : Pool
    target : float
    expert, count : arrays [columns], int64
        The first columns; the very first, one an expert, use exactly ``pool.slots`` slots.
    """

    def __init__(self, pool: Pool, target: float, expert: Ints, count: Ints) -> None:
        import highspy

        self.pool, self.target = pool, target
        self.cuts: list[Cut] = []
        self.expert = self.count = np.zeros(0, dtype=np.int64)
        self.solver = new_highs(presolve="off")
        experts = pool.num_experts
        none = np.zeros(0, dtype=np.int32)
        self.solver.addCols(1, np.ones(1), np.zeros(1), np.full(1, highspy.kHighsInf), 0, none, none, np.zeros(0))
        sides = np.concatenate([np.ones(experts), [float(pool.slots)]])
        self.solver.addRows(experts + 1, sides, sides, 0, np.zeros(experts + 1, dtype=np.int32), none, np.zeros(0))
        self.add_columns(expert, count)
        self._start()

    def add_columns(self, expert: Ints, count: Ints) -> None:
        """Append columns (e, k), arrays [new]."""
        import highspy

        size, rows = expert.size, 2 + len(self.cuts)
        index = np.empty((size, rows), dtype=np.int32)
        value = np.empty((size, rows))
        index[:, 0], value[:, 0] = expert, 1.0
        index[:, 1], value[:, 1] = self.pool.num_experts, count
        for i, cut in enumerate(self.cuts):
            index[:, 2 + i], value[:, 2 + i] = self.pool.num_experts + 1 + i, self._row(cut, expert, count)
        kept = value.ravel() != 0
        start = np.concatenate([[0], np.cumsum(kept.reshape(size, rows).sum(1))])[:-1].astype(np.int32)
        self.solver.addCols(
            size, np.zeros(size), np.zeros(size), np.full(size, highspy.kHighsInf), int(kept.sum()), start,
            index.ravel()[kept], value.ravel()[kept],
        )  # fmt: skip
        self.expert = np.concatenate([self.expert, expert])
        self.count = np.concatenate([self.count, count])

    def add_cut(self, cut: Cut) -> None:
        """Append one cut."""
        import highspy

        row = np.concatenate([[-1.0], self._row(cut, self.expert, self.count)])
        used = np.flatnonzero(row)
        self.solver.addRow(-highspy.kHighsInf, 0.0, used.size, used.astype(np.int32), row[used])
        self.cuts.append(cut)

    def restrict(self, low: Ints, high: Ints) -> None:
        """Allow counts in these ranges [experts] only, until the next restriction."""
        import highspy

        inside = (self.count >= low[self.expert]) & (self.count <= high[self.expert])
        columns = np.arange(1, 1 + self.expert.size, dtype=np.int32)
        upper = np.where(inside, highspy.kHighsInf, 0.0)
        self.solver.changeColsBounds(columns.size, columns, np.zeros(columns.size), upper)

    def solve(self, seconds: float) -> tuple[float, Floats, CutCertificate] | None:
        """Optimal t, y [columns] and the duals as a proof; None if the solver stopped early."""
        if not run_highs(self.solver, seconds):
            return None
        solution: Any = self.solver.getSolution()
        value, duals = np.array(solution.col_value), np.array(solution.row_dual)
        prices = [max(-float(d), 0.0) for d in duals[self.pool.num_experts + 1 :]]
        cuts = tuple(
            replace(c, multiplier=p / self.target if c.kind == AGGREGATE else p)
            for c, p in zip(self.cuts, prices, strict=True)
            if p > NOISE / 100
        )
        return float(value[0]), value[1:], CutCertificate(self.target, cuts, -float(duals[self.pool.num_experts]))

    def add_violated(self, grid: Grid, y: Floats) -> bool:
        """Append the cuts that a point y [columns] violates most; False: it violates none that is not there."""
        used = np.flatnonzero(y > NOISE / 100)
        value, mass = self.pool.loads[self.expert[used]] / self.count[used], y[used] * self.count[used]
        found = violated_cuts(grid, self.target, self.pool.slots_per_rank, value, mass, CUTS_A_ROUND, NOISE)
        fresh = [cut for _, cut in found if cut not in self.cuts]
        for cut in fresh:
            self.add_cut(cut)
        return bool(fresh)

    def _start(self) -> None:
        """Start at the first columns: a basis that is dual feasible, and infeasible in violated cuts alone."""
        import highspy

        experts, states = self.pool.num_experts, highspy.HighsBasisStatus
        chosen = min(self.expert.size, experts + 1)  # one more for the slots, if there is one
        basis = highspy.HighsBasis()
        basis.col_status = [states.kLower, *[states.kBasic] * chosen, *[states.kLower] * (self.expert.size - chosen)]
        basis.row_status = [*[states.kLower] * chosen, *[states.kBasic] * (experts + 1 - chosen)]
        basis.valid = True
        self.solver.setBasis(basis)

    def _row(self, cut: Cut, expert: Ints, count: Ints) -> Floats:
        values = certificate.cut_values(
            cut.kind, cut.v, cut.u, self.target, self.pool.slots_per_rank, self.pool.loads[expert], count
        )
        return np.asarray(values / self.target if cut.kind == AGGREGATE else values, dtype=np.float64)
