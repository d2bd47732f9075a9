"""The part of linear programs over rank contents that links these to counts (``models/README.md``, L2)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..certificates.rank_model import Model
from ..problem.pool import Floats


def links_of(model: Model, price: float, sides: Floats) -> Any:
    """The program before contents are added: ``sum_p a_tp x_p + over_t - under_t = k_t y_t`` for every type t.

    Columns: y [types], over [types], under [types]. Rows: types, experts (one count each), then rows of contents alone.

    Parameters
    ----------
    model : Model
        The pool at a target.
    price : float
        Of a replica too many or too few.
    sides : array [experts and further rows], float64
        What these rows come to.

    Returns
    -------
    HighsLp
    """
    import highspy

    types = model.item.size
    columns = 3 * types
    every_side = np.concatenate([np.zeros(types), sides])
    program = highspy.HighsLp()
    program.num_col_ = columns
    program.num_row_ = every_side.size
    program.col_cost_ = np.concatenate([np.zeros(types), np.full(2 * types, price)])
    program.col_lower_ = np.zeros(columns)
    program.col_upper_ = np.full(columns, highspy.kHighsInf)
    program.row_lower_ = every_side
    program.row_upper_ = every_side
    _fill(program.a_matrix_, model)
    return program


def _fill(matrix: Any, model: Model) -> None:
    """The entries of y (two each: its type, its expert), over and under (one each)."""
    import highspy

    types = model.item.size
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
