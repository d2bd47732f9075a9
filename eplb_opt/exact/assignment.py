"""Sets, data and warm start of the assignment formulation (``models/README.md``, section 3), for every solver."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from ..certificates.mean import trivial_bound
from ..errors import SolverError
from ..problem.pool import Packing, Pool

# The incumbent's objective is a rounded sum; this much above it is safely an upper bound.
UPPER_MARGIN = 1e-9


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
        """Build from any valid packing."""
        canonical = _canonical(pool, incumbent)
        upper = canonical.objective(pool)
        return cls(pool, allowed_counts(pool, upper * (1 + UPPER_MARGIN)), canonical, trivial_bound(pool)[0], upper)

    @property
    def num_x(self) -> int:
        """Placement variables of the model: what its size is judged by."""
        return sum(len(k) for k in self.counts) * self.pool.ranks

    def most(self, count: int) -> int:
        """Most replicas of an expert with this count on one rank."""
        return 1 if self.pool.distinct else min(count, self.pool.slots_per_rank)

    def expert_counts(self) -> Iterator[tuple[int, int]]:
        """All (expert, count)."""
        return ((e, k) for e, counts in enumerate(self.counts) for k in counts)

    def equal_loads(self) -> Iterator[tuple[int, int]]:
        """Neighbouring experts of equal load, for (S2)."""
        last: dict[float, int] = {}
        for e, load in enumerate(self.pool.loads.tolist()):
            if load in last:
                yield last[load], e
            last[load] = e

    @cached_property
    def by_load(self) -> list[int]:
        """Experts, heaviest first: the order of (S1)."""
        return [int(e) for e in np.argsort(-self.pool.loads, kind="stable")]

    def conflicts(self) -> Iterator[tuple[list[tuple[int, int]], list[tuple[int, int]]]]:
        """For (V4): pairs (e, k) whose replica has load >= v > limit / 2, and those with limit - v < load < v.

        One yield for every v that gives other sets; limit is the incumbent's objective (and the safe margin).
        """
        limit = self.upper * (1 + UPPER_MARGIN)
        load = {(e, k): float(self.pool.loads[e]) / k for e, k in self.expert_counts()}
        seen = set()
        for v in sorted({value for value in load.values() if 2 * value > limit}):
            heavy = [pair for pair, value in load.items() if value >= v]
            middle = [pair for pair, value in load.items() if limit - v < value < v]
            if (len(heavy), len(middle)) not in seen:
                seen.add((len(heavy), len(middle)))
                yield heavy, middle

    def hint_y(self, e: int, k: int) -> int:
        """Warm start of ``y[e, k]``."""
        return int(self.incumbent.counts(self.pool)[e] == k)

    def hint_x(self) -> dict[tuple[int, int, int], int]:
        """Nonzero warm start of ``x[e, k, r]``."""
        counts = self.incumbent.counts(self.pool)
        found: dict[tuple[int, int, int], int] = {}
        for r, held in enumerate(self.incumbent.experts.tolist()):
            for e in held:
                key = (e, int(counts[e]), r)
                found[key] = found.get(key, 0) + 1
        return found

    def packing(self, x: Mapping[tuple[int, int, int], int]) -> Packing:
        """The packing that values of ``x`` describe.

        Raises
        ------
        SolverError
            The values violate the model that the solver was given.
        """
        ranks: list[list[int]] = [[] for _ in range(self.pool.ranks)]
        for (e, _, r), copies in x.items():
            ranks[r] += [e] * copies
        if any(len(held) != self.pool.slots_per_rank for held in ranks):
            raise SolverError("the solver's solution does not fill every rank: its map is discarded")
        packing = Packing(np.array(ranks, dtype=np.int64))
        found = packing.violations(self.pool)
        if found:
            raise SolverError(f"the solver's solution is not valid ({found[0]}): its map is discarded")
        return packing


def allowed_counts(pool: Pool, upper: float) -> list[range]:
    """Every count that each expert can have in a solution with objective <= upper (models/README.md, V3)."""
    if upper <= 0:
        return [range(1, pool.max_count + 1)] * pool.num_experts
    limit = Fraction(upper)
    least = [min(max(1, math.ceil(Fraction(w) / limit)), pool.max_count) for w in pool.loads.tolist()]
    spare = pool.slots - sum(least)
    return [range(k, min(pool.max_count, k + max(spare, 0)) + 1) for k in least]


def _canonical(pool: Pool, packing: Packing) -> Packing:
    """Relabel equal experts by falling count (S2), then number the ranks by their heaviest expert (S1)."""
    counts = packing.counts(pool)
    label = np.arange(pool.num_experts)
    for load in np.unique(pool.loads):
        same = np.flatnonzero(pool.loads == load)
        label[same[np.argsort(-counts[same], kind="stable")]] = same
    relabelled = label[packing.experts]
    position = np.empty(pool.num_experts, dtype=np.int64)
    position[np.argsort(-pool.loads, kind="stable")] = np.arange(pool.num_experts)
    return Packing(relabelled[np.argsort(position[relabelled].min(axis=1), kind="stable")])
