"""Pool: the one subproblem that every bound, heuristic and exact method works on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

import numpy as np

from ..errors import InstanceError
from .arrays import Floats as Floats
from .arrays import Ints as Ints
from .cost import Cost
from .ranks import EMPTY, Ranks
from .value import rank_times
from .windows import Windows

NOT_DISTINCT = "leave one of both out"


@dataclass(frozen=True, eq=False)
class Pool:
    """Experts to be replicated and packed on ranks (see ``models/README.md``, section 1).

    Choose counts ``c_e >= 1`` with ``sum c_e = slots``; put the replicas, each of load ``loads[e] / c_e``, on the
    ranks, ``slots / ranks`` to each; minimise the heaviest rank, or what windows make of the ranks. With a cost
    a replica's size is not its load, but what this takes.

    Parameters
    ----------
    loads : array [experts], float64
        Finite loads >= 0 in routed tokens.
    slots, ranks : int
        Slots in all, and ranks; ``slots`` is a multiple of ``ranks`` and at least the number of experts.
    distinct : bool
        Forbid two replicas of one expert on one rank.
    windows : Windows, optional
        What the objective looks at, if it is not the loads alone: these are the windows' mix then, and its heaviest
        rank is at most the objective (``models/README.md``, W1).
    cost : Cost, optional
        Of a replica with so many tokens: the heaviest rank is then the slowest one. With windows, the objective is that
        of their rank times, and the loads are of no use but for heuristics.
    unequal : Ranks, optional
        Speeds and slots of the ranks, if these are not identical: the heaviest rank is then the one that takes longest.

    Raises
    ------
    InstanceError
        The numbers do not fit together.
    """

    loads: Floats
    slots: int
    ranks: int
    distinct: bool = False
    windows: Windows | None = None
    cost: Cost | None = None
    unequal: Ranks | None = None

    def __post_init__(self) -> None:
        loads = np.array(self.loads, dtype=np.float64)
        loads.setflags(write=False)
        object.__setattr__(self, "loads", loads)
        if loads.ndim != 1 or loads.size == 0:
            raise InstanceError(
                f"a pool's loads have shape {loads.shape}: give a vector [experts]"
            )
        if not (np.isfinite(loads).all() and (loads >= 0).all()):
            raise InstanceError("a pool's loads must be finite and >= 0")
        if self.unequal is not None:
            self._check_unequal(self.unequal)
        elif self.ranks < 1 or self.slots % self.ranks:
            raise InstanceError(
                f"{self.slots} slots on {self.ranks} ranks: slots must be a multiple of ranks"
            )
        if self.slots < loads.size:
            raise InstanceError(
                f"{self.slots} slots for {loads.size} experts: every expert needs one"
            )
        if self.distinct and self.slots > loads.size * self.ranks:
            raise InstanceError(
                f"{self.slots} slots, but {loads.size} experts on {self.ranks} ranks fill at most "
                f"{loads.size * self.ranks} with distinct=True: use fewer replicas"
            )

    def _check_unequal(self, unequal: Ranks) -> None:
        given = (len(unequal.slots), sum(unequal.slots))
        if given != (self.ranks, self.slots):
            raise InstanceError(
                f"unequal ranks: {given[0]} of {given[1]} slots for {self.ranks} of {self.slots}"
            )
        if self.distinct:
            raise InstanceError(f"distinct=True with unequal ranks: {NOT_DISTINCT}")

    def __repr__(self) -> str:
        """The loads' shape instead of the loads."""
        distinct = ", distinct=True" if self.distinct else ""
        return f"Pool(loads={list(self.loads.shape)}, slots={self.slots}, ranks={self.ranks}{distinct})"

    @property
    def is_plain(self) -> bool:
        """Whether the loads alone decide."""
        return self.windows is None and self.cost is None and self.unequal is None

    @cached_property
    def mix(self) -> Pool:
        """The pool of the same loads alone: without a cost, what bounds it bounds this one."""
        is_alone = self.windows is None and self.cost is None
        return self if is_alone else replace(self, windows=None, cost=None)

    @cached_property
    def sizes(self) -> Floats:
        """What a replica of an expert with 1, 2, .. of them adds to its rank, [experts, counts]; never rising in these.

        Its load, or with a cost what that takes and its share of ``per_rank``, which each of a rank's slots brings;
        unequal ranks take that besides (`on_each_rank`).
        """
        counts = np.arange(1, self.max_count + 1)
        loads = self.loads[:, None] / counts
        if self.cost is None:
            return np.asarray(loads)
        sizes = self.cost(loads)
        if self.unequal is None:
            sizes = sizes + self.cost.per_rank / self.slots_per_rank
        # Division and our curves are monotone in floats, too; one of somebody else's need not be.
        return np.asarray(np.minimum.accumulate(sizes, axis=1))

    @property
    def on_each_rank(self) -> float:
        """What every rank takes besides the sizes of its replicas, in work: nothing where these have their share."""
        return 0.0 if self.unequal is None or self.cost is None else self.cost.per_rank

    @property
    def num_experts(self) -> int:
        """Experts of the pool."""
        return int(self.loads.size)

    @property
    def slots_per_rank(self) -> int:
        """Slots on each rank, of unequal ones the most."""
        if self.unequal is not None:
            return self.unequal.most_slots
        return self.slots // self.ranks

    @property
    def max_count(self) -> int:
        """The most replicas that one expert can have."""
        most = self.slots - self.num_experts + 1
        return min(most, self.ranks) if self.distinct else most

    @cached_property
    def total(self) -> Fraction:
        """The pool's load, exactly."""
        ratios = [float(w).as_integer_ratio() for w in self.loads]
        # Denominators of floats are powers of two.
        denominator = max(d for _, d in ratios)
        return Fraction(sum(n * (denominator // d) for n, d in ratios), denominator)

    @property
    def mean(self) -> float:
        """Mean rank load, over speeds where ranks are unequal: the same for every packing."""
        if self.unequal is not None:
            return float(self.total / sum(self.unequal.exact_speeds))
        return float(self.total / self.ranks)


def without_repeats(pool: Pool) -> Pool | None:
    """The pool with distinct experts on every rank; None if it has them, or if that cannot be."""
    if pool.distinct or pool.unequal is not None:
        return None
    if pool.slots > pool.num_experts * pool.ranks:
        return None
    return replace(pool, distinct=True)


@dataclass(frozen=True, eq=False)
class Packing:
    """A solution of a pool.

    Parameters
    ----------
    experts : array [ranks, slots per rank], int64
        The pool's expert in every slot; -1 where an unequal rank has fewer.
    """

    experts: Ints

    def __repr__(self) -> str:
        """The packing's shape instead of the packing."""
        return f"Packing(experts={list(np.shape(self.experts))})"

    @property
    def in_order(self) -> Ints:
        """The expert in every slot, rank after rank, [slots]."""
        return np.asarray(self.experts[self.experts != EMPTY])

    def counts(self, pool: Pool) -> Ints:
        """Replicas of each expert, [experts]."""
        return np.bincount(self.in_order, minlength=pool.num_experts).astype(np.int64)

    def rank_loads(self, pool: Pool) -> Floats:
        """Load of each rank, or with a cost its time, [ranks]."""
        return np.asarray(self._times(pool, pool.loads[None])[0])

    def objective(self, pool: Pool) -> float:
        """Load, or time, of the heaviest rank, or what the pool's windows make of it."""
        if pool.windows is None:
            return float(self.rank_loads(pool).max())
        return pool.windows.value(self.window_times(pool))

    def window_times(self, pool: Pool) -> Floats:
        """Load, or time, of each rank in each window, [windows, ranks]; without windows, the loads are the only one."""
        loads = pool.loads[None] if pool.windows is None else pool.windows.loads
        return self._times(pool, loads)

    def _times(self, pool: Pool, loads: Floats) -> Floats:
        placed = self.experts[None]
        times = rank_times(loads[None], placed, pool.cost, pool.unequal)
        return np.asarray(times[0], dtype=np.float64)

    def violations(self, pool: Pool) -> list[str]:
        """What makes this packing no solution of the pool; empty if it is one."""
        shape = (pool.ranks, pool.slots_per_rank)
        if self.experts.shape != shape:
            return [f"shape {self.experts.shape} instead of {shape}"]
        held = self.experts
        if pool.unequal is not None:
            if not np.array_equal(held != EMPTY, pool.unequal.is_slot):
                return ["other slots than the ranks have"]
            held = self.in_order
        if held.min() < 0 or held.max() >= pool.num_experts:
            return [f"an expert outside 0..{pool.num_experts - 1}"]
        missing = np.flatnonzero(self.counts(pool) == 0)
        faults = [f"expert {expert} has no replica" for expert in missing]
        if pool.distinct:
            rows = np.sort(self.experts, axis=1)
            twice = (rows[:, 1:] == rows[:, :-1]).any(axis=1)
            faults += [
                f"rank {rank} holds an expert twice" for rank in np.flatnonzero(twice)
            ]
        return faults
