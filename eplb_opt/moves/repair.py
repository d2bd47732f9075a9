"""Few moves: packings repaired from the map in use, pool by pool, until their heaviest ranks are light enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..problem.pool import Floats, Ints
from ..problem.value import rank_times
from .held import Bools

UNIT = 1 << 20  # of load: a mean rank's


class Style(NamedTuple):
    """How a search is made.

    Attributes
    ----------
    tenure : int
        Steps for which an expert may not come back.
    thrift : tuple of int
        What relief is worth where no more replicas move, where one does, and where more do.
    """

    tenure: int
    thrift: tuple[int, int, int]


# Each finds other packings; the first is made in every pool. Where moves are limited, thrift says more.
STYLES = (Style(6, (6, 4, 3)), Style(6, (4, 2, 1)), Style(6, (8, 2, 1)))
LIMITED_STYLES = (STYLES[1], STYLES[2], STYLES[0])
FEW_SLOTS = 128  # of a pool, up to which all styles are tried
TIGHTER = (
    0.9  # of the moves that were needed: small pools are searched again with no more
)
PATIENCE = 48  # steps of a search without a lighter packing, after which it ends
NO_LIMIT = 1 << 40  # moves
CLEARLY = 0.01  # of its load by which a rank must be lighter to hold an expert twice


@dataclass(frozen=True)
class Pools:
    """Pools of one shape with their packings and what their ranks hold.

    Attributes
    ----------
    loads : array [pools, experts], float64
        In units of the mean rank load of their layer.
    slots : array [pools, ranks, slots a rank], int64
    held : array [pools, ranks, experts], bool
    distinct : bool
    """

    loads: Floats
    slots: Ints
    held: Bools
    distinct: bool

    def take(self, which: Bools) -> Pools:
        """Some of the pools."""
        return Pools(
            self.loads[which], self.slots[which], self.held[which], self.distinct
        )


@dataclass(frozen=True)
class Repaired:
    """Packings, their heaviest ranks and how many replicas move.

    Attributes
    ----------
    slots : array [pools, ranks, slots a rank], int64
    heaviest : array [pools], float64
        In units of the mean rank load.
    moves : array [pools], int64
    """

    slots: Ints
    heaviest: Floats
    moves: Ints

    def put(self, which: Bools, others: Repaired) -> Repaired:
        """With others for some of the pools, where these are clearly lighter."""
        slots = self.slots.copy()
        heaviest = self.heaviest.copy()
        moves = self.moves.copy()
        is_lighter = others.heaviest < heaviest[which] * (1 - CLEARLY)
        where = np.flatnonzero(which)[is_lighter]
        slots[where] = others.slots[is_lighter]
        heaviest[where] = others.heaviest[is_lighter]
        moves[where] = others.moves[is_lighter]
        return Repaired(slots, heaviest, moves)


def repaired(
    pools: Pools, most: Floats, most_moves: Ints | None = None, searches: int = 1
) -> Repaired:
    """Packings near those given whose ranks have at most so much load, or as little as few moves can bring about.

    No rank gets an expert twice, though that moves nothing: such a rank is hit twice when the expert's load grows. Only
    where it would end clearly heavier so is it allowed.

    Parameters
    ----------
    pools : Pools
    most : array [pools], float64
        The load of a rank that is good enough, in units of the mean.
    most_moves : array [pools], int64, optional
        Replicas that may move; by default any number.
    searches : int
        How many are tried, of which each pool keeps the best.

    Returns
    -------
    Repaired
    """
    limit = np.full(len(most), NO_LIMIT) if most_moves is None else most_moves
    best = _best(pools, most, limit, searches, distinct=True)
    is_open = best.heaviest > most
    if pools.distinct or not is_open.any():
        return best
    part = pools.take(is_open)
    other = _best(part, most[is_open], limit[is_open], searches, distinct=False)
    return best.put(is_open, other)


def _best(
    pools: Pools, most: Floats, limit: Ints, searches: int, *, distinct: bool
) -> Repaired:
    """The best of some searches; small pools, which take little time, get all of them."""
    is_small = pools.slots[0].size <= FEW_SLOTS
    if is_small:
        searches = len(STYLES)
    styles = LIMITED_STYLES if (limit < NO_LIMIT).any() else STYLES
    best = _search(pools, most, limit, styles[0], distinct)
    for style in styles[1:searches]:
        best = _better(best, _search(pools, most, limit, style, distinct), most)
    if is_small:
        tight = np.minimum(limit, (best.moves * TIGHTER).astype(np.int64))
        found = _search(pools, most, tight, LIMITED_STYLES[0], distinct)
        best = _better(best, found, most)
    return best


def _search(
    pools: Pools, most: Floats, limit: Ints, style: Style, distinct: bool
) -> Repaired:
    from .repair_kernel import repair_pools

    slots = pools.slots.copy()
    whole = np.rint(pools.loads * UNIT).astype(np.int64)
    # Each replica's load is cut to a whole unit, and its expert's rounded to one.
    per_rank = slots.shape[2]
    enough = np.minimum(most, NO_LIMIT / UNIT) * UNIT - 2 * per_rank
    heaviest = np.empty(len(slots), dtype=np.int64)
    moves = np.empty(len(slots), dtype=np.int64)
    repair_pools(
        whole,
        pools.held.view(np.int8),
        slots,
        enough.astype(np.int64),
        np.asarray(limit, dtype=np.int64),
        PATIENCE,
        style.tenure,
        distinct,
        style.thrift,
        heaviest,
        moves,
    )
    return Repaired(slots, heaviest_ranks(pools.loads, slots), moves)


def _better(one: Repaired, other: Repaired, most: Floats) -> Repaired:
    """Of two packings of each pool the one with fewer moves if both are good enough, else the lighter one."""
    are_good = np.maximum(one.heaviest, other.heaviest) <= most
    is_fewer = other.moves < one.moves
    is_lighter = other.heaviest < one.heaviest
    takes = np.where(are_good, is_fewer, is_lighter)
    return Repaired(
        np.where(takes[:, None, None], other.slots, one.slots),
        np.where(takes, other.heaviest, one.heaviest),
        np.where(takes, other.moves, one.moves),
    )


def heaviest_ranks(loads: Floats, slots: Ints) -> Floats:
    """Load of the heaviest rank of each pool, [pools], of loads [pools, experts] and slots [pools, ranks, any]."""
    times = rank_times(loads[:, None, :], slots)
    return np.asarray(times[:, 0].max(axis=1))
