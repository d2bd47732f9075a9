"""Two slots a rank: which pairs of experts may move a copy, and the best of them, many pools at once."""

from __future__ import annotations

from . import arrays as xp
from .arrays import Array

NEVER = 1 << 50
INDEX_BITS = 12  # of an expert, of a start, or of a pair of candidates, below a value in the same integer
LOW = (1 << INDEX_BITS) - 1


def rank_loads(loads: Array) -> Array:
    """Loads of the ranks, the heaviest replica with the lightest and so on, [..., slots / 2] of [..., slots]."""
    ordered = xp.sort(loads)
    ranks = ordered.shape[-1] // 2
    return ordered[..., :ranks] + xp.flip(ordered[..., ranks:])


def barred_pairs(gain: Array, loss: Array, gains: Array, loses: Array) -> Array:
    """Which pairs of the experts tried may not be taken: of one expert, or at no price, [rows, tried * tried]."""
    is_same = gains[:, :, None] == loses[:, None]
    no_gain = xp.take_along_axis(gain, gains) >= NEVER
    no_loss = xp.take_along_axis(loss, loses) >= NEVER
    return (is_same | no_gain[:, :, None] | no_loss[:, None]).reshape(len(gains), -1)


def cheapest(costs: Array, number: int) -> Array:
    """Where the smallest costs of each row are, the first of equals first, [rows, number]."""
    index = xp.arange(0, costs.shape[1], xp.device(costs))
    return xp.sort((costs << INDEX_BITS) | index)[:, :number] & LOW


def first_least(values: Array, barred: Array) -> tuple[Array, Array]:
    """The smallest value of each row that is not barred (`NEVER`, if all are) and the first place of it, [rows]."""
    index = xp.arange(0, values.shape[1], xp.device(values))
    allowed = xp.where(barred, NEVER, xp.astype(values, xp.int64))
    least = xp.min((allowed << INDEX_BITS) | index, 1)  # value and place in one integer
    return least >> INDEX_BITS, least & LOW
