"""Two replicas of an expert on one rank: exchanged away where no rank gets heavier than the heaviest one is.

Such replicas rise and fall together, and where loads change their rank is hurt twice. For a repeated replica the other
ranks without its expert are tried in order, each with exchanges of one replica for one, of two for two, and of three
for three, and where these fail, of four for four: the first one that keeps the limit is made. Where none does, the
repetition stays: the objective needs it, or finer exchanges than these.
"""

from __future__ import annotations

import functools
from itertools import combinations
from typing import TypeAlias

import numpy as np

from ..problem.pool import Floats, Ints
from . import arrays as xp
from .arrays import Array
from .greedy_check import TINY, heaviest_load
from .optional import optional
from .separate import separate

MOST_EXCHANGED = 4
TRIED_FIRST = 3  # exchanges of so many and fewer
MOST_SLOTS = 9  # of a rank, the first so many are exchanged
MOST_FAILURES = 2  # of a pool, after which its other repetitions stay

# Choices of a rank's slots: what leaves besides the repeated one, [any, number - 1], and what comes, [any, number].
Choices: TypeAlias = tuple[Ints, Ints]


def fewer_repeats(
    loads: Floats,
    placed: Ints,
    ranks: int,
    *,
    nodes: int = 1,
    limits: Floats | None = None,
    compiled: bool = True,
) -> Ints:
    """Maps with fewer ranks that hold an expert twice, and no rank above the limit.

    Parameters
    ----------
    loads : array [layers, experts], float64
    placed : array [layers, slots], int64
        Valid maps; ranks of a node are adjacent.
    ranks : int
        Of all nodes.
    nodes : int, default 1
        No replica leaves its node.
    limits : array [layers], float64, optional
        What a rank may have, where the heaviest one of its node has less; default: as much as that, and where
        repetitions are left on nodes, as much as the heaviest one of all.
    compiled : bool, default True
        Let numba do it, where it is installed; the bits are the same. With two slots a rank a call does without.

    Returns
    -------
    array [layers, slots], int64

    Examples
    --------
    >>> loads = np.array([[4.0, 2.0, 2.0]])
    >>> fewer_repeats(loads, np.array([[0, 0, 1, 2]]), 2, compiled=False).tolist()
    [[0, 1, 0, 2]]
    """
    layers, slots = placed.shape
    if slots in (ranks, loads.shape[1]):
        return placed
    maps = placed.reshape(layers * nodes, ranks // nodes, -1)
    is_long = slots > 2 * ranks
    kernel = optional("repeats_compiled") if compiled and is_long else None
    part = _part if kernel is None else kernel.part
    maps, is_left = part(loads, maps, np.zeros(layers) if limits is None else limits)
    found = np.asarray(maps.reshape(layers, slots))
    if is_left and nodes > 1 and limits is None:
        heaviest = xp.to_numpy(heaviest_load(loads, found, ranks))
        maps, _ = part(loads, maps, heaviest)
        found = np.asarray(maps.reshape(layers, slots))
    return found


def separated(loads: Array, placed: Array, ranks: int, compiled: bool = True) -> Array:
    """Maps [pools, slots] without repetitions: those that cost nothing first, then the cheapest (`separate`)."""
    known = xp.to_numpy(loads)
    found = fewer_repeats(known, xp.to_numpy(placed), ranks, compiled=compiled)
    found = separate(known, found, ranks)
    return xp.asarray(found, xp.device(placed))


def _part(loads: Floats, maps: Ints, limits: Floats) -> tuple[Ints, bool]:
    """`fewer_repeats` of maps [pools, ranks, slots], of which a layer may have several, and whether any are left."""
    ordered = np.sort(maps, axis=2) if maps.shape[2] > 2 else maps
    is_repeated = (ordered[:, :, 1:] == ordered[:, :, :-1]).any(axis=(1, 2))
    maps = maps.copy()
    nodes = len(maps) // len(loads)
    failures = 0
    for pool in np.flatnonzero(is_repeated):
        layer = pool // nodes
        failures += _Pool(loads[layer], maps[pool], limits[layer]).part()
    return maps, failures > 0


class _Pool:
    """A pool's map, changed in place.

    Parameters
    ----------
    loads : array [experts]
        Those of the layer.
    held : array [ranks, slots]
    limit : float
    """

    def __init__(self, loads: Floats, held: Ints, limit: float) -> None:
        counts = np.bincount(held.ravel(), minlength=len(loads))
        self.sizes = loads / np.maximum(counts, 1)  # other nodes' experts are not here
        self.held = held
        self.rank_loads = _added(self.sizes[held])
        self.limit = max(limit, float(self.rank_loads.max()))

    def part(self) -> int:
        """Exchange repeated replicas away, rank by rank; how many are left.

        Nothing is done with tiny loads: they have lost digits, and ranks that are heavier look alike.
        """
        if 0 < self.limit < TINY:
            return 0
        failures = 0
        for rank, held in enumerate(self.held):
            slot = _first_repeated(held)
            while slot is not None and failures < MOST_FAILURES:
                if not self._is_exchanged(rank, slot):
                    failures += 1
                    break
                slot = _first_repeated(held)
        return failures

    def _is_exchanged(self, rank: int, slot: int) -> bool:
        """Whether a repeated replica was exchanged."""
        every = choices(self.held.shape[1])
        first = every[:TRIED_FIRST]
        if self._is_exchanged_by(rank, slot, first):
            return True
        return self._is_exchanged_by(rank, slot, every[TRIED_FIRST:])

    def _is_exchanged_by(
        self, rank: int, slot: int, every: tuple[Choices, ...]
    ) -> bool:
        expert = self.held[rank, slot]
        for other in np.flatnonzero(~(self.held == expert).any(axis=1)).tolist():
            mine = self._may_go(rank, other, expert)
            theirs = self._may_go(other, rank, expert)
            for mates, places in every:
                leaves = _totals(self.held[rank], mine, mates, self.sizes[expert])
                comes = _totals(self.held[other], theirs, places, 0.0)
                found = self._first_within(rank, other, leaves, comes)
                if found is not None:
                    slots = [slot, *mates[found[0]].tolist()]
                    self._exchange(rank, slots, other, places[found[1]].tolist())
                    return True
        return False

    def _may_go(self, rank: int, other: int, expert: int) -> Floats:
        """Loads of a rank's replicas, [slots]; infinite where one would repeat on the other rank, and of an expert."""
        held = self.held[rank]
        stays = np.isin(held, self.held[other]) | (held == expert)
        return np.where(stays, np.inf, self.sizes[held])

    def _first_within(
        self, rank: int, other: int, leaves: Floats, comes: Floats
    ) -> tuple[int, int] | None:
        """The first choices [any] and [any] whose exchange keeps the limit."""
        with np.errstate(invalid="ignore"):  # what stays is infinite
            shift = comes - leaves[:, None]
        keeps = self.rank_loads[rank] + shift <= self.limit
        keeps &= self.rank_loads[other] - shift <= self.limit
        if not keeps.any():
            return None
        mate, place = np.unravel_index(keeps.argmax(), keeps.shape)
        return int(mate), int(place)

    def _exchange(
        self, rank: int, slots: list[int], other: int, places: list[int]
    ) -> None:
        mine = self.held[rank, slots].copy()
        self.held[rank, slots] = self.held[other, places]
        self.held[other, places] = mine
        both = [rank, other]
        self.rank_loads[both] = _added(self.sizes[self.held[both]])


def _totals(held: Ints, sizes: Floats, chosen: Ints, total: float) -> Floats:
    """Loads of choices [any, replicas] of a rank's slots [slots], added to one; infinite where experts repeat."""
    totals = np.full(len(chosen), total)
    for at in range(chosen.shape[1]):
        totals += sizes[chosen[:, at]]
    experts = held[chosen]
    for one, two in combinations(range(chosen.shape[1]), 2):
        totals[experts[:, one] == experts[:, two]] = np.inf
    return totals


def _added(sizes: Floats) -> Floats:
    """Sums of rows, slot by slot: to the same bits as compiled."""
    total = sizes[:, 0].copy()
    for slot in range(1, sizes.shape[1]):
        total += sizes[:, slot]
    return total


def _first_repeated(held: Ints) -> int | None:
    """The first slot whose expert is in an earlier one; None if there is none."""
    seen = set()
    for slot, expert in enumerate(held.tolist()):
        if expert in seen:
            return slot
        seen.add(expert)
    return None


@functools.cache
def choices(slots: int) -> tuple[Choices, ...]:
    """Of one replica, of two, and so on, for ranks of so many slots."""
    few = range(min(slots, MOST_SLOTS))
    return tuple(
        (_combinations(few, number - 1), _combinations(few, number))
        for number in range(1, min(slots, MOST_EXCHANGED) + 1)
    )


def _combinations(places: range, number: int) -> Ints:
    return np.array(list(combinations(places, number)), dtype=np.int64)
