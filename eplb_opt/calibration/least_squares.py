"""Least squares with coefficients that are not negative."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..problem.arrays import Floats

Bools = npt.NDArray[np.bool_]

TOLERANCE = 1e-10  # of a slope, relative to the largest


def non_negative(matrix: Floats, target: Floats) -> Floats:
    """The coefficients >= 0 of least squared error, by Lawson and Hanson's active set.

    Parameters
    ----------
    matrix : array [rows, columns], float64
    target : array [rows], float64

    Returns
    -------
    array [columns], float64

    Examples
    --------
    Two lines through the origin, of which one would fall:

    >>> non_negative(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([2.0, -3.0])).tolist()
    [2.0, 0.0]
    """
    columns = matrix.shape[1]
    found = np.zeros(columns)
    is_free = np.zeros(columns, dtype=bool)
    least_slope = TOLERANCE * float(np.abs(matrix.T @ target).max(initial=0.0))
    for _ in range(3 * columns):  # as many as its authors allow it
        slopes = matrix.T @ (target - matrix @ found)
        slopes[is_free] = -np.inf
        steepest = int(slopes.argmax())
        if slopes[steepest] <= least_slope:
            break
        is_free[steepest] = True
        found = _within(matrix, target, found, is_free)
    return found


def _within(matrix: Floats, target: Floats, found: Floats, is_free: Bools) -> Floats:
    """Best coefficients of the free columns; one that would fall below 0 stays there (changes ``is_free``)."""
    while True:
        wanted = np.zeros(len(found))
        wanted[is_free] = np.linalg.lstsq(matrix[:, is_free], target, rcond=None)[0]
        falls = np.flatnonzero(is_free & (wanted < 0))
        if not len(falls):
            return wanted
        parts = found[falls] / (found[falls] - wanted[falls])
        part = float(parts.min())  # of the way on which nothing falls below 0
        found = found + part * (wanted - found)
        found[falls[parts <= part]] = 0.0
        is_free &= found > 0
