"""How many moves a target takes at least, without a solver (``models/README.md``, M1 to M6)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate

import numpy as np

from ..errors import InstanceError, OptionError, shown
from ..problem.pool import Ints, Pool
from .held import Bools


def fewest_moves_bound(pool: Pool, held: Bools, target: float) -> int:
    """A proven lower bound of the moves of every packing whose heaviest rank is within a target.

    Parameters
    ----------
    pool : Pool
        With windows it is their mix that is within the target.
    held : array [ranks, experts], bool
        Which experts each rank holds of the map in use.
    target : float
        Load of the heaviest rank, in the unit of the loads; infinite: any packing will do.

    Returns
    -------
    int
        More than the pool has slots: no packing is within the target.

    Raises
    ------
    InstanceError
        ``held`` is of another pool.
    OptionError
        The target is no number.

    Examples
    --------
    >>> pool = Pool(np.array([8.0, 3.0, 1.0]), slots=4, ranks=2)
    >>> held = np.array([[True, True, False], [False, False, True]])
    >>> [fewest_moves_bound(pool, held, target) for target in (11.0, 9.0, 5.0)]
    [0, 1, 5]
    """
    check_held(pool, held)
    if math.isnan(target):
        raise OptionError(f"target={shown(target)}: give the load of a rank")
    facts = _facts(pool, held, target)
    nowhere = pool.slots + 1
    if facts is None:
        return nowhere
    arriving = [_arrivals(facts, rank) for rank in range(pool.ranks)]
    regions = [_one_rank(facts, rank, arriving[rank]) for rank in range(pool.ranks)]
    # (M6)
    on_one_rank = max(
        new + region.moves for new, region in zip(arriving, regions, strict=True)
    )
    by_expert = _all_departures(facts, regions)
    by_rank = _all_arrivals(facts, arriving)
    return min(max(by_expert, by_rank, on_one_rank), nowhere)


def check_held(pool: Pool, held: Bools) -> None:
    """Whether the experts that ranks hold are of a pool.

    Parameters
    ----------
    pool : Pool
    held : array [ranks, experts], bool

    Raises
    ------
    InstanceError
        They are of another one.
    """
    expected = (pool.ranks, pool.num_experts)
    if held.shape != expected or held.dtype != np.bool_:
        raise InstanceError(
            f"the experts that ranks hold are {held.dtype} of shape {held.shape}: "
            f"give bool of shape {expected}"
        )


@dataclass(frozen=True, eq=False)
class _Facts:
    """A pool, what its ranks hold, and a target, in an integer unit in which nothing is rounded.

    Attributes
    ----------
    loads : list of int
        Of the experts.
    target : int
        Not more than all loads.
    least : list of int
        The fewest replicas of each expert (M1).
    piece : list of int
        What a replica of each expert carries at most (M1).
    largest_first : list of int
        Experts by their pieces.
    holders : array [experts], int64
        Ranks that hold each expert.
    """

    pool: Pool
    held: Bools
    loads: list[int]
    target: int
    least: list[int]
    piece: list[int]
    largest_first: list[int]
    holders: Ints

    @property
    def slack(self) -> int:
        """What all ranks together leave unused."""
        return self.pool.ranks * self.target - sum(self.loads)

    def pieces(self, experts: Bools, on_one_rank: bool = False) -> list[int]:
        """The pieces of some experts, largest first; with ``distinct`` a rank has one of an expert at most."""
        once = on_one_rank and self.pool.distinct
        found: list[int] = []
        for e in self.largest_first:
            if experts[e]:
                found += [self.piece[e]] * (1 if once else self.least[e])
        return found


def _facts(pool: Pool, held: Bools, target: float) -> _Facts | None:
    """What the bound needs; None: counts or the mean alone exclude the target."""
    limit = pool.total if math.isinf(target) else min(Fraction(target), pool.total)
    if limit * pool.ranks < pool.total:
        return None
    loads = [Fraction(load) for load in pool.loads.tolist()]
    least = [math.ceil(load / limit) if load else 1 for load in loads]
    if max(least) > pool.max_count or sum(least) > pool.slots:
        return None
    unit = _common_unit([limit, *loads], least)
    whole = [int(load * unit) for load in loads]
    piece = [load // count for load, count in zip(whole, least, strict=True)]
    return _Facts(
        pool,
        held,
        loads=whole,
        target=int(limit * unit),
        least=least,
        piece=piece,
        largest_first=sorted(range(len(piece)), key=lambda e: -piece[e]),
        holders=held.sum(axis=0).astype(np.int64),
    )


def _common_unit(values: Iterable[Fraction], counts: Iterable[int]) -> int:
    """So many units to a load of 1 that all values are whole, and their shares among any of the counts."""
    of_values = math.lcm(*(value.denominator for value in values))
    return of_values * math.lcm(*counts)


def _sum_of(values: Sequence[int], experts: Bools) -> int:
    """Of some experts' values."""
    return sum(values[e] for e in np.flatnonzero(experts).tolist())


def _fewest(pieces: Iterable[int], load: int) -> int:
    """How many pieces, the first ones, carry a load; 0 if there is none."""
    taken = 0
    for piece in pieces:
        if load <= 0:
            break
        load -= piece
        taken += 1
    return taken


