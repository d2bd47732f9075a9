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
LEAST_PRICE = NOISE / 100  # smaller multipliers and shares are the solver's rounding


class CountsModel:
    """minimise t, t >= 0, over y >= 0: one count an expert, all slots used, every cut at most t.

    An aggregate cut is divided by the target. Columns (e, k) and cuts are added as they are needed. Column 0 of the
    solver is t; rows are the experts, the slots, and the cuts, in this order.

    Parameters
    ----------
    pool : Pool
    target : float
        Load of the heaviest rank, > 0.
    expert, count : arrays [columns], int64
        The first columns; the very first, one an expert, use exactly ``pool.slots`` slots.

    Attributes
    ----------
    cuts : list of Cut
        In the order of their rows.
    expert, count : arrays [columns], int64
        All columns (e, k) so far.
    """

    def __init__(self, pool: Pool, target: float, expert: Ints, count: Ints) -> None:
        self.pool = pool
        self.target = target
        self.cuts: list[Cut] = []
        self.expert = np.zeros(0, dtype=np.int64)
        self.count = np.zeros(0, dtype=np.int64)
        self.solver = new_highs(presolve="off")
        self._add_empty_rows()
        self.add_columns(expert, count)
        self._start()

    def add_columns(self, expert: Ints, count: Ints) -> None:
        """Append columns.

        Parameters
        ----------
        expert, count : arrays [new], int64
            The pair (e, k) of each.
        """
        import highspy

        size = expert.size
        index, value = self._entries(expert, count)
        kept = value != 0
        ends = np.cumsum(kept.sum(axis=1))
        starts = np.concatenate([[0], ends])[:-1].astype(np.int32)
        costs = np.zeros(size)
        least = np.zeros(size)
        most = np.full(size, highspy.kHighsInf)
        self.solver.addCols(
            size,
            costs,
            least,
            most,
            int(kept.sum()),
            starts,
            index[kept],
            value[kept],
        )
        self.expert = np.concatenate([self.expert, expert])
        self.count = np.concatenate([self.count, count])

    def add_cut(self, cut: Cut) -> None:
        """Append one cut as a row over all columns."""
        import highspy

        row = np.concatenate([[-1.0], self._row(cut, self.expert, self.count)])
        used = np.flatnonzero(row)
        self.solver.addRow(
            -highspy.kHighsInf,
            0.0,
            used.size,
            used.astype(np.int32),
            row[used],
        )
        self.cuts.append(cut)

    def restrict(self, low: Ints, high: Ints) -> None:
        """Allow counts in ranges only, until the next restriction.

        Parameters
        ----------
        low, high : arrays [experts], int64
            Fewest and most replicas.
        """
        import highspy

        inside = (self.count >= low[self.expert]) & (self.count <= high[self.expert])
        size = self.expert.size
        columns = np.arange(1, 1 + size, dtype=np.int32)  # column 0 is t
        upper = np.where(inside, highspy.kHighsInf, 0.0)
        self.solver.changeColsBounds(size, columns, np.zeros(size), upper)

    def solve(self, seconds: float) -> tuple[float, Floats, CutCertificate] | None:
        """Solve the program as it is.

        Parameters
        ----------
        seconds : float
            Wall-clock limit; infinite for none.

        Returns
        -------
        excess : float
            The optimal t.
        shares : array [columns], float64
            y.
        proof : CutCertificate
            The duals, at the model's target. All three are None if the solver stopped early.

        Raises
        ------
        SolverError
            HiGHS failed.
        """
        if not run_highs(self.solver, seconds):
            return None
        solution: Any = self.solver.getSolution()
        values = np.array(solution.col_value)
        duals = np.array(solution.row_dual)
        slots_row = self.pool.num_experts
        slot_price = -float(duals[slots_row])
        cuts = self._priced_cuts(duals[slots_row + 1 :])
        excess = float(values[0])
        return excess, values[1:], CutCertificate(self.target, cuts, slot_price)

    def add_violated(self, grid: Grid, shares: Floats) -> bool:
        """Append the cuts that a point violates most.

        Parameters
        ----------
        grid : Grid
            Where the cuts' levels lie.
        shares : array [columns], float64
            The point y.

        Returns
        -------
        bool
            False: it violates none that is not there.
        """
        used = np.flatnonzero(shares > LEAST_PRICE)
        value = self.pool.loads[self.expert[used]] / self.count[used]
        mass = shares[used] * self.count[used]
        violated = violated_cuts(
            grid,
            self.target,
            self.pool.slots_per_rank,
            value,
            mass,
            CUTS_A_ROUND,
            NOISE,
        )
        fresh = [cut for _, cut in violated if cut not in self.cuts]
        for cut in fresh:
            self.add_cut(cut)
        return bool(fresh)

    def _add_empty_rows(self) -> None:
        """Column t, and the rows of the experts and of the slots, still without entries."""
        import highspy

        rows = self.pool.num_experts + 1
        sides = np.ones(rows)
        sides[-1] = self.pool.slots
        none = np.zeros(0, dtype=np.int32)
        no_values = np.zeros(0)
        cost = np.ones(1)
        least = np.zeros(1)
        most = np.full(1, highspy.kHighsInf)
        self.solver.addCols(
            1,
            cost,
            least,
            most,
            0,
            none,
            none,
            no_values,
        )
        starts = np.zeros(rows, dtype=np.int32)
        self.solver.addRows(
            rows,
            sides,
            sides,
            0,
            starts,
            none,
            no_values,
        )

    def _entries(self, expert: Ints, count: Ints) -> tuple[Any, Floats]:
        """Row indices (int32) and values of new columns, [new, 2 + cuts] each; values may be zero."""
        experts = self.pool.num_experts
        shape = (expert.size, 2 + len(self.cuts))
        index = np.empty(shape, dtype=np.int32)
        value = np.empty(shape)
        index[:, 0] = expert
        value[:, 0] = 1.0
        index[:, 1] = experts
        value[:, 1] = count
        for number, cut in enumerate(self.cuts):
            index[:, 2 + number] = experts + 1 + number
            value[:, 2 + number] = self._row(cut, expert, count)
        return index, value

    def _priced_cuts(self, duals: Floats) -> tuple[Cut, ...]:
        """The cuts with their multipliers, from the duals [cuts] of their rows; those without a price are left out."""
        priced = []
        for cut, dual in zip(self.cuts, duals.tolist(), strict=True):
            price = max(-dual, 0.0)
            if price > LEAST_PRICE:
                # the row of an aggregate cut is divided by the target, so its multiplier is, too
                multiplier = price / self.target if cut.kind == AGGREGATE else price
                priced.append(replace(cut, multiplier=multiplier))
        return tuple(priced)

    def _start(self) -> None:
        """Start at the first columns: a basis that is dual feasible, and infeasible in violated cuts alone."""
        import highspy

        states = highspy.HighsBasisStatus
        rows = self.pool.num_experts + 1
        # one more than experts for the slots, if there is one
        chosen = min(self.expert.size, rows)
        others = self.expert.size - chosen
        basis = highspy.HighsBasis()
        basis.col_status = (
            [states.kLower] + [states.kBasic] * chosen + [states.kLower] * others
        )
        basis.row_status = [states.kLower] * chosen + [states.kBasic] * (rows - chosen)
        basis.valid = True
        self.solver.setBasis(basis)

    def _row(self, cut: Cut, expert: Ints, count: Ints) -> Floats:
        """What columns add to a cut's left side, [columns]."""
        values = certificate.cut_values(
            cut.kind,
            cut.v,
            cut.u,
            self.target,
            self.pool.slots_per_rank,
            self.pool.loads[expert],
            count,
        )
        if cut.kind == AGGREGATE:
            values = values / self.target
        return np.asarray(values, dtype=np.float64)
