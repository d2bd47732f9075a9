"""Assignments of rows to columns that gain most, of small integer matrices (the Hungarian method).

Plain loops over integers: numba compiles them where it is installed (`assignment_compiled`), else they take longer.
"""

from __future__ import annotations

import numpy as np

from ..packages import is_usable
from ..problem.pool import Ints
from .assign import assign


def best_assignments(gains: Ints) -> Ints:
    """The column of every row so that the sum of gains is largest, matrix by matrix.

    Parameters
    ----------
    gains : array [matrices, n, n], int64

    Returns
    -------
    array [matrices, n], int64
        Among equal assignments always the same one.

    Examples
    --------
    >>> import numpy as np
    >>> best_assignments(np.array([[[3, 2], [3, 1]]])).tolist()
    [[1, 0]]
    """
    assign_matrix = assign
    if is_usable("numba"):
        from .assignment_compiled import assign_compiled

        assign_matrix = assign_compiled
    columns = np.empty(gains.shape[:2], dtype=np.int64)
    for number, matrix in enumerate(gains):
        assign_matrix(np.ascontiguousarray(matrix), columns[number])
    return columns
