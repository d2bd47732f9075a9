"""The first packing: replicas dealt to ranks row by row, many pools at once."""

from __future__ import annotations

import torch

from .exchange import rank_bits
from .replicas import UNIT, sort_rows

CROWDED = 1 << 28  # quantised load that puts a rank behind all others
SHORT_BITS = 8  # of a rank, that leave room for its load in 31 bits (``models/README.md``, N1)


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
    rows = keys.view(len(keys), -1, ranks)
    if rows.shape[1] == 1:
        return keys.t().contiguous().view(1, ranks, -1)
    full = _full_ranks(rows, bits)
    plain = keys.device.type == "cpu" and not bool(full.any())  # the same rows, found faster
    items = _plain_rows(rows) if plain else _rows(rows, full)
    shift, rank = rank_bits(ranks), torch.arange(ranks, device=keys.device)
    loads = rows[:, -1] >> bits
    if plain and shift <= SHORT_BITS:
        rank = rank.to(torch.int32)
    else:  # ranks that are behind need more than 31 bits
        loads = loads + (rank >= ranks - full[:, None]) * (CROWDED + rank)
    # Load and number of each rank, in ascending order: that of the heaviest replicas is the order of the ranks.
    waiting = (loads << shift) | rank
    more = (items[1:] >> bits) << shift
    served = [rank.expand_as(waiting)]
    for row in more:
        served.append(waiting & ((1 << shift) - 1))
        waiting = sort_rows(waiting + row)
    return torch.empty_like(items).scatter_(2, torch.stack(served).to(torch.int64), items).transpose(1, 2).contiguous()


def _full_ranks(rows: torch.Tensor, bits: int) -> torch.Tensor:
    """How many of the heaviest replicas exceed the bound with the lightest companions there are, [packings]."""
    packings, slots, ranks = rows.shape
    lightest = (rows[:, :-1] >> bits).view(packings, ranks, slots - 1).sum(2, dtype=torch.int32)
    over = (rows[:, -1].flip(1) >> bits) + lightest > UNIT + slots
    return over.to(torch.int32).cumprod(1, dtype=torch.int32).sum(1, dtype=torch.int64)


def _plain_rows(rows: torch.Tensor) -> torch.Tensor:
    """What the ranks get, [slots a rank, packings, ranks]: the heaviest row, then rows from the lightest rank on."""
    columns = torch.cat((rows[:, -1:].flip(2), rows[:, :1], rows[:, 1:-1].flip(1)), 1)
    return columns.flip(2).transpose(0, 1).contiguous()


def _rows(rows: torch.Tensor, full: torch.Tensor) -> torch.Tensor:
    """`_plain_rows` where the full ranks, the last ones, take their columns from their own block."""
    packings, slots, ranks = rows.shape
    place, full = torch.arange(ranks, device=rows.device), full[:, None]
    others = ranks - full
    columns = [rows[:, -1]]
    for column, row in enumerate([0, *range(slots - 2, 0, -1)], start=1):
        index = torch.where(
            place < others, full * (slots - 1) + (row + 1) * others - 1 - place,
            (ranks - 1 - place) * (slots - 1) + column - 1,
        )  # fmt: skip
        columns.append(rows.view(packings, slots * ranks).gather(1, index))
    return torch.stack(columns)