def _arrivals(facts: _Facts, rank: int) -> int:
    """The fewest new replicas on a rank (M4); more than its slots: none are enough."""
    slots = facts.pool.slots_per_rank
    held = facts.held[rank]
    kept = _best_loads(facts, held, slots)
    new = _best_loads(facts, ~held, slots)
    needed = facts.target - facts.slack
    for arriving in range(slots - _most_kept(facts, held), slots + 1):
        if new[arriving] + kept[slots - arriving] >= needed:
            return arriving
    return slots + 1


def _most_kept(facts: _Facts, held: Bools) -> int:
    """Slots that the experts of a rank can fill."""
    slots = facts.pool.slots_per_rank
    experts = int(held.sum())
    if facts.pool.distinct:
        return min(experts, slots)
    return slots if experts else 0


def _best_loads(facts: _Facts, experts: Bools, slots: int) -> list[int]:
    """The most that replicas of some experts in 0, 1 and so on to all slots of a rank can carry."""
    pieces = facts.pieces(experts, on_one_rank=True)[:slots]
    padded = pieces + [0] * (slots - len(pieces))
    return list(accumulate(padded, initial=0))


def _all_arrivals(facts: _Facts, arriving: Sequence[int]) -> int:
    """The fewest new replicas on all ranks: of disjoint groups of ranks each needs its own (M5)."""
    total = sum(arriving)
    loads = [_load_kept(facts, rank) for rank in range(facts.pool.ranks)]
    idle = [rank for rank, new in enumerate(arriving) if not new]
    group: list[int] = []
    for rank in sorted(idle, key=lambda rank: loads[rank]):
        group.append(rank)
        by_rank = sum(loads[r] for r in group)
        by_expert = _sum_of(facts.loads, np.asarray(facts.held[group].any(axis=0)))
        if min(by_rank, by_expert) < len(group) * facts.target - facts.slack:
            total += 1
            group = []
    return total


def _load_kept(facts: _Facts, rank: int) -> int:
    """The most that a rank can carry without new replicas."""
    slots = facts.pool.slots_per_rank
    return min(_best_loads(facts, facts.held[rank], slots)[slots], facts.target)


@dataclass(frozen=True, eq=False)
class _Region:
    """Some ranks, and the experts that nobody else holds.

    Attributes
    ----------
    ranks : int
    room : int
        Slots that new replicas leave.
    inside : array [experts], int64
        How many of these ranks hold each expert.
    excess : int
        By how much the experts that nobody else holds are more than these ranks may carry.
    moves : int
        The fewest moves of these experts.
    """

    ranks: int
    room: int
    inside: Ints
    excess: int
    moves: int


def _one_rank(facts: _Facts, rank: int, arriving: int) -> _Region:
    """A region of one rank."""
    room = facts.pool.slots_per_rank - arriving
    inside = facts.held[rank].astype(np.int64)
    return _region(facts, 1, room, inside, ())


def _merged(facts: _Facts, parts: Sequence[_Region]) -> _Region:
    """The region of several disjoint ones."""
    ranks = sum(part.ranks for part in parts)
    room = sum(part.room for part in parts)
    inside = np.sum([part.inside for part in parts], axis=0)
    return _region(facts, ranks, room, inside, parts)


def _region(
    facts: _Facts, ranks: int, room: int, inside: Ints, parts: Sequence[_Region]
) -> _Region:
    """A region with its moves: by what is too much for its slots and its ranks (M2), or by its parts (M3)."""
    own = (inside == facts.holders) & (facts.holders > 0)
    excess = _sum_of(facts.loads, own) - ranks * facts.target
    crowded = _sum_of(facts.least, own) - room
    heavy = _fewest(facts.pieces(own), excess)
    of_parts = own & False
    for part in parts:
        of_parts |= own & (part.inside == facts.holders)
    between = sum(
        max(facts.least[e] - int(facts.holders[e]), 0)
        for e in np.flatnonzero(own & ~of_parts)
    )
    by_parts = between + sum(part.moves for part in parts)
    return _Region(ranks, room, inside, excess, max(crowded, heavy, by_parts))


def _all_departures(facts: _Facts, regions: Sequence[_Region]) -> int:
    """The fewest moves of all experts: regions that share experts are merged, those with the most to lose first."""
    regions = list(regions)
    while (pair := _next_pair(facts, regions)) is not None:
        second = regions.pop(pair[1])
        regions[pair[0]] = _merged(facts, (regions[pair[0]], second))
    held_nowhere = _sum_of(facts.least, facts.holders == 0)
    return _merged(facts, regions).moves + held_nowhere


def _next_pair(facts: _Facts, regions: Sequence[_Region]) -> tuple[int, int] | None:
    """The two regions that have the largest excess together, of those that share an expert; None: none do."""
    touched = np.stack([region.inside > 0 for region in regions])
    shared: Counter[tuple[int, int]] = Counter()
    for e in np.flatnonzero(touched.sum(axis=0) == 2):
        first, second = np.flatnonzero(touched[:, e]).tolist()
        shared[first, second] += facts.loads[e]

    def excess(pair: tuple[int, int]) -> int:
        return shared[pair] + regions[pair[0]].excess + regions[pair[1]].excess

    return max(sorted(shared), key=excess, default=None)
