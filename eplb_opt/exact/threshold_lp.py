"""The linear relaxation of the threshold model in HiGHS (``models/README.md``, X4)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import SolverError
from ..highs import go_on_without, new_highs, run_highs
from ..problem.pool import Floats, Ints, Pool
from .threshold import Columns

# Cost of a replica that is in stock before the first link, in all slots.
DEAR_STOCK = 10.0


def relaxation(pool: Pool, cols: Columns, seconds: float) -> Floats:
    """Chain duals of the linear relaxation that minimises slots (X4).

    Parameters
    ----------
    pool : Pool
    cols : Columns
    seconds : float
        Wall-clock limit.

    Returns
    -------
    array [levels], float64
        Any duals make a valid bound (`slot_bound`); zeros if the solver has none, which bound by the least counts.

    Raises
    ------
    SolverError
        HiGHS failed, outside of `highs.collected_failures`; inside, the duals are zeros.
    """
    solver = chain_program(pool, cols)
    try:
        run_highs(solver, seconds)
    except SolverError as error:
        go_on_without(error)
        return np.zeros(cols.levels)
    duals = np.array(solver.getSolution().row_dual)
    before_chain = pool.num_experts + 1  # rows of the experts and of the slots
    if duals.size != before_chain + cols.levels:  # stopped before it had any
        return np.zeros(cols.levels)
    return duals[before_chain:]


def chain_program(pool: Pool, cols: Columns) -> Any:
    """The linear relaxation in HiGHS: experts' rows, slots row, chain.

    Variables: columns, then stocks 0..levels; stock 0, which the model lacks, is dear, so that there is always a
    solution.
    """
    import highspy

    program = highspy.HighsLp()
    _set_variables(program, pool, cols)
    _set_rows(program, pool, cols)
    start, index, value = _matrix(pool, cols)
    matrix = program.a_matrix_
    matrix.format_ = highspy.MatrixFormat.kColwise
    matrix.start_ = start
    matrix.index_ = index
    matrix.value_ = value
    solver = new_highs()
    solver.passModel(program)
    return solver


def _set_variables(program: Any, pool: Pool, cols: Columns) -> None:
    """Costs and bounds."""
    import highspy

    size = cols.expert.size
    stocks = cols.levels + 1
    cost = np.zeros(size + stocks)
    cost[:size] = cols.count
    cost[size] = DEAR_STOCK * pool.slots
    most = np.full(size + stocks, highspy.kHighsInf)
    most[:size] = 1.0
    program.num_col_ = size + stocks
    program.col_cost_ = cost
    program.col_lower_ = np.zeros(size + stocks)
    program.col_upper_ = most


def _set_rows(program: Any, pool: Pool, cols: Columns) -> None:
    """Sides: one count an expert, slots without a limit, nothing from nowhere in the chain."""
    import highspy

    inf = highspy.kHighsInf
    one = np.ones(pool.num_experts)
    chain = np.zeros(cols.levels)
    program.num_row_ = pool.num_experts + 1 + cols.levels
    program.row_lower_ = np.concatenate([one, [-inf], chain])
    program.row_upper_ = np.concatenate([one, [inf], chain])


def _matrix(
    pool: Pool, cols: Columns
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], Floats]:
    """Constraint matrix by columns: starts, row indices, values."""
    parts = _entries(pool, cols)
    columns = np.concatenate([part[0] for part in parts])
    rows = np.concatenate([part[1] for part in parts])
    values = np.concatenate([part[2] for part in parts])
    by_column = np.argsort(columns, kind="stable")
    variables = cols.expert.size + cols.levels + 1
    starts = np.searchsorted(columns[by_column], np.arange(variables + 1))
    return (
        starts.astype(np.int32),
        rows[by_column].astype(np.int32),
        values[by_column].astype(np.float64),
    )


def _entries(pool: Pool, cols: Columns) -> list[tuple[Ints, Ints, Any]]:
    """Columns, rows and values of the entries, kind by kind."""
    size = cols.expert.size
    slots_row = pool.num_experts
    every = np.arange(size)
    linked = np.flatnonzero(cols.level)
    chain = np.arange(cols.levels)
    links = slots_row + 1 + chain  # the chain's rows
    one = np.ones(cols.levels)
    return [
        (every, cols.expert, np.ones(size)),
        (every, np.full(size, slots_row), cols.count),
        (linked, slots_row + cols.level[linked], cols.role[linked]),
        (size + chain, links, one),  # stock i - 1 enters link i
        (size + 1 + chain, links, -one),  # stock i leaves it
    ]
