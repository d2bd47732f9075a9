"""A valid map nearest to one that is not: other ranks or slots, experts that nobody holds, groups on other nodes.

Every rank keeps what it can of what it holds; no expert is lost, and as few replicas move as that allows.
"""

from __future__ import annotations

import numpy as np

from ..problem.pool import Floats, Ints
from .held import EMPTY, Bools


def adopted(
    before: Ints, load: Floats, allowed: Bools, slots: int, *, distinct: bool
) -> Ints:
    """A layer's map, nearest to the one in use.

    Parameters
    ----------
    before : array [ranks, any slots a rank], int64
        The map in use, -1 for an empty slot.
    load : array [experts], float64
        Of two ways that move as few replicas, the lighter one is taken.
    allowed : array [ranks, experts], bool
        Which experts a rank may hold.
    slots : int
        A rank's, from now on.
    distinct : bool
        No rank may hold an expert twice.

    Returns
    -------
    array [ranks, slots], int64

    Examples
    --------
    >>> import numpy as np
    >>> before = np.array([[0, 1], [2, -1]])
    >>> adopted(before, np.array([4.0, 2.0, 2.0, 1.0]), np.ones((2, 4), bool), 2, distinct=True).tolist()
    [[0, 1], [2, 3]]
    """
    layer = _Layer(load, allowed, slots, distinct)
    layer.keep(before)
    layer.add_missing()
    layer.fill()
    return np.array(layer.ranks, dtype=np.int64)


class _Layer:
    """The ranks of a layer while they are filled."""

    def __init__(
        self, load: Floats, allowed: Bools, slots: int, distinct: bool
    ) -> None:
        self.load = load
        self.allowed = allowed
        self.slots = slots
        self.distinct = distinct
        self.ranks: list[list[int]] = [[] for _ in allowed]
        self.held: list[list[int]] = []
        self.counts = np.zeros(len(load), dtype=np.int64)

    def keep(self, before: Ints) -> None:
        """Every rank keeps what it holds and may, as far as it has slots: of every expert one replica first."""
        holders = _holders(before, self.allowed)
        for expert, rank in _matched(holders, len(before), self.slots).items():
            self._put(rank, expert)
        for rank, row in enumerate(before):
            held = [e for e in row.tolist() if e != EMPTY and self.allowed[rank, e]]
            self.held.append(held)
            self._keep_more(rank, held)

    def _keep_more(self, rank: int, held: list[int]) -> None:
        """A rank keeps further replicas of what it holds, hot experts first."""
        more = list(held)
        for expert in self.ranks[rank]:
            more.remove(expert)
        # Other experts before second replicas of one.
        more.sort(key=lambda expert: (expert in self.ranks[rank], -self.load[expert]))
        for expert in more:
            has_room = len(self.ranks[rank]) < self.slots
            if has_room and not (self.distinct and expert in self.ranks[rank]):
                self._put(rank, expert)

    def add_missing(self) -> None:
        """Every expert without a replica gets one, on the lightest rank with room, or in the place of a spare one."""
        missing = np.flatnonzero(self.counts == 0)
        for expert in sorted(missing.tolist(), key=lambda e: (-self.load[e], e)):
            may: list[int] = np.flatnonzero(self.allowed[:, expert]).tolist()
            open_ranks = [rank for rank in may if len(self.ranks[rank]) < self.slots]
            if not open_ranks:
                open_ranks = [self._evict(may)]
            # Who holds nothing gets something anyway.
            self._put(
                min(open_ranks, key=lambda r: (bool(self.held[r]), self._load_of(r))),
                expert,
            )

    def _evict(self, may: list[int]) -> int:
        """Take a replica away that others have, too, where that adds least to their load; its rank."""
        spare = [
            (self.load[e] / (self.counts[e] * (self.counts[e] - 1)), rank, e)
            for rank in may
            for e in self.ranks[rank]
            if self.counts[e] > 1
        ]
        _, rank, expert = min(spare)
        self.ranks[rank].remove(expert)
        self.counts[expert] -= 1
        return rank

    def fill(self) -> None:
        """Empty slots get second replicas of what the rank holds, which move nothing, or of the hottest experts."""
        for _ in range(self.slots):
            for rank in sorted(range(len(self.ranks)), key=self._load_of):
                if len(self.ranks[rank]) < self.slots:
                    self._put(rank, self._filler(rank))

    def _filler(self, rank: int) -> int:
        if self.held[rank] and not self.distinct:
            return max(self.held[rank], key=self._share_with_one_more)
        may: list[int] = np.flatnonzero(self.allowed[rank]).tolist()
        others = [expert for expert in may if expert not in self.ranks[rank]]
        return max(others or may, key=self._share_with_one_more)

    def _share_with_one_more(self, expert: int) -> float:
        return float(self.load[expert] / (self.counts[expert] + 1))

    def _load_of(self, rank: int) -> float:
        own = self.ranks[rank]
        return float((self.load[own] / self.counts[own]).sum())

    def _put(self, rank: int, expert: int) -> None:
        self.ranks[rank].append(expert)
        self.counts[expert] += 1


def _holders(before: Ints, allowed: Bools) -> dict[int, list[int]]:
    """The ranks that hold an expert and may, by expert."""
    holders: dict[int, list[int]] = {}
    for rank, row in enumerate(before):
        for expert in dict.fromkeys(row.tolist()):
            if expert != EMPTY and allowed[rank, expert]:
                holders.setdefault(expert, []).append(rank)
    return holders


def _matched(holders: dict[int, list[int]], ranks: int, slots: int) -> dict[int, int]:
    """For as many experts as can be a rank that keeps a replica (a largest matching, with so many slots a rank)."""
    kept: list[list[int]] = [[] for _ in range(ranks)]
    place: dict[int, int] = {}

    def find(expert: int, seen: set[int]) -> bool:
        """Find a rank for an expert; another one makes room if it finds one elsewhere."""
        for rank in holders[expert]:
            if rank in seen:
                continue
            seen.add(rank)
            has_room = len(kept[rank]) < slots
            leaving = None
            if not has_room:
                leaving = next((o for o in kept[rank] if find(o, seen)), None)
            if has_room or leaving is not None:
                if leaving is not None:
                    kept[rank].remove(leaving)
                kept[rank].append(expert)
                place[expert] = rank
                return True
        return False

    for expert in sorted(holders, key=lambda e: (len(holders[e]), e)):
        find(expert, set())
    return place
