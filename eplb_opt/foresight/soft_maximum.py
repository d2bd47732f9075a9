"""The cost of a packing over windows, compiled: the logarithms of sums of exponentials of the ranks' loads.

Arrays are passed one by one: numba would count the references of all members of a tuple at every call.
"""

from __future__ import annotations

import numpy as np

from ..compiled import compiled
from .tables import CELL_BITS, LOG_BITS, MANTISSA_BITS

LOST = 2.0**-20  # of a sum: below this part of what it was, its digits are lost
FRACTION_BITS = 52  # of a float64
BIAS = 1023  # of its exponent
REST_BITS = FRACTION_BITS - MANTISSA_BITS


@compiled
def cost_change(  # type: ignore[no-untyped-def]
    touched,
    number,
    new_loads,
    new_grown,
    new_sums,
    new_logs,
    grown,
    sums,
    logs,
    weights,
    exponential,
    logarithm,
):
    """By how much the cost changes with the new loads of some ranks; their exponentials, sums and logarithms."""
    windows = len(sums)
    last = np.int32(len(exponential) - 1)
    for k in range(windows):
        new_sums[k] = sums[k]
    for i in range(number):
        rank = touched[i]
        for k in range(windows):
            cell = np.uint64(min(new_loads[i, k] >> CELL_BITS, last))
            value = exponential[cell]
            new_grown[i, k] = value
            new_sums[k] += value - grown[rank, k]
    is_lost = False
    for k in range(windows):
        is_lost |= new_sums[k] < sums[k] * LOST
    for k in range(windows if is_lost else 0):
        if new_sums[k] < sums[k] * LOST:
            new_sums[k] = _summed_again(touched, number, new_grown, grown, k)
    _logarithms(new_sums, new_logs, logarithm)
    change = np.int64(0)
    for k in range(windows):
        change += weights[k] * (new_logs[k] - logs[k])
    return change


@compiled
def _summed_again(touched, number, new_grown, grown, k):  # type: ignore[no-untyped-def]
    """A window's sum from its ranks, where a difference has lost its digits."""
    total = 0.0
    for rank in range(len(grown)):
        value = grown[rank, k]
        for i in range(number):
            if touched[i] == rank:
                value = new_grown[i, k]
        total += value
    return total


@compiled
def sum_up(loads, grown, sums, logs, exponential, logarithm):  # type: ignore[no-untyped-def]
    """Exponentials, sums and logarithms of all ranks' loads."""
    ranks, windows = loads.shape
    sums[:] = 0.0
    for rank in range(ranks):
        for k in range(windows):
            cell = min(loads[rank, k] >> CELL_BITS, len(exponential) - 1)
            grown[rank, k] = exponential[cell]
            sums[k] += grown[rank, k]
    _logarithms(sums, logs, logarithm)


@compiled
def _logarithms(values, logs, logarithm):  # type: ignore[no-untyped-def]
    """Logarithms to base 2 of floats >= 1, from their bits: exponent, table, and a line between its entries."""
    bits = values.view(np.int64)
    for k in range(len(values)):
        exponent = (bits[k] >> FRACTION_BITS) - BIAS
        entry = np.uint64((bits[k] >> REST_BITS) & ((1 << MANTISSA_BITS) - 1))
        rest = (bits[k] >> (REST_BITS - 20)) & ((1 << 20) - 1)
        low = logarithm[entry]
        between = ((logarithm[entry + np.uint64(1)] - low) * rest) >> 20
        logs[k] = (exponent << LOG_BITS) + low + between
