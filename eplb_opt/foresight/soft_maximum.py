"""The cost of a packing over windows, compiled: the logarithms of sums of exponentials of the ranks' loads.

Arrays are passed one by one: numba would count the references of all members of a tuple at every call.
"""

from __future__ import annotations

import numpy as np

from ..compiled import compiled, inlined
from .tables import CELL_BITS, LOG_BITS, MANTISSA_BITS

LOST = 2.0**-20  # of a sum: below this part of what it was, its digits are lost
FRACTION_BITS = 52  # of a float64
FRACTION = (1 << FRACTION_BITS) - 1
BIAS = 1023  # of its exponent
ONE = BIAS << FRACTION_BITS  # the bits of 1.0
MOST_FACTORS = 1000  # between 1 and 2, so that their product is a float64
REST_BITS = FRACTION_BITS - MANTISSA_BITS


@inlined
def new_cost(  # type: ignore[no-untyped-def]
    touched,
    number,
    new_loads,
    new_grown,
    new_sums,
    new_bits,
    grown,
    sums,
    weights,
    weight,
    factors,
    factor_bits,
    exponential,
    logarithm,
):
    """The cost with the new loads of some ranks; their exponentials, and the sums of windows.

    ``new_bits`` and ``factor_bits`` are ``new_sums`` and ``factors`` as integers: a view costs more than a loop. Every
    loop does one thing, so that the compiler does it for several windows at once.
    """
    windows = len(sums)
    last = np.int32(len(exponential) - 1)
    for i in range(number):
        for k in range(windows):
            cell = np.uint64(min(new_loads[i, k] >> CELL_BITS, last))
            new_grown[i, k] = exponential[cell]
    for k in range(windows):
        new_sums[k] = sums[k]
    for i in range(number):
        rank = touched[i]
        for k in range(windows):
            new_sums[k] += new_grown[i, k] - grown[rank, k]
    lost = np.int64(0)
    for k in range(windows):
        lost += np.int64(new_sums[k] < sums[k] * LOST)
    for k in range(windows if lost else 0):
        if new_sums[k] < sums[k] * LOST:
            new_sums[k] = _summed_again(touched, number, new_grown, grown, k)
    return cost_of(new_bits, weights, weight, factors, factor_bits, logarithm)


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
def sum_up(loads, grown, sums, exponential):  # type: ignore[no-untyped-def]
    """Exponentials of all ranks' loads, and their sums."""
    ranks, windows = loads.shape
    sums[:] = 0.0
    for rank in range(ranks):
        for k in range(windows):
            cell = min(loads[rank, k] >> CELL_BITS, len(exponential) - 1)
            grown[rank, k] = exponential[cell]
            sums[k] += grown[rank, k]


@compiled
def alike(weights):  # type: ignore[no-untyped-def]
    """The weight of all windows that count, or 0 where they differ or are too many for a product."""
    heaviest = weights.max()
    if len(weights) > MOST_FACTORS:
        return np.int64(0)
    for weight in weights:
        if weight != 0 and weight != heaviest:
            return np.int64(0)
    return heaviest


@inlined
def cost_of(bits, weights, weight, factors, factor_bits, logarithm):  # type: ignore[no-untyped-def]
    """The sum over windows of weight times the logarithm of a sum, whose bits are given; quicker with equal weights."""
    if weight > 0:
        log = _log_of_product(bits, weights, factors, factor_bits, logarithm)
        return weight * log
    cost = np.int64(0)
    for k in range(len(bits)):
        cost += weights[k] * _logarithm(bits[k], logarithm)
    return cost


@inlined
def _log_of_product(bits, weights, factors, factor_bits, logarithm):  # type: ignore[no-untyped-def]
    """Logarithm of the product of the sums that count: exponents are added, what is left is multiplied."""
    exponents = np.int64(0)
    for k in range(len(bits)):
        counts = -np.int64(weights[k] > 0)  # all bits, or none
        exponents += ((bits[k] >> FRACTION_BITS) - BIAS) & counts
        factor_bits[k] = (bits[k] & FRACTION & counts) | ONE
    factors[0] = _product(factors)
    return (exponents << LOG_BITS) + _logarithm(factor_bits[0], logarithm)


@inlined
def _product(factors):  # type: ignore[no-untyped-def]
    """The product of some factors; four at a time, as each waits for the one before."""
    first = 1.0
    second = 1.0
    third = 1.0
    fourth = 1.0
    fours = len(factors) // 4 * 4
    for k in range(0, fours, 4):
        first *= factors[k]
        second *= factors[k + 1]
        third *= factors[k + 2]
        fourth *= factors[k + 3]
    for k in range(fours, len(factors)):
        first *= factors[k]
    return (first * second) * (third * fourth)


@inlined
def _logarithm(bits, logarithm):  # type: ignore[no-untyped-def]
    """Logarithm to base 2 of a float >= 1, from its bits: exponent, table, and a line between its entries."""
    exponent = (bits >> FRACTION_BITS) - BIAS
    entry = np.uint64((bits >> REST_BITS) & ((1 << MANTISSA_BITS) - 1))
    rest = (bits >> (REST_BITS - 20)) & ((1 << 20) - 1)
    low = logarithm[entry]
    between = ((logarithm[entry + np.uint64(1)] - low) * rest) >> 20
    return (exponent << LOG_BITS) + low + between
