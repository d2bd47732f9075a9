"""Small pools, proven by running through all counts and packing each (proofs: ``models/README.md``, X6-X9)."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from ..bounds.mean import floor_float, trivial_bound
from ..errors import SolverError
from ..limits import Limits
from ..outcome import PoolOutcome, StopReason, relative_gap
from ..pool import Floats, Ints, Packing, Pool
from .enumeration_kernel import DONE, FOUND, FULL, STATE_SIZE, advance, suffix_minima
from .packer import EXHAUSTED, PACKED, pack, pack_distinct

METHOD = "count enumeration"
SCALE_BITS = 46  # the limit has this many bits; loads are rounded down to integers
TICKS_PER_WORK = 2_000_000  # count prefixes and packer nodes for a unit of Limits.work
CHUNK = 400_000  # ticks between two looks at the clock
FIRST_NODES, MORE_NODES = 5_000, 40  # packer nodes for a count vector at first; growth for those left open
MOST_OPEN = 10_000


def solve_enumeration(
    pool: Pool, upper: Packing, limits: Limits, potentials: Sequence[Floats] | None = None
) -> PoolOutcome:
    """The best packing of a small pool, proven by enumeration of its count vectors.

    Parameters
    ----------
    upper : Packing
        A solution to start from; the better it is, the faster the proof. The outcome's packing is never worse.
    limits : Limits
        ``gap``: what to prove; ``seconds``; ``work``: 2 million count prefixes or packer nodes a unit.
    potentials : sequence of arrays [experts, K + 1], float64, optional
        Tables t with ``sum_e t[e, c_e] <= 0`` for the counts of every packing within ``objective(upper) / (1 + gap)``
        (aggregate cuts and their nonnegative combinations); counts above K are taken to be impossible if K is less
        than ``pool.max_count``.

    Returns
    -------
    PoolOutcome
        Stop GAP: ``lower_bound`` is the proven bound. Otherwise the enumeration did not end and ``lower_bound`` is
        the mean or the largest replica.
    """
    return _Enumeration(pool, upper, limits).run(potentials or [])


@dataclass
class _Tables:
    """What the compiled loop reads; positions are the experts sorted by load, heaviest first.

    Parameters
    ----------
    order : array [experts], int64
        Expert of each position.
    items : array [experts, K + 1], int64
        Load of a replica, rounded down, in units of ``1 / scale``; K is the pool's ``max_count``.
    choices : array [experts, K], int64
        Counts, those near the start's first.
    same : array [experts], bool
        The load equals that of the position before.
    potentials : array [tables, experts, K + 1], float64
        Table 0 is all zero: it only counts slots.
    """

    order: Ints
    items: Ints
    choices: Ints
    same: npt.NDArray[np.bool_]
    potentials: Floats
    scale: Fraction


class _Enumeration:
    """The state of one run: tables, place in the tree, incumbent and budgets."""

    def __init__(self, pool: Pool, upper: Packing, limits: Limits) -> None:
        self.pool, self.best = pool, upper
        self.upper = upper.objective(pool)
        self.deadline = math.inf if limits.seconds is None else time.monotonic() + limits.seconds
        self.ticks = math.inf if limits.work is None else limits.work * TICKS_PER_WORK
        finest = pool.slots_per_rank * 2.0 ** (3 - SCALE_BITS)
        self.shrink = Fraction(max(limits.gap * (1 - 1e-6), finest))
        self.gap = max(limits.gap, 2 * finest)

    def run(self, potentials: Sequence[Floats]) -> PoolOutcome:
        """Enumerate, unless the start is good enough already."""
        lower, bound_method = trivial_bound(self.pool)
        stop: StopReason | None = None
        if relative_gap(self.upper, lower) > self.gap:
            self._prepare(potentials)
            stop = self._enumerate()
            if stop is None and self._proven() > lower:
                lower, bound_method = self._proven(), METHOD
        return PoolOutcome(self.best, lower, stop or StopReason.GAP, METHOD, bound_method)

    def _prepare(self, potentials: Sequence[Floats]) -> None:
        pool = self.pool
        self.tables = _tables(pool, self.best, self.upper, potentials)
        experts, slots = pool.num_experts, pool.slots
        self.place = (
            np.zeros(STATE_SIZE, np.int64), np.zeros(experts, np.int64), np.ones(experts, np.int64),
            np.full(experts + 1, slots), np.zeros((experts + 1, len(self.tables.potentials))),
            np.zeros((experts, experts), np.int64), np.zeros((MOST_OPEN, experts), np.int64),
        )  # fmt: skip
        self.replicas = (np.zeros(slots, np.int64), np.zeros(slots, np.int64), np.zeros(slots, np.int64))
        self._lower_limit()

    def _lower_limit(self) -> None:
        """Set the limit, in the unit of the items, that is to be proven impossible."""
        tables = self.tables
        self.limit = math.floor(Fraction(self.upper) / (1 + self.shrink) * tables.scale)
        self.least = suffix_minima(tables.potentials, tables.items, self.pool.slots, self.limit)

    def _proven(self) -> float:
        """What it means that the limit is impossible."""
        return floor_float(Fraction(self.upper) / (1 + self.shrink))

    def _enumerate(self) -> StopReason | None:
        """Run through all count vectors; a reason if a limit stopped it."""
        pool, tables = self.pool, self.tables
        shape = (pool.ranks, pool.slots_per_rank, pool.distinct)
        while True:
            code, spent = advance(
                tables.items, tables.choices, tables.same, tables.potentials, self.least, shape, self.limit,
                CHUNK, FIRST_NODES, *self.place, *self.replicas,
            )  # fmt: skip
            self.ticks -= spent
            if code == FOUND:
                self._accept()
            if code in (DONE, FULL) and (stop := self._settle_open()) is not None:
                return stop
            if code == DONE:
                return None
            if (stop := self._stop()) is not None:
                return stop

    def _settle_open(self) -> StopReason | None:
        """Decide the count vectors that the packer left open, with more and more nodes."""
        state, pending = self.place[0], self.place[6]
        open_counts, state[1] = pending[: state[1]].copy(), 0
        nodes = FIRST_NODES
        while len(open_counts):
            nodes *= MORE_NODES
            still = []
            for counts in open_counts:
                while (found := self._pack(counts, nodes)) == PACKED:
                    self._accept()
                if found == EXHAUSTED:
                    still.append(counts)
                if (stop := self._stop()) is not None:
                    return stop
            open_counts = np.array(still)
        return None

    def _pack(self, counts: Ints, nodes: int) -> int:
        """Pack the replicas of one count vector, [experts] by position."""
        loads, owner, out = self.replicas
        items = self.tables.items[np.arange(counts.size), counts]
        order = np.argsort(-items, kind="stable")
        loads[:], owner[:] = np.repeat(items[order], counts[order]), np.repeat(order, counts[order])
        nodes = int(min(nodes, self.ticks + 1))
        self.ticks -= nodes
        if self.pool.distinct:
            return int(pack_distinct(loads, owner, self.pool.ranks, self.pool.slots_per_rank, self.limit, nodes, out))
        return int(pack(loads, self.pool.ranks, self.pool.slots_per_rank, self.limit, nodes, out))

    def _accept(self) -> None:
        """Take the packing just found; the limit falls below it."""
        _, owner, rank = self.replicas
        experts = self.tables.order[owner][np.argsort(rank, kind="stable")]
        packing = Packing(experts.reshape(self.pool.ranks, -1))
        value = packing.objective(self.pool)
        if value >= self.upper:
            raise SolverError(f"the packer returned {value!r} for a limit below {self.upper!r}")
        self.best, self.upper = packing, value
        self._lower_limit()

    def _stop(self) -> StopReason | None:
        if time.monotonic() >= self.deadline:
            return StopReason.TIME
        return StopReason.WORK if self.ticks <= 0 else None


def _tables(pool: Pool, start: Packing, upper: float, potentials: Sequence[Floats]) -> _Tables:
    """Integer tables; see ``_Tables``. The scale is a power of two, so that loads are exact before rounding."""
    scale = Fraction(2) ** (SCALE_BITS - math.frexp(upper)[1])
    order = np.argsort(-pool.loads, kind="stable")
    exact = [Fraction(float(w)) * scale for w in pool.loads[order]]
    most = pool.max_count
    items = np.full((pool.num_experts, most + 1), np.iinfo(np.int64).max)
    for position, load in enumerate(exact):
        items[position, 1:] = [load.numerator // (load.denominator * k) for k in range(1, most + 1)]
    counts = np.arange(1, most + 1)
    near = np.argsort(np.abs(counts[None, :] - start.counts(pool)[order][:, None]), axis=1, kind="stable")
    same = np.append(False, np.diff(pool.loads[order]) == 0)
    tables = np.zeros((1 + len(potentials), pool.num_experts, most + 1))
    for table, given in zip(tables[1:], potentials, strict=True):
        width = min(given.shape[1], most + 1)
        table[:, width:] = np.inf
        largest = float(np.abs(given[:, 1:][np.isfinite(given[:, 1:])]).max(initial=0))
        table[:, :width] = given[order, :width] / max(largest, 1e-300)
    return _Tables(order, items, counts[near], same, tables, scale)
