"""The packings of `fits` one after the other, compiled for the CPU (numba): the same bits."""

from __future__ import annotations

from ..compiled import compiled
from .fits import SPARE


@compiled
def fit(ordered, bits, aims, left, placed):  # type: ignore[no-untyped-def]
    """Fill the ranks of each packing.

    Parameters
    ----------
    ordered : array [packings, slots], int32
        Keys, ascending.
    bits : int
        Bits of a key that hold the expert.
    aims : array [packings], int64
    left : array [slots], int64
        Room for what is left.
    placed : array [packings, 3, ranks], int32
        Written to.
    """
    packings, slots = ordered.shape
    for packing in range(packings):
        number = slots
        for slot in range(slots):
            left[slot] = ordered[packing, slot]
        for rank in range(slots // 3):
            number -= 1
            heaviest = left[number]
            most = aims[packing] - (heaviest >> bits)
            first, second = _best_pair(left, number, bits, most)
            placed[packing, 0, rank] = heaviest
            placed[packing, 1, rank] = left[first]
            placed[packing, 2, rank] = left[second]
            _leave_out(left, number, first, second)
            number -= 2


@compiled
def _best_pair(left, number, bits, most):  # type: ignore[no-untyped-def]
    """As `fits._best_pair`: one place goes up and the other down, so every sum that may be best is met."""
    first = 0
    second = 1
    largest = -1
    low = 0
    high = number - 1
    while low < high:
        both = (left[low] >> bits) + (left[high] >> bits)
        if both > most:
            high -= 1
            continue
        if both > largest:
            largest = both
            first = low
            second = high
            if both >= most - SPARE:
                break
        low += 1
    return first, second


@compiled
def _leave_out(left, number, first, second):  # type: ignore[no-untyped-def]
    """Move up what comes after two places."""
    for place in range(first, second - 1):
        left[place] = left[place + 1]
    for place in range(second - 1, number - 2):
        left[place] = left[place + 2]
