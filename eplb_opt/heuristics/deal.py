"""The first packing: replicas dealt to ranks row by row, many pools at once."""

from __future__ import annotations

from . import arrays as xp
from .arrays import Array
from .exchange import SHORT_BITS, rank_bits
from .replicas import UNIT

CROWDED = 1 << 28  # quantised load that puts a rank behind all others


def deal(keys: Array, bits: int, ranks: int) -> Array:
    """Replicas dealt to ranks: the heaviest row, below it the smallest one reversed, then heaviest to lightest rank.

    Where a rank's heaviest replica would exceed the pool's bound even so, it takes the lightest replicas of all,
    and the other ranks share the rest.

    Parameters
    ----------
    keys : array [packings, slots], int32, lightest first
    bits : bits of a key that hold the expert

    Returns
    -------
    array [slots a rank, ranks, packings], int32
    """
    packings, at = len(keys), xp.device(keys)
    rows = keys.reshape(packings, -1, ranks)
    each = rows.shape[1]
    if each == 1:
        return xp.contiguous(keys.T).reshape(1, ranks, packings)
    shift, rank = rank_bits(ranks), xp.arange(0, ranks, at)
    plain = at is None and not _over(rows, bits, 1).any()  # the same rows, found faster
    if plain:
        items = [rows[:, -1], *(xp.flip(rows[:, row]) for row in (0, *range(each - 2, 0, -1)))]
    else:
        full = xp.sum(xp.cumulative_prod(_over(rows, bits, ranks), 1, xp.int64), 1, xp.int64)
        items = _rows(rows, full)
    loads = rows[:, -1] >> bits
    if plain and shift <= SHORT_BITS:
        rank = xp.astype(rank, xp.int32)
    else:  # ranks that are behind need more than 31 bits
        loads = xp.astype(loads, xp.int64)
        if not plain:
            loads = loads + (rank >= ranks - full[:, None]) * (CROWDED + rank)
    # Load and number of each rank, in ascending order: that of the heaviest replicas is the order of the ranks.
    waiting = (loads << shift) | rank
    served = [waiting]
    for item in items[1:-1]:
        waiting = xp.sort(waiting + ((item >> bits) << shift))
        served.append(waiting)
    who = xp.astype(xp.stack(served) & ((1 << shift) - 1), xp.int64)
    row = xp.arange(1, each, at)[:, None, None] * ranks
    column = xp.arange(0, packings, at)[:, None]
    state = xp.empty((each * ranks * packings,), xp.int32, at)
    state[: ranks * packings].reshape(ranks, packings)[:] = items[0].T
    xp.scatter(state, (who + row) * packings + column, xp.stack(items[1:]))
    return state.reshape(each, ranks, packings)


def _over(rows: Array, bits: int, number: int) -> Array:
    """Which of the heaviest replicas exceed the bound with the lightest companions there are, [packings, number].

    In order, the heaviest first, which gets the very lightest ones.
    """
    packings, slots, _ = rows.shape
    lightest = xp.sum(rows[:, :-1].reshape(packings, -1, slots - 1)[:, :number] >> bits, 2, xp.int64)
    return xp.flip(rows[:, -1] >> bits)[:, :number] + lightest > UNIT + slots


def _rows(rows: Array, full: Array) -> list[Array]:
    """What the ranks get, row by row, where the full ranks, the last ones, take theirs from their own block."""
    packings, slots, ranks = rows.shape
    rank, full = xp.arange(0, ranks, xp.device(rows)), full[:, None]
    others = ranks - full
    items = [rows[:, -1]]
    for column, row in enumerate([0, *range(slots - 2, 0, -1)], start=1):
        index = xp.where(
            rank < others, full * (slots - 1) + (row + 1) * others - 1 - rank,
            (ranks - 1 - rank) * (slots - 1) + column - 1,
        )  # fmt: skip
        items.append(xp.take_along_axis(rows.reshape(packings, -1), index))
    return items
