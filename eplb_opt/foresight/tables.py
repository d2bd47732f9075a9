"""Exponential, logarithm and temperatures as tables, the same to the bit on every machine.

``exp`` and ``log`` of mathematical libraries differ in their last bits. Here the exponential is a product of one
constant, and the logarithm is rounded to 2^-32, far coarser than any library's error: what is decided by these numbers
is decided alike everywhere.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..problem.pool import Floats, Ints

MEAN = 1 << 20  # load of a rank that has the mean of its window
MOST_RANKS = 2047  # so that the load of all of them has less than 31 bits
CELL_BITS = 10  # of a load, below what the exponential tells apart: 1/1024 of the mean
SHARPNESS = 12.0  # of the soft maximum
STEP_BITS = 44  # of the exponential's growth from one cell to the next
MOST_GROWTH = 600  # of exponents: the largest exponential is below 1e261
MANTISSA_BITS = 12  # that the logarithm's table is read by
LOG_BITS = 32  # of a logarithm behind the point
DRAW_BITS = 12  # of a random number, that the patience is drawn by
HOT = 1e-3  # temperatures, in units of the mean rank load
COOLER = float.fromhex("0x1.e48p-1")  # from one stage to the next
STAGES = 64  # so that the last is as cold as 3e-5
WEIGHT_UNIT = 1 << 16  # of all windows together
# What a unit of load above a limit costs where it must not be: a millionth of the mean costs as much as a change by
# 64 millionths in all windows.
PRICE = 1 << 38


class Tables(NamedTuple):
    """What the annealing reads instead of computing it."""

    exponential: Floats  # [cells + 1], of sharpness times load; the last is of all loads beyond, too
    logarithm: Ints  # [2 ** MANTISSA_BITS + 1], base 2, of 1 to 2
    patience: Floats  # [2 ** DRAW_BITS], -log of evenly spread numbers, descending
    temperatures: Floats  # [STAGES], in the unit of the annealing's cost


def cost_of_mean(sharpness: float = SHARPNESS) -> int:
    """What a change of one mean rank load in all windows comes to.

    The annealing's cost is the sum over windows of weight * log2(sum over ranks of exp).
    """
    doublings = round(sharpness / math.log(2.0) * 256)
    return doublings * WEIGHT_UNIT * (1 << LOG_BITS) // 256


@functools.cache
def tables(sharpness: float = SHARPNESS) -> Tables:
    """The tables, built once a process."""
    cells_of_mean = MEAN >> CELL_BITS
    cells = int(MOST_GROWTH / sharpness * cells_of_mean)
    # Cut, so that the last bits of a library's function do not matter.
    growth = math.exp(sharpness / cells_of_mean)
    step = math.floor(math.ldexp(growth, STEP_BITS)) * 2.0**-STEP_BITS
    steps = np.full(cells + 1, step)
    steps[0] = 1.0
    exponential = np.multiply.accumulate(steps)
    first = np.arange((1 << MANTISSA_BITS) + 1) / (1 << MANTISSA_BITS)
    logarithm = np.rint(np.log2(1.0 + first) * (1 << LOG_BITS)).astype(np.int64)
    draws = (np.arange(1 << DRAW_BITS) + 0.5) / (1 << DRAW_BITS)
    patience = np.rint(-np.log(draws) * (1 << 20)) / (1 << 20)
    stages = np.full(STAGES, COOLER)
    stages[0] = HOT * cost_of_mean(sharpness)
    return Tables(exponential, logarithm, patience, np.multiply.accumulate(stages))


def whole_weights(weights: npt.NDArray[np.float64]) -> Ints:
    """Weights of windows as integers whose sum is about `WEIGHT_UNIT`, [windows]; only zeros become zero."""
    total = weights.sum()
    if total <= 0:
        return np.zeros(len(weights), dtype=np.int64)
    whole = np.rint(weights / total * WEIGHT_UNIT).astype(np.int64)
    least: Ints = np.maximum(whole, weights > 0)
    return least
