"""How far apart a pair of ranks is after each split of its slots, and which split brings it closest.

Differences are exact in float32 (``models/README.md``, N1); the ten low bits of their pattern make room for the number
of the split, so that one minimum gives both.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from . import arrays as xp
from .arrays import Array
from .splits import FULL_SPLITS, Splits, row_steps, splits

LOW = (1 << 10) - 1  # bits of a difference that make room for the number of a split
# Its other bits, without the sign: as integers in the order of the numbers.
HIGH = 0x7FFFFFFF - LOW


def differences_of_best(loads: Array, partners: int, room: Array) -> Array:
    """For each pair, |difference of its loads| after its best split and that split's number, int32 [pairs].

    Of the loads [slots, heavy ranks of all packings and then their partners].
    """
    slots, columns = loads.shape
    table = splits(slots, xp.device(loads))
    number_of_splits = len(table.number)
    pairs = columns // (1 + partners) * partners
    sums = room[: number_of_splits * pairs].reshape(-1, pairs)
    fill = _sum_splits if slots <= FULL_SPLITS else _sum_exchanges
    fill(table, xp.astype(loads, xp.float32), partners, sums)
    # The pattern of a float without its sign is an integer that grows with it; its low bits give way to the number.
    ranked = xp.reinterpreted(sums, xp.int32)
    ranked &= HIGH
    ranked |= table.number
    return xp.min(ranked, 0)


def _sum_splits(table: Splits, loads: Array, partners: int, out: Array) -> None:
    """Differences [splits, pairs] after all splits."""
    sides = _sides(table.weights, loads).reshape(len(table.weights), 1 + partners, -1)
    mine = sides[:, :1]
    theirs = sides[:, 1:]
    end = 0
    for start, number, other, others in table.blocks:
        begin = end
        end += number * others
        sums = out[begin:end].reshape(number, others, *theirs.shape[1:])
        xp.subtract(
            mine[start : start + number, None], theirs[other : other + others], sums
        )


def _sum_exchanges(table: Splits, loads: Array, partners: int, out: Array) -> None:
    """Differences [splits, pairs] after all exchanges slot by slot."""
    slots = len(loads)
    pairs = out.shape[1]
    heavy = pairs // partners
    differences = loads[:, None, :heavy] - loads[:, heavy:].reshape(
        slots, partners, heavy
    )
    sides = _sides(table.weights, differences.reshape(slots, pairs))
    ((_, here, _, there),) = table.blocks
    xp.add(sides[:here, None], sides[here:], out.reshape(here, there, pairs))


def _sides(weights: Array, loads: Array) -> Array:
    """The matrix product ``weights @ loads`` of `Splits`, [rows, any], whose sums are exact.

    numpy's own product would start the threads of a library, so there rows are made of earlier ones.
    """
    if not isinstance(loads, np.ndarray):
        return xp.matmul(weights, loads)
    plain, steps = row_steps(len(loads))
    sides: npt.NDArray[np.float32] = np.empty(
        (len(weights), loads.shape[1]), dtype=np.float32
    )
    sides[0] = 0
    np.add.reduce(loads, 0, out=sides[plain])
    twice = loads + loads
    for rows, earlier, slots in steps:
        np.subtract(sides[earlier], twice[slots], out=sides[rows])
    return sides
