"""The linear program of the bound of the moves, to which rank contents are added (``models/README.md``, M7)."""

from __future__ import annotations

import numpy as np

from ..certificates.rank_model import Model
from ..highs import new_highs, run_highs
from ..problem.pool import Floats, Ints, Pool
from .links import links_of


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
        sides = np.concatenate([np.ones(self.experts), ranks])
        # A replica too many or too few is dearer than any move.
        self.solver.passModel(links_of(model, float(pool.slots), sides))

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
