"""Sets, data and warm start of the assignment formulation (``models/README.md``, section 3), for every solver."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from ..certificates.mean import trivial_bound
from ..errors import SolverError
from ..problem.pool import Ints, Packing, Pool
from ..problem.ranks import EMPTY
from .sizes import Sizes, allowed_by_size, window_sizes, work_besides
from .symmetry import canonical_packing, kinds, neighbours, rank_kinds

# The incumbent's objective is a rounded sum; this much above it is safely an upper bound.
UPPER_MARGIN = 1e-9
CAPS_ROUNDING = 1e-12  # of the caps of a mean, which sum to one
OUT_OF_TIME = "time ran out while building the model"


@dataclass(frozen=True, eq=False)
class Assignment:
    """The formulation's index sets and data.

    Attributes
    ----------
    counts : list of range
        ``K_e``: every count of expert e that a solution no worse than the incumbent can have.
    incumbent : Packing
        The warm start, relabelled so that it satisfies the symmetry breaking (S1) and (S2).
    lower, upper : float
        Proven bound (V1) and objective of the incumbent, in tokens.
    """

    pool: Pool
    counts: list[range]
    incumbent: Packing
    lower: float
    upper: float

    @classmethod
    def of(cls, pool: Pool, incumbent: Packing) -> Assignment:
        """Build from any valid packing.

        Parameters
        ----------
        pool : Pool
        incumbent : Packing
            Of the pool.

        Returns
        -------
        Assignment
        """
        alike = rank_kinds(pool)
        canonical = canonical_packing(pool, incumbent, kinds(pool), alike)
        upper = canonical.objective(pool)
        lower, _ = trivial_bound(pool)
        counts = allowed_counts(pool, upper * (1 + UPPER_MARGIN))
        return cls(pool, counts, canonical, lower, upper)

    @property
    def num_x(self) -> int:
        """Placement variables of the model: what its size is judged by."""
        columns = sum(len(counts) for counts in self.counts)
        return columns * self.pool.ranks

    @property
    def ranks(self) -> range:
        """All ranks."""
        return range(self.pool.ranks)

    def most(self, count: int) -> int:
        """Most replicas of an expert with this count on one rank."""
        return 1 if self.pool.distinct else min(count, self.pool.slots_per_rank)

    def expert_counts(self) -> Iterator[tuple[int, int]]:
        """All (expert, count)."""
        for e, counts in enumerate(self.counts):
            for k in counts:
                yield e, k

    def equal_loads(self) -> Iterator[tuple[int, int]]:
        """Neighbouring experts of equal load in every window, for (S2)."""
        return neighbours(self.expert_kinds)

    def alike_ranks(self) -> Iterator[tuple[int, int]]:
        """Neighbouring ranks of those that may be exchanged, for (S1)."""
        return neighbours(self.rank_kinds)

    @cached_property
    def expert_kinds(self) -> Ints:
        """A number for each expert, the same for those that may be exchanged, [experts]."""
        return kinds(self.pool)

    @cached_property
    def rank_kinds(self) -> Ints:
        """A number for each rank, the same for those that may be exchanged, [ranks]."""
        return rank_kinds(self.pool)

    @cached_property
    def slots(self) -> list[int]:
        """Of each rank."""
        if self.pool.unequal is not None:
            return list(self.pool.unequal.slots)
        return [self.pool.slots_per_rank] * self.pool.ranks

    @cached_property
    def speeds(self) -> list[float]:
        """What (C4) divides by on each rank; of a rank without slots, which is no rank, it is 1."""
        if self.pool.unequal is None:
            return [1.0] * self.pool.ranks
        pairs = zip(self.pool.unequal.speeds, self.slots, strict=True)
        return [speed if slots else 1.0 for speed, slots in pairs]

    @property
    def total_speed(self) -> float:
        """Of the ranks with slots: what a window's mean rank time is over."""
        unequal = self.pool.unequal
        return self.pool.ranks if unequal is None else unequal.total_speed

    @property
    def fastest(self) -> float:
        """The largest speed of a rank with slots."""
        return 1.0 if self.pool.unequal is None else self.pool.unequal.fastest

    @property
    def most_imbalance(self) -> float:
        """What the slowest rank may take over the mean at most: all work on the slowest one."""
        unequal = self.pool.unequal
        return self.total_speed / (1.0 if unequal is None else unequal.slowest)

    @cached_property
    def besides(self) -> list[float]:
        """What every rank with slots takes besides, in each window, in the unit of `window_sizes`."""
        return work_besides(self.pool, self.incumbent)

    @property
    def caps(self) -> list[float]:
        """What each window that is not silent may weigh in the objective; none of a plain pool."""
        windows = self.pool.windows
        return [] if windows is None else windows.caps[windows.shares > 0].tolist()

    @property
    def divides(self) -> bool:
        """Whether rank times are over their mean, which depends on the counts (K4)."""
        return self.pool.cost is not None and self.pool.windows is not None

    @property
    def window_loads(self) -> list[list[float]]:
        """The loads of these windows, or of a pool without windows its own."""
        windows = self.pool.windows
        if windows is None:
            return [self.pool.loads.tolist()]
        loads: list[list[float]] = windows.loads[windows.shares > 0].tolist()
        return loads

    @cached_property
    def window_sizes(self) -> list[Sizes]:
        """What a replica of each (expert, count) adds to its rank in these windows: what (C4) and (V2) are about."""
        return window_sizes(self.pool, self.expert_counts(), self.incumbent)

    @property
    def typical(self) -> float:
        """What a rank carries, about: the unit of numbers in models; 0 where nothing is carried."""
        if self.pool.cost is None:
            return self.pool.mean
        return 1.0 if self.divides else self.upper

    @property
    def caps_bind(self) -> bool:
        """Whether the caps sum to one, so that the weights are the caps."""
        return sum(self.caps) <= 1 + CAPS_ROUNDING

    def hint_least(self) -> float:
        """Warm start of eta in (C6): the heaviest rank of one of the windows, for which the objective is least."""
        heaviest = self.hint_heaviest()

        def objective(least: float) -> float:
            above = [max(load - least, 0.0) for load in heaviest]
            return least + float(np.dot(self.caps, above))

        return min(heaviest, key=objective)

    def hint_heaviest(self) -> list[float]:
        """Warm start of the heaviest rank in each of them."""
        times = self.incumbent.window_times(self.pool)
        windows = self.pool.windows
        if windows is None:
            return [float(times.max())]
        heaviest: list[float] = windows.imbalance(times)[windows.shares > 0].tolist()
        return heaviest

    @cached_property
    def by_load(self) -> list[int]:
        """Experts, heaviest first: the order of (S1)."""
        return [int(e) for e in np.argsort(-self.pool.loads, kind="stable")]

    def conflicts(
        self,
    ) -> Iterator[tuple[list[tuple[int, int]], list[tuple[int, int]]]]:
        """For (V4): pairs (e, k) whose replica has size >= v > limit / 2, and those with limit - v < load < v.

        One yield for every v that gives other sets; limit is the incumbent's objective (and the safe margin).
        """
        if self.divides or self.pool.unequal is not None:
            return
        limit = self.upper * (1 + UPPER_MARGIN)
        sizes = self.pool.sizes.tolist()
        loads = {(e, k): sizes[e][k - 1] for e, k in self.expert_counts()}
        above_half = {load for load in loads.values() if 2 * load > limit}
        seen = set()
        for v in sorted(above_half):
            heavy = [pair for pair, load in loads.items() if load >= v]
            middle = [pair for pair, load in loads.items() if limit - v < load < v]
            sizes = (len(heavy), len(middle))
            if sizes not in seen:
                seen.add(sizes)
                yield heavy, middle

    def hint_y(self, e: int, k: int) -> int:
        """Warm start of ``y[e, k]``."""
        counts = self.incumbent.counts(self.pool)
        return int(counts[e] == k)

    def hint_x(self) -> dict[tuple[int, int, int], int]:
        """Nonzero warm start of ``x[e, k, r]``."""
        counts = self.incumbent.counts(self.pool).tolist()
        held = self.incumbent_ranks
        placed = ((e, counts[e], r) for r in self.ranks for e in held[r])
        return dict(Counter(placed))

    @property
    def incumbent_ranks(self) -> list[list[int]]:
        """The experts on each rank of the warm start, one a slot."""
        rows = self.incumbent.experts.tolist()
        return [row[:slots] for row, slots in zip(rows, self.slots, strict=True)]

    def packing(self, x: Mapping[tuple[int, int, int], int]) -> Packing:
        """The packing that values of ``x`` describe.

        Parameters
        ----------
        x : mapping from (expert, count, rank) to int
            Copies of the expert on the rank; what is left out is zero.

        Returns
        -------
        Packing
            Valid.

        Raises
        ------
        SolverError
            The values violate the model that the solver was given.
        """
        ranks: list[list[int]] = [[] for _ in range(self.pool.ranks)]
        for (e, _, r), copies in x.items():
            ranks[r] += [e] * copies
        if [len(held) for held in ranks] != self.slots:
            raise SolverError(
                "the solver's solution does not fill every rank: its map is discarded"
            )
        most = self.pool.slots_per_rank
        filled = [held + [EMPTY] * (most - len(held)) for held in ranks]
        packing = Packing(np.array(filled, dtype=np.int64))
        faults = packing.violations(self.pool)
        if faults:
            raise SolverError(
                f"the solver's solution is not valid ({faults[0]}): its map is discarded"
            )
        return packing


def allowed_counts(pool: Pool, upper: float) -> list[range]:
    """Every count that each expert can have in a solution no worse than a load (models/README.md, V3).

    Parameters
    ----------
    pool : Pool
    upper : float
        Load of the heaviest rank, in routed tokens.

    Returns
    -------
    list of range
        One an expert.
    """
    if pool.cost is not None or pool.unequal is not None:
        return allowed_by_size(pool, upper)
    most = pool.max_count
    if upper <= 0:
        return [range(1, most + 1)] * pool.num_experts
    limit = Fraction(upper)
    needed = [math.ceil(Fraction(load) / limit) for load in pool.loads.tolist()]
    least = [min(max(1, count), most) for count in needed]
    spare = max(pool.slots - sum(least), 0)
    return [range(count, min(most, count + spare) + 1) for count in least]
