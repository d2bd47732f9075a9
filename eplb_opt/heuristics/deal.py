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
    bits : int
        Bits of a key that hold the expert.
    ranks : int

    Returns
    -------
    array [slots a rank, ranks, packings], int32
    """
    packings = len(keys)
    device = xp.device(keys)
    rows = keys.reshape(packings, -1, ranks)
    slots = rows.shape[1]
    if slots == 1:
        return xp.contiguous(keys.T).reshape(1, ranks, packings)
    loads: Array = rows[:, -1] >> bits
    # The same rows, found faster.
    if device is None and not xp.to_numpy(_over(rows, bits, 1)).any():
        later = [0, *range(slots - 2, 0, -1)]
        items = [rows[:, -1], *(xp.flip(rows[:, row]) for row in later)]
        if rank_bits(ranks) > SHORT_BITS:
            loads = xp.astype(loads, xp.int64)
    else:  # ranks that are behind need more than 31 bits
        full = xp.sum(
            xp.cumulative_prod(_over(rows, bits, ranks), 1, xp.int64), 1, xp.int64
        )
        items = _rows(rows, full)
        rank = xp.arange(0, ranks, device)
        is_full = rank >= ranks - full[:, None]
        loads = xp.astype(loads, xp.int64) + is_full * (CROWDED + rank)
    state = xp.empty((slots * ranks * packings,), xp.int32, device)
    heaviest = state[: ranks * packings].reshape(ranks, packings)
    heaviest[:] = items[0].T  # type: ignore[assignment]
    place = _ranks_served(loads, items, bits)
    row = xp.arange(1, slots, device)[:, None, None] * ranks
    column = xp.arange(0, packings, device)[:, None]
    xp.scatter(state, (place + row) * packings + column, xp.stack(items[1:]))
    return state.reshape(slots, ranks, packings)


def _ranks_served(loads: Array, items: list[Array], bits: int) -> Array:
    """Which rank gets each item of each row but the first, int64 [slots a rank - 1, packings, ranks].

    Of the ranks' loads [packings, ranks] after the first row, in ascending order but for those that are behind.
    """
    shift = rank_bits(loads.shape[1])
    low = (1 << shift) - 1
    rank = xp.arange(0, loads.shape[1], xp.device(loads))
    if loads.dtype != rank.dtype:
        rank = xp.astype(rank, xp.int32)
    # Load and number of each rank in one integer, so that one sort orders the ranks and says which they are. The
    # heaviest replicas are in ascending order.
    waiting = (loads << shift) | rank
    served = [waiting]
    for item in items[1:-1]:
        waiting = xp.sort(waiting + ((item >> bits) << shift))
        served.append(waiting)
    return xp.astype(xp.stack(served) & low, xp.int64)


def _over(rows: Array, bits: int, number: int) -> Array:
    """Which of the heaviest replicas exceed the bound with the lightest companions there are, [packings, number].

    In order, the heaviest first, which gets the very lightest ones.
    """
    packings, slots, _ = rows.shape
    companions = rows[:, :-1].reshape(packings, -1, slots - 1)[:, :number] >> bits
    heaviest = xp.flip(rows[:, -1] >> bits)[:, :number]
    return heaviest + xp.sum(companions, 2, xp.int64) > UNIT + slots


def _rows(rows: Array, full: Array) -> list[Array]:
    """What the ranks get, row by row, where the full ranks, the last ones, take theirs from their own block."""
    packings, slots, ranks = rows.shape
    rank = xp.arange(0, ranks, xp.device(rows))
    in_order = rows.reshape(packings, -1)
    full = full[:, None]
    others = ranks - full
    is_other = rank < others
    first_of_others = full * (slots - 1)
    first_of_full = (ranks - 1 - rank) * (slots - 1)
    items = [rows[:, -1]]
    for column, row in enumerate([0, *range(slots - 2, 0, -1)], start=1):
        reversed_row = first_of_others + (row + 1) * others - 1 - rank
        index = xp.where(is_other, reversed_row, first_of_full + column - 1)
        items.append(xp.take_along_axis(in_order, index))
    return items


def experts_in_slots(state: Array, bits: int) -> Array:
    """The expert in every slot of each packing, [packings, slots] (int64), rank by rank."""
    expert = state & ((1 << bits) - 1)
    by_rank = xp.contiguous(xp.permute_dims(expert, (2, 1, 0)))
    return xp.astype(by_rank, xp.int64).reshape(state.shape[2], -1)
