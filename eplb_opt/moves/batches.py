"""A layer's moves in batches within limits, after each of which every expert still has a replica.

A batch replaces replicas on some ranks, all at once: what is sent is read before anything is replaced. A rank may give
up a replica if its expert has another one after the batch. Where no rank may, every replica that has to go is its
expert's last, so that each has to arrive on a rank which gives up such a one, too; some of these ranks form a circle,
along which every rank receives one replica and sends one. So there always is a batch within limits of one.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ..problem.pool import Floats, Ints
from .cost import transfers_to
from .held import EMPTY, held_experts
from .links import ELSEWHERE, Senders, Transfers, transfers_of
from .rank_loads import RankLoads
from .traffic import MoveLimits


class Batch(NamedTuple):
    """Replicas that are replaced at once.

    Attributes
    ----------
    transfers : Transfers
        What ranks receive for it; none where replicas change place within ranks only.
    slots : array [ranks, slots a rank], int64
        The layer's slots after it; -1 where one is empty.
    """

    transfers: Transfers
    slots: Ints


def whole_batch(before: Ints, after: Ints, num_experts: int, nodes: Ints) -> Batch:
    """The layer switched at once, whatever the limits.

    Parameters
    ----------
    before, after : array [ranks, slots a rank], int64
        The expert in every slot; -1 where it is empty.
    num_experts : int
    nodes : array [ranks], int64
        The node of each rank.
    """
    held = held_experts(before[None], num_experts)[0]
    return Batch(transfers_to(after, held, nodes), after)


def layer_batches(
    before: Ints, after: Ints, nodes: Ints, limits: MoveLimits, loads: Floats
) -> list[Batch]:
    """Batches from a layer's slots to others.

    Every batch takes what fits, the ranks with least load first: of what a rank may give up and has to receive, the
    pair that makes loads most even; experts without a replica arrive first. Replicas take their places within ranks
    with the last batch.

    Parameters
    ----------
    before, after : array [ranks, slots a rank], int64
        The expert in every slot; -1 where it is empty.
    nodes : array [ranks], int64
        The node of each rank.
    limits : MoveLimits
    loads : array [experts], float64

    Returns
    -------
    list of Batch
        None if nothing changes. The last one's slots are ``after``; an expert that has a replica keeps one.

    Examples
    --------
    >>> before, after = np.array([[0, 1], [2, 3]]), np.array([[2, 3], [0, 1]])
    >>> one_each = MoveLimits(per_rank=1)
    >>> batches = layer_batches(before, after, np.zeros(2, int), one_each, np.array([5.0, 3, 2, 1]))
    >>> [batch.slots.tolist() for batch in batches]
    [[[2, 1], [0, 3]], [[2, 3], [0, 1]]]
    """
    batches = []
    slots = before
    while not np.array_equal(slots, after):
        draft = _Draft(slots, after, nodes, limits, loads)
        while draft.add_singles() or draft.add_circle():
            pass
        batches.append(draft.batch())
        slots = batches[-1].slots
    return batches


class _Draft:
    """A batch while it is put together."""

    def __init__(
        self, slots: Ints, after: Ints, nodes: Ints, limits: MoveLimits, loads: Floats
    ) -> None:
        self.after = after.tolist()
        self.slots = slots.tolist()  # after the batch
        self.held = [set(row) for row in self.slots]  # before it, and what arrives
        pairs = list(zip(self.slots, self.after, strict=True))
        self.leaving = [Counter(now) - Counter(end) for now, end in pairs]
        self.arriving = [Counter(end) - Counter(now) for now, end in pairs]
        # After the batch.
        self.replicas = Counter(expert for row in self.slots for expert in row)
        self.holders = _holders(self.held)
        self.senders = Senders(nodes)
        self.traffic = limits.traffic()
        self.items: list[tuple[int, int, int]] = []
        self.loads = RankLoads(self.slots, loads)
        self.ranks = self.loads.lightest_first()

    def add_singles(self) -> bool:
        """Replicas whose experts keep another one, at most one a rank; whether there is any."""
        added = [self._add_single(rank) for rank in self.ranks]
        return any(added)

    def _add_single(self, rank: int) -> bool:
        leaving = self._may_leave(rank)
        sources = self._may_arrive(rank)
        if not (leaving and sources):
            return False
        gone, come = self.loads.best(rank, leaving, list(sources))
        self._replace(rank, gone, come, sources[come])
        return True

    def _may_leave(self, rank: int) -> list[int]:
        """What the rank may give up: replicas of experts that keep another one, and empty slots."""
        return [
            expert
            for expert in sorted(self.leaving[rank])
            if expert == EMPTY or self.replicas[expert] > 1
        ]

    def _may_arrive(self, rank: int) -> dict[int, int]:
        """What the rank has to receive and can, and who sends it; experts without a replica before all others."""
        found = {
            expert: self._source(expert, rank) for expert in sorted(self.arriving[rank])
        }
        sources = {
            expert: source for expert, source in found.items() if source is not None
        }
        lost = {
            expert: source
            for expert, source in sources.items()
            if expert != EMPTY and not self.replicas[expert]
        }
        return lost or sources

    def _source(self, expert: int, rank: int) -> int | None:
        """Who sends: the rank itself if it has the expert, or a slot is emptied; None if nobody has room."""
        if expert == EMPTY or expert in self.held[rank]:
            return rank
        holders = self.holders.get(expert, [])
        able = [
            source
            for source in self.senders.cheapest(holders, rank)
            if self.traffic.has_room(source, rank)
        ]
        if able:
            return self.senders.choose(able, rank)
        is_lost = not holders and self.traffic.has_room(ELSEWHERE, rank)
        return ELSEWHERE if is_lost else None

    def _replace(self, rank: int, leaving: int, expert: int, source: int) -> None:
        """A replica for another one, in a slot that is the new one's if there is one."""
        self.leaving[rank] -= Counter([leaving])
        self.arriving[rank] -= Counter([expert])
        self.replicas[leaving] -= 1
        self.replicas[expert] += 1
        self.loads.replace(rank, leaving, expert)
        row, end = self.slots[rank], self.after[rank]
        free = [slot for slot, held in enumerate(row) if held == leaving]
        row[min(free, key=lambda slot: end[slot] != expert)] = expert
        self.held[rank].add(expert)
        if source != rank:
            self.traffic.note(source, rank)
            self.senders.note(source, rank)
            self.items.append((source, rank, expert))

    def add_circle(self) -> bool:
        """Last replicas that go round in a circle of ranks; whether there is one."""
        ways = {rank: list(self._ways(rank)) for rank in self.ranks}
        for start in self.ranks:
            circle = _circle(start, ways)
            if circle:
                self._go_round(circle)
                return True
        return False

    def _ways(self, rank: int) -> Iterator[Way]:
        """Last replicas that the rank has to give up, and where each may arrive."""
        for expert in sorted(self.leaving[rank]):
            is_last = self.replicas[expert] == 1 and self.holders[expert] == [rank]
            if expert == EMPTY or not is_last:
                continue
            for target in self.ranks:
                is_due = self.arriving[target][expert] > 0
                if is_due and self.traffic.has_room(rank, target):
                    yield Way(rank, target, expert)

    def _go_round(self, circle: list[Way]) -> None:
        """Each rank gives up what it sends on for what it receives."""
        given_up = [*circle[1:], circle[0]]
        for way, then in zip(circle, given_up, strict=True):
            self._replace(way.target, then.expert, way.expert, way.source)

    def batch(self) -> Batch:
        """The batch; if nothing is left to arrive, replicas take their places."""
        is_last = not any(self.arriving)
        slots = np.array(self.after if is_last else self.slots, dtype=np.int64)
        return Batch(transfers_of(self.items), slots)


class Way(NamedTuple):
    """The last replica of an expert, from the rank that gives it up to one that has to receive it."""

    source: int
    target: int
    expert: int


def _holders(held: list[set[int]]) -> dict[int, list[int]]:
    """The ranks that hold each expert."""
    holders: dict[int, list[int]] = {}
    for rank, experts in enumerate(held):
        for expert in experts:
            holders.setdefault(expert, []).append(rank)
    return holders


def _circle(start: int, ways: dict[int, list[Way]]) -> list[Way]:
    """The shortest way from a rank round to itself that passes no other rank twice; empty if there is none."""
    came_by: dict[int, Way] = {}
    due = deque([start])
    while due:
        for way in ways[due.popleft()]:
            if way.target in came_by:
                continue
            came_by[way.target] = way
            if way.target == start:
                return _back(start, came_by)
            due.append(way.target)
    return []


def _back(start: int, came_by: dict[int, Way]) -> list[Way]:
    """The ways that lead round to the start, in order."""
    circle = [came_by[start]]
    while circle[0].source != start:
        circle.insert(0, came_by[circle[0].source])
    return circle
