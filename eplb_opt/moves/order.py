"""In which order batches of several layers gain most for what they copy.

A layer's batches follow each other. Of all orders that keep them so, the one made here has the least sum over batches
of what is copied times the imbalance meanwhile: each layer's batches are put together into blocks, a block being the
batches with which the layer gains most for each replica copied, and blocks are taken by what they gain (Sidney's
decomposition, of jobs in chains on one machine).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple


class Block(NamedTuple):
    """Batches of one layer that follow each other at once.

    Attributes
    ----------
    layer : int
        Its row.
    start, end : int
        The first batch, and the one after the last.
    gain : float
        Imbalance that goes for each replica that is copied; infinite where experts are lacking before, or nothing is
        copied.
    """

    layer: int
    start: int
    end: int
    gain: float


def blocks_of(
    layer: int, imbalance: Sequence[float], copied: Sequence[int]
) -> list[Block]:
    """A layer's blocks, the gains of which never rise.

    Parameters
    ----------
    layer : int
        Its row.
    imbalance : sequence of float
        Before the first batch, and after each.
    copied : sequence of int
        Replicas that each batch copies.

    Examples
    --------
    >>> [(block.end, block.gain) for block in blocks_of(0, [2.0, 2.5, 1.5, 1.25], [1, 1, 1])]
    [(2, 0.25), (3, 0.25)]
    """
    blocks = []
    start = 0
    least = math.inf
    while start < len(copied):
        ends = range(start + 1, len(copied) + 1)
        gains = {end: _gain(imbalance, copied, start, end) for end in ends}
        best = max(ends, key=lambda end: (gains[end], -end))
        # Rounding may make a block's gain larger than that of the one before it.
        least = min(least, gains[best])
        blocks.append(Block(layer, start, best, least))
        start = best
    return blocks


def _gain(
    imbalance: Sequence[float], copied: Sequence[int], start: int, end: int
) -> float:
    """What some batches gain for each replica copied."""
    before, after = imbalance[start], imbalance[end]
    gained = 0.0 if before == after else before - after
    replicas = sum(copied[start:end])
    if replicas:
        return gained / replicas
    return math.copysign(math.inf, gained) if gained else 0.0


def in_order(blocks: Sequence[Block]) -> list[Block]:
    """Blocks of all layers, those that gain most first; of equals by layer.

    Examples
    --------
    >>> blocks = [*blocks_of(0, [1.5, 1.25], [1]), *blocks_of(1, [2.0, 1.0], [2])]
    >>> [block.layer for block in in_order(blocks)]
    [1, 0]
    """
    return sorted(blocks, key=lambda block: (-block.gain, block.layer, block.start))
