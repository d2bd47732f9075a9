"""The first packing: replicas dealt to ranks row by row, many pools at once."""

from __future__ import annotations

import torch

from .exchange import rank_bits, rank_order
from .replicas import UNIT

CROWDED = 1 << 28  # quantised load that puts a rank behind all others


def deal(keys: torch.Tensor, bits: int, ranks: int) -> torch.Tensor:
    """Replicas dealt to ranks: the heaviest row, below it the smallest one reversed, then heaviest to lightest rank.

    Where a rank's heaviest replica would exceed the pool's bound even so, it takes the lightest replicas of all,
    and the other ranks share the rest.

    Parameters
    ----------
    keys : tensor [packings, slots], int32, lightest first
    bits : bits of a key that hold the expert

    Returns
    -------
    tensor [slots a rank, ranks, packings], int32
    """
    rows = keys.t().contiguous().view(-1, ranks, len(keys))
    if len(rows) == 1:
        return rows
    full = _full_ranks(rows, bits)
    plain = keys.device.type == "cpu" and not bool(full.any())  # the same rows, found faster
    dealt = torch.empty_like(rows)
    dealt[0] = rows[-1]
    loads = rows[-1] >> bits
    mask = (1 << rank_bits(ranks)) - 1
    rank = torch.arange(ranks, device=keys.device)[:, None]
    behind = (rank >= ranks - full) * (CROWDED + rank)
    for column, row in enumerate([0, *range(len(rows) - 2, 0, -1)], start=1):
        items = rows[row].flip(0) if plain else _row(rows, row, column, full)
        if column == 1:  # in order of the heaviest replicas, which is that of the ranks
            lightest_first = rank.expand_as(items)
        else:
            lightest_first = (rank_order(loads if plain else loads + behind) & mask).t()
        dealt[column].scatter_(0, lightest_first, items)
        loads = loads + (dealt[column] >> bits)
    return dealt


def _full_ranks(rows: torch.Tensor, bits: int) -> torch.Tensor:
    """How many of the heaviest replicas exceed the bound with the lightest companions there are, [packings]."""
    slots, ranks, packings = rows.shape
    lightest = (rows[:-1] >> bits).view(ranks, slots - 1, packings).sum(1, dtype=torch.int32)
    over = (rows[-1].flip(0) >> bits) + lightest > UNIT + slots
    return over.to(torch.int32).cumprod(0, dtype=torch.int32).sum(0, dtype=torch.int64)


def _row(rows: torch.Tensor, row: int, column: int, full: torch.Tensor) -> torch.Tensor:
    """What the ranks get in a column, lightest rank first: the full ranks from their block, the others from a row."""
    slots, ranks, packings = rows.shape
    place = torch.arange(ranks, device=rows.device)[:, None]
    others = ranks - full
    index = torch.where(
        place < others, full * (slots - 1) + (row + 1) * others - 1 - place,
        (ranks - 1 - place) * (slots - 1) + column - 1,
    )  # fmt: skip
    return rows.view(slots * ranks, packings).gather(0, index)
