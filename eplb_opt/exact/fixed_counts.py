"""One vector of counts: is there a packing within a target? Two methods take turns (``models/README.md``, X9)."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from ..budget import Budget
from ..certificates.rank_model import rounded_down, scale_of
from ..problem.pool import Floats, Ints, Packing, Pool
from .cover import decide
from .packer import IMPOSSIBLE, PACKED, pack, pack_distinct
from .targets import Verdict

FIRST = 2_000  # ticks of the packer's first turn, items placed
GROWTH = 50  # how the turns grow
TICKS_PER_SECOND = 5_000_000  # of the packer, roughly
COVER = 20  # patterns looked at for an item that the packer may place


def decide_fixed(pool: Pool, target: float, counts: Ints, budget: Budget) -> Verdict:
    """Find a packing with these counts [experts] within a target or prove that there is none.

    The packer is quick where ranks are far from full, the cover by rank patterns where they are nearly full.

    Parameters
    ----------
    budget : Budget
        Items placed and patterns looked at before giving up; it is not changed.
    """
    packer = _Packer(pool, target, counts)
    left = budget.scaled(1.0)
    turn = FIRST
    spent = 0.0
    while (stop := left.stop()) is None:
        verdict = decide(pool, target, left.at_most(turn * COVER), counts)
        spent += verdict.ticks
        left.spend(verdict.ticks)
        if verdict.packing is not None or verdict.impossible:
            return Verdict(verdict.packing, verdict.impossible, spent)
        turn *= GROWTH
        nodes = _nodes(turn, left)
        status = packer.pack(nodes)
        spent += nodes
        left.spend(nodes)
        if status == PACKED:
            return Verdict(packer.packing(), False, spent)
        if status == IMPOSSIBLE:
            return Verdict(None, True, spent)
    return Verdict(None, False, spent, stop)


def _nodes(turn: float, left: Budget) -> int:
    """Items that the packer may place in a turn: it looks at no clock, so it gets what there is time for."""
    soon = left.seconds() * TICKS_PER_SECOND
    return int(max(min(turn, left.work, soon), 0))


class _Packer:
    """The exact packer on the replicas of some counts [experts]."""

    def __init__(self, pool: Pool, target: float, counts: Ints) -> None:
        loads, self.limit = replica_loads(pool.loads, counts, target)
        heaviest_first = np.argsort(-loads, kind="stable")
        self.pool = pool
        self.expert = np.repeat(heaviest_first, counts[heaviest_first])
        self.items = loads[self.expert]
        self.rank = np.empty(pool.slots, np.int64)  # of each item, where it is packed

    def pack(self, nodes: int) -> int:
        """PACKED, IMPOSSIBLE or EXHAUSTED, within so many items placed."""
        ranks = self.pool.ranks
        slots = self.pool.slots_per_rank
        rest = (ranks, slots, self.limit, nodes, self.rank)
        if self.pool.distinct:
            return pack_distinct(self.items, self.expert, *rest)
        return pack(self.items, *rest)

    def packing(self) -> Packing:
        """What was packed."""
        by_rank = np.argsort(self.rank, kind="stable")
        return Packing(self.expert[by_rank].reshape(self.pool.ranks, -1))


def compile_kernels() -> None:
    """Compile (or load from the cache) what `decide_fixed` calls late."""
    items = np.zeros(2, np.int64)
    out = np.zeros(2, np.int64)
    pack(items, 1, 2, 0, 2, out)
    pack_distinct(items, np.arange(2), 1, 2, 0, 2, out)


def replica_loads(loads: Floats, counts: Ints, target: float) -> tuple[Ints, int]:
    """Loads of replicas in the packer's integers, rounded down (X7).

    Parameters
    ----------
    loads : array [experts], float64
    counts : array [experts] or [experts, choices], int64
    target : float
        Load of the heaviest rank, > 0, in the unit of the loads.

    Returns
    -------
    items : array like the counts, int64
        Load of one replica.
    limit : int
        Of a rank.
    """
    scale = scale_of(target)
    scaled = np.array([Fraction(float(load)) * scale for load in loads])
    a_replica_each = np.repeat(scaled, counts[0].size)
    items = rounded_down(a_replica_each, counts.ravel())
    limit = math.floor(Fraction(target) * scale)
    return items.reshape(counts.shape), limit
