"""The bound of unequal ranks: counts that keep what each rank can take (``models/README.md``, R3, R4)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..budget import Budget
from ..certificates.unequal import (
    HEAVY,
    PRICE_BITS,
    SHORT,
    Cut,
    RankLimits,
    UnequalCertificate,
    priced,
)
from ..highs import new_highs, run_highs
from ..problem.pool import Floats, Ints, Pool
from ..problem.ranks import Ranks
from .count_columns import CountColumns
from .counts_in_time import largest_target

MOST_LEVELS = 24  # of each kind of cut
MOST_ROUNDS = 40
NOISE = 1e-9  # of the program's value before it is worth a proof
LEAST_PRICE = 1e-9


def unequal_bound(
    pool: Pool, ranks: Ranks, lower: float, upper: float, gap: float, budget: Budget
) -> UnequalCertificate | None:
    """The certificate of the largest target found that no packing is within.

    Parameters
    ----------
    pool : Pool
        Without windows, or without a cost.
    ranks : Ranks
        Its unequal ranks.
    lower : float
        Proven already.
    upper : float
        Of a packing.
    gap : float
        At which the pool is done; the first target is so far below ``upper``.
    budget : Budget

    Returns
    -------
    UnequalCertificate or None
        None: no more than ``lower`` is proven.
    """

    def proven(target: float) -> UnequalCertificate | None:
        return _proven(pool, ranks, target, budget)

    return largest_target(proven, lower, upper, gap, budget)


def _proven(
    pool: Pool, ranks: Ranks, target: float, budget: Budget
) -> UnequalCertificate | None:
    """A certificate of a target; None if none comes out."""
    program = _Program(pool, RankLimits.of(pool, ranks, target))
    plain = UnequalCertificate(target, program.total)
    if plain.holds(pool):
        return plain
    for _ in range(MOST_ROUNDS):
        if not program.solve(budget) or program.excess <= NOISE:
            return None
        certificate = UnequalCertificate(target, program.weighed())
        if certificate.holds(pool):
            return certificate
        if not program.add_cheapest(certificate.cuts):
            return None
    return None


class _Program:
    """Minimise the most, over cuts, of what a mixture of counts is above a cut, relative to what ranks can take.

    Columns are pairs of an expert and its count; column 0 of the solver is that excess. Rows are the experts, the
    slots and the cuts.
    """

    def __init__(self, pool: Pool, whole: RankLimits) -> None:
        self.pool = pool
        self.whole = whole
        self.total: tuple[Cut, ...] = ((SHORT, max(max(whole.limits), 1), 1),)
        self.excess = math.inf
        if not whole.fits:
            return
        prices = whole.sizes * np.arange(1, pool.max_count + 1)
        self.columns = CountColumns(pool, whole.least, prices)
        cuts = self._cuts(self.columns.cheapest)
        self.cuts = [cut for cut in cuts if whole.most(cut) > 0]

    def solve(self, budget: Budget) -> bool:
        """Solve it anew; whether there is an optimum."""
        solver = self._model()
        seconds = budget.seconds() if budget.has_clock else None
        if not run_highs(solver, seconds):
            return False
        self.excess = float(solver.getInfo().objective_function_value)
        rows = np.array(solver.getSolution().row_dual)
        self.prices = np.maximum(-rows[self.pool.num_experts + 1 :], 0.0)
        return True

    def weighed(self) -> tuple[Cut, ...]:
        """The cuts with the duals as whole weights."""
        most = [self.whole.most(cut) for cut in self.cuts]
        prices = self.prices / np.array(most)
        levels = [level if kind == SHORT else 1 for kind, level, _ in self.cuts]
        largest = float(prices @ np.array(levels)) * self.pool.slots
        unit = 2.0 ** (PRICE_BITS - 2) / largest if largest > 0 else 0.0
        weights = [round(price * unit) for price in prices.tolist()]
        pairs = zip(self.cuts, weights, strict=True)
        return tuple(
            (kind, level, weight) for (kind, level, _), weight in pairs if weight
        )

    def add_cheapest(self, cuts: tuple[Cut, ...]) -> bool:
        """Add the counts that a certificate fails on as columns; whether there are new ones."""
        prices = priced(self.pool, self.whole, cuts)
        return prices is not None and self.columns.add_cheapest(prices)

    def _cuts(self, counts: Ints) -> list[Cut]:
        """Cuts of the strongest levels: of short ones sizes in use, of heavy ones where a rank can take one less."""
        whole = self.whole
        sizes = np.unique(whole.sizes[np.arange(len(counts)), counts - 1])
        pairs = set(zip(whole.limits, whole.slots, strict=True))
        evenly = {limit // slots for limit, slots in pairs}
        levels = {*_some(sizes), *evenly, max(whole.limits)}
        fewer = {limit // k + 1 for limit, slots in pairs for k in range(1, slots + 1)}
        heavy = _some(np.array(sorted(fewer)))
        short = [(SHORT, level, 1) for level in sorted(levels) if level >= 1]
        return short + [(HEAVY, level, 1) for level in heavy if level >= 1]

    def _model(self) -> Any:
        """HiGHS with the program."""
        import highspy

        expert, count = self.columns.pairs()
        columns = len(expert)
        solver = new_highs()
        least = np.zeros(columns + 1)
        least[0] = -1.0
        most = np.full(columns + 1, highspy.kHighsInf)
        solver.addVars(columns + 1, least, most)
        solver.changeColCost(0, 1.0)
        self.columns.add_rows(solver)
        every = np.arange(columns + 1, dtype=np.int32)
        for cut in self.cuts:
            row = np.concatenate(([-1.0], self._row(cut, expert, count)))
            solver.addRow(-highspy.kHighsInf, 1.0, columns + 1, every, row)
        return solver

    def _row(self, cut: Cut, expert: Ints, count: Ints) -> Floats:
        """A cut over the columns, in units of what all ranks can take."""
        values = self.whole.values(cut)[expert, count - 1]
        return np.asarray(values * count / self.whole.most(cut))


def _some(levels: Ints) -> list[int]:
    """At most so many of the levels, spread evenly, the last one among them."""
    if len(levels) <= MOST_LEVELS:
        return [int(level) for level in levels]
    places = np.linspace(0, len(levels) - 1, MOST_LEVELS).round().astype(np.int64)
    return [int(level) for level in levels[places]]
