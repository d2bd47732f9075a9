"""Prices that exclude counts: multipliers of L1's cuts, learned where counts fail (``models/README.md``, L1.8)."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np

from ..certificates import cuts as certificate
from ..certificates.cuts import Array, CutCertificate
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
    pool: Pool, target: float, low: Ints, high: Ints, most: int, programs: int, deadline: float = math.inf
) -> Prices:
    """Learn prices at a target from linear programs.

    Parameters
    ----------
    target : float
        > 0, in units of load, on the cuts' grid.
    low, high : arrays [experts], int64
        ``exact_range`` at the target.
    most : int
        Price vectors that are kept.
    programs : int
        Choices of counts that are tried.
    deadline : float
        ``time.perf_counter()`` at which to stop learning.
    """
    learner = _Learner(pool, target, low, high, most, programs, deadline)
    if learner.ranges():
        learner.dives()
    return learner.prices()


class _Learner:
    """Fixes counts and solves L1's program; where it has no solution, its duals are a price vector."""

    def __init__(
        self, pool: Pool, target: float, low: Ints, high: Ints, most: int, programs: int, deadline: float
    ) -> None:
        self.pool, self.target, self.most, self.programs, self.deadline = pool, target, most, programs, deadline
        self.grid = Grid(pool.mean)
        self.proofs: list[CutCertificate] = []
        self.least, self.top = low, high
        self.low, self.high = low.copy(), high.copy()
        self.model = _full_model(pool, target, low, high)

    def goes_on(self) -> bool:
        """Whether more may be learned."""
        return len(self.proofs) < self.most and self.programs > 0 and time.perf_counter() < self.deadline

    def ranges(self) -> bool:
        """Narrow every expert's range from both ends, heaviest first; False: there is no packing."""
        if not self.allows(self.low, self.high):
            return False
        for e in np.argsort(-self.pool.loads, kind="stable"):
            for side, step in ((self.low, 1), (self.high, -1)):
                while self.goes_on() and self.low[e] < self.high[e] and not self._allows(e, int(side[e])):
                    side[e] += step
        return True

    def dives(self) -> None:
        """Fix counts at random, heaviest expert first, and learn from what fails on the way."""
        rng = np.random.default_rng(0)
        while self.goes_on():
            before = self.programs
            low, high = self.low.copy(), self.high.copy()
            for e in np.argsort(-self.pool.loads, kind="stable"):
                allowed = [k for k in range(low[e], high[e] + 1) if self.goes_on() and self._allows(e, k, low, high)]
                if not allowed:
                    break
                low[e] = high[e] = rng.choice(allowed)
            if self.programs == before:
                break

    def _allows(self, e: int, k: int, low: Ints | None = None, high: Ints | None = None) -> bool:
        """Whether L1 allows that expert e has k replicas, within ranges."""
        low, high = (self.low if low is None else low).copy(), (self.high if high is None else high).copy()
        low[e] = high[e] = k
        if not low.sum() <= self.pool.slots <= high.sum():
            return False
        return self.allows(low, high)

    def allows(self, low: Ints, high: Ints) -> bool:
        """Whether L1 allows counts in these ranges; if not, its multipliers become a price vector."""
        self.programs -= 1
        self.model.restrict(low, high)
        while True:
            answer = self.model.solve(max(self.deadline - time.perf_counter(), 0.0))
            if answer is None:
                return True
            excess, y, proof = answer
            if excess > NOISE:
                if self._value(proof, low, high) <= NOISE:
                    return True
                self.proofs.append(certificate.rounded(proof))
                return False
            if not self.model.add_violated(self.grid, y):
                return True

    def _value(self, proof: CutCertificate, low: Ints, high: Ints) -> float:
        """By how much every choice of counts in the ranges costs too much, in float64."""
        _, cost = certificate.dual_value(self.pool, proof)
        count = certificate.count_range(self.pool, self.target)[0][:, None] + np.arange(cost.shape[1])
        inside = (count >= low[:, None]) & (count <= high[:, None])
        return float(np.where(inside, cost, np.inf).min(axis=1).sum() - proof.slot_price * self.pool.slots)

    def prices(self) -> Prices:
        """The price vectors, rounded down, which only allows more."""
        cost = np.zeros((1 + len(self.proofs), self.least.size, int((self.top - self.least).max()) + 1), np.int64)
        most = np.zeros(1 + len(self.proofs), np.int64)
        for v, proof in enumerate(self.proofs, 1):
            costs = certificate.exact_costs(self.pool, proof) if certificate.is_valid(self.pool, proof) else None
            if costs is not None:
                cost[v], most[v] = _shortened(*costs)
        return Prices(cost, most)


def _shortened(cost: Array, most: int) -> tuple[Array, int]:
    """Costs and their limit without their last bits, so that they fit into int64 with room for sums."""
    shift = max(int(max(abs(cost.max()), abs(cost.min()), abs(most))).bit_length() - BITS, 0)
    return cost >> shift, most >> shift


def _full_model(pool: Pool, target: float, least: Ints, top: Ints) -> CountsModel:
    """The program with every column that the target allows; its first ones use all slots."""
    first = least.copy()
    for e in range(least.size):
        first[e] += min(top[e] - least[e], pool.slots - first.sum())
    experts = np.arange(least.size)
    expert = np.concatenate([experts, np.repeat(experts, top - least + 1)])
    count = np.concatenate([first, *(np.arange(a, b + 1) for a, b in zip(least, top, strict=True))])
    return CountsModel(pool, target, expert, count)
