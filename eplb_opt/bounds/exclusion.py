"""Prices that exclude counts: multipliers of L1's cuts, learned where counts fail (``models/README.md``, L1.8)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..budget import Budget
from ..certificates import cuts as certificate
from ..certificates.cuts import Array, CutCertificate
from ..errors import SolverError
from ..highs import go_on_without
from ..problem.pool import Ints, Pool
from .counts_model import NOISE, CountsModel
from .separation import Grid

BITS = 44  # of a count's price in the integers of `Prices`


@dataclass(frozen=True, eq=False)
class Prices:
    """What L1 says about counts at a target.

    Attributes
    ----------
    cost : array [prices, experts, range], int64
        Cost of count ``low + j`` of an expert under each price vector; beyond ``high``, a repetition of the first.
    most : array [prices], int64
        The costs of a packing's counts add up to at most this. The first prices are zero.
    """

    cost: Ints
    most: Ints


def learn_prices(
    pool: Pool,
    target: float,
    low: Ints,
    high: Ints,
    most: int,
    programs: int,
    budget: Budget | None = None,
) -> Prices:
    """Learn prices at a target from linear programs (L1.8).

    Parameters
    ----------
    pool : Pool
    target : float
        > 0, in units of load, on the cuts' grid.
    low, high : arrays [experts], int64
        ``exact_range`` at the target.
    most : int
        Price vectors that are kept.
    programs : int
        Choices of counts that are tried.
    budget : Budget, optional
        Its clock ends the learning. Default: no limit.

    Returns
    -------
    Prices
        Valid whatever the LP solver does; at the least the zero prices, which exclude nothing.

    Raises
    ------
    SolverError
        HiGHS failed, outside of `highs.collected_failures`; inside, the prices are those learned until then.
    """
    budget = budget or Budget()
    learner = _Learner(
        pool,
        target,
        low,
        high,
        most,
        programs,
        budget,
    )
    try:
        if learner.narrow_ranges():
            learner.dive()
    except SolverError as error:
        go_on_without(error)
    return learner.prices()


class _Learner:
    """Fixes counts and solves L1's program; where it has no solution, its duals are a price vector."""

    def __init__(
        self,
        pool: Pool,
        target: float,
        low: Ints,
        high: Ints,
        most: int,
        programs: int,
        budget: Budget,
    ) -> None:
        self.pool = pool
        self.target = target
        self.most = most
        self.programs = programs
        self.budget = budget
        self.grid = Grid(pool.mean)
        self.proofs: list[CutCertificate] = []
        # what the target allows, and what is left of it
        self.least = low
        self.top = high
        self.low = low.copy()
        self.high = high.copy()
        self.model = _full_model(pool, target, low, high)

    def goes_on(self) -> bool:
        """Whether more may be learned."""
        return (
            len(self.proofs) < self.most
            and self.programs > 0
            and self.budget.stop() is None
        )

    def narrow_ranges(self) -> bool:
        """Narrow every expert's range from both ends, heaviest first; False: there is no packing."""
        if not self.allows_ranges(self.low, self.high):
            return False
        for e in np.argsort(-self.pool.loads, kind="stable"):
            for end, step in ((self.low, 1), (self.high, -1)):
                while self.goes_on() and self.low[e] < self.high[e]:
                    if self._allows_count(e, int(end[e]), self.low, self.high):
                        break
                    end[e] += step
        return True

    def dive(self) -> None:
        """Fix counts at random, heaviest expert first, and learn from what fails on the way."""
        rng = np.random.default_rng(0)
        while self.goes_on():
            programs_before = self.programs
            self._fix_counts(rng)
            if self.programs == programs_before:
                break

    def _fix_counts(self, rng: np.random.Generator) -> None:
        """Draw counts that are allowed with those fixed before, until an expert has none."""
        low = self.low.copy()
        high = self.high.copy()
        for e in np.argsort(-self.pool.loads, kind="stable"):
            allowed = self._allowed_counts(e, low, high)
            if not allowed:
                return
            count = rng.choice(allowed)
            low[e] = count
            high[e] = count

    def _allowed_counts(self, expert: int, low: Ints, high: Ints) -> list[int]:
        """The counts of an expert that L1 allows, as far as more may be learned."""
        return [
            count
            for count in range(low[expert], high[expert] + 1)
            if self.goes_on() and self._allows_count(expert, count, low, high)
        ]

    def _allows_count(self, expert: int, count: int, low: Ints, high: Ints) -> bool:
        """Whether L1 allows that an expert has this many replicas, with the others within ranges [experts]."""
        low = low.copy()
        high = high.copy()
        low[expert] = count
        high[expert] = count
        if not low.sum() <= self.pool.slots <= high.sum():
            return False
        return self.allows_ranges(low, high)

    def allows_ranges(self, low: Ints, high: Ints) -> bool:
        """Whether L1 allows counts in these ranges [experts]; if not, its multipliers become a price vector."""
        self.programs -= 1
        self.model.restrict(low, high)
        while True:
            solution = self.model.solve(self.budget.seconds())
            if solution is None:
                return True
            excess, shares, proof = solution
            if excess > NOISE:
                if self._surplus(proof, low, high) <= NOISE:
                    return True
                self.proofs.append(certificate.rounded(proof))
                return False
            if not self.model.add_violated(self.grid, shares):
                return True

    def _surplus(self, proof: CutCertificate, low: Ints, high: Ints) -> float:
        """By how much every choice of counts in the ranges costs too much, in float64."""
        _, cost = certificate.dual_value(self.pool, proof)
        least, _ = certificate.count_range(self.pool, self.target)
        count = least[:, None] + np.arange(cost.shape[1])
        inside = (count >= low[:, None]) & (count <= high[:, None])
        cheapest = np.where(inside, cost, np.inf).min(axis=1)
        return float(cheapest.sum() - proof.slot_price * self.pool.slots)

    def prices(self) -> Prices:
        """The price vectors, rounded down, which only allows more."""
        vectors = 1 + len(self.proofs)  # the first is zero
        width = int((self.top - self.least).max()) + 1
        cost = np.zeros((vectors, self.least.size, width), np.int64)
        most = np.zeros(vectors, np.int64)
        for vector, proof in enumerate(self.proofs, 1):
            if not certificate.is_valid(self.pool, proof):
                continue
            exact = certificate.exact_costs(self.pool, proof)
            if exact is not None:
                cost[vector], most[vector] = _shortened(*exact)
        return Prices(cost, most)


def _shortened(cost: Array, most: int) -> tuple[Array, int]:
    """Costs and their limit without their last bits, so that they fit into int64 with room for sums."""
    largest = max(abs(cost.max()), abs(cost.min()), abs(most))
    shift = max(int(largest).bit_length() - BITS, 0)
    # both sides rounded down: floors add up to at most the floor of the sum
    return cost >> shift, most >> shift


def _full_model(pool: Pool, target: float, least: Ints, top: Ints) -> CountsModel:
    """The program with every column that the target allows; its first ones use all slots."""
    experts = np.arange(least.size)
    expert = np.concatenate([experts, np.repeat(experts, top - least + 1)])
    ranges = [
        np.arange(fewest, most + 1) for fewest, most in zip(least, top, strict=True)
    ]
    count = np.concatenate([_first_counts(pool, least, top), *ranges])
    return CountsModel(pool, target, expert, count)


def _first_counts(pool: Pool, least: Ints, top: Ints) -> Ints:
    """Counts in their ranges that use exactly all slots: the first experts get what they can."""
    first = least.copy()
    for e in range(least.size):
        first[e] += min(top[e] - least[e], pool.slots - first.sum())
    return first
