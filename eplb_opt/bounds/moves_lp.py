"""The linear program of the bound of the moves, to which rank contents are added (``models/README.md``, M7)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..certificates.rank_model import Model
from ..highs import new_highs, run_highs
from ..problem.pool import Floats, Ints, Pool


class MovesProgram:
    """Minimise new replicas, plus a price for each replica too many or too few, over the contents added so far.

    Subject to ``sum_p a_tp x_p + over_t - under_t = k_t y_t`` for every type t, one count an expert, and for each kind
    of ranks as many contents as there are ranks. Columns: y [types], over [types], under [types], then the contents.
    Rows: types, experts, kinds.

    Parameters
    ----------
    pool : Pool
    model : Model
        The pool at a target.
    ranks : array [kinds], int64
        How many ranks there are of each kind.
    """

    def __init__(self, pool: Pool, model: Model, ranks: Ints) -> None:
        import highspy

        self.infinity = highspy.kHighsInf
        self.types = model.item.size
        self.experts = pool.num_experts
        self.solver = new_highs(presolve="off")
        self.solver.passModel(self._without_contents(pool, model, ranks))

    def _without_contents(self, pool: Pool, model: Model, ranks: Ints) -> Any:
        """The program before contents are added."""
        import highspy

        columns = 3 * self.types
        no_type = np.zeros(self.types)
        # a replica too many or too few is dearer than any move
        dear = np.full(2 * self.types, float(pool.slots))
        sides = np.concatenate([no_type, np.ones(self.experts), ranks])
        program = highspy.HighsLp()
        program.num_col_ = columns
        program.num_row_ = sides.size
        program.col_cost_ = np.concatenate([no_type, dear])
        program.col_lower_ = np.zeros(columns)
        program.col_upper_ = np.full(columns, self.infinity)
        program.row_lower_ = sides
        program.row_upper_ = sides
        self._fill(program.a_matrix_, model)
        return program

    def _fill(self, matrix: Any, model: Model) -> None:
        """The entries of y (two each: its type, its expert), over and under (one each)."""
        import highspy

        types = self.types
        rows = np.arange(types)
        starts_y = 2 * rows
        starts_slack = 2 * types + np.arange(2 * types + 1)
        index_y = np.stack([rows, types + model.expert], axis=1).ravel()
        count = model.count.astype(np.float64)
        value_y = np.stack([-count, np.ones(types)], axis=1).ravel()
        matrix.format_ = highspy.MatrixFormat.kColwise
        matrix.start_ = np.concatenate([starts_y, starts_slack]).astype(np.int32)
        matrix.index_ = np.concatenate([index_y, rows, rows]).astype(np.int32)
        matrix.value_ = np.concatenate([value_y, np.ones(types), -np.ones(types)])

    def add(self, kind: int, patterns: Ints, new: Ints) -> None:
        """Append contents of ranks of one kind.

        Parameters
        ----------
        kind : int
        patterns : array [contents, slots a rank], int64
            The types of each.
        new : array [contents], int64
            Replicas of each that are new there.
        """
        size = len(patterns)
        held = np.zeros((size, self.types + self.experts + kind + 1))
        np.add.at(held, (np.arange(size)[:, None], patterns), 1.0)
        held[:, -1] = 1.0
        content, row = np.nonzero(held)
        starts = np.searchsorted(content, np.arange(size))
        self.solver.addCols(
            size,
            new.astype(np.float64),
            np.zeros(size),
            np.full(size, self.infinity),
            len(row),
            starts.astype(np.int32),
            row.astype(np.int32),
            held[content, row],
        )

    def solve(self, seconds: float) -> tuple[float, Floats, Floats] | None:
        """Solve the program as it is.

        Parameters
        ----------
        seconds : float
            Wall-clock limit.

        Returns
        -------
        moves : float
            The least of what it minimises.
        own : array [types], float64
            Multipliers of the types' links.
        of_kind : array [kinds], float64
            Multipliers of the kinds of ranks. All three are None if it was stopped.

        Raises
        ------
        SolverError
            HiGHS failed.
        """
        if not run_highs(self.solver, seconds):
            return None
        duals = np.array(self.solver.getSolution().row_dual)
        moves = float(self.solver.getInfo().objective_function_value)
        return moves, duals[: self.types], duals[self.types + self.experts :]
