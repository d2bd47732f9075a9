"""The bound L1 of pools with a cost: their least total over counts that keep cuts (``models/README.md``, K2, K3)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from ..budget import Budget
from ..certificates.cost import (
    AGGREGATE,
    PRICE_BITS,
    THRESHOLD,
    CostCertificate,
    Cut,
    WholeSizes,
    cut_values,
    priced,
)
from ..errors import SolverError
from ..highs import go_on_without, new_highs, run_highs
from ..problem.pool import Floats, Ints, Pool
from .count_columns import CountColumns

CUTS_A_ROUND = 12
MOST_ROUNDS = 60
MOST_PRICE = 1e3  # of all cuts together, where the mean rank time is one
NOISE = 1e-7  # violations and prices that do not count
MARGIN = 1e-9  # of the program's value over the target before it is worth a proof
MOST_TARGETS = 16
LEAST_GAP = 1e-5
FINEST = 0.05  # of the gap: where the search for a larger target ends

Proof = TypeVar("Proof")  # a certificate


def counts_in_time(
    pool: Pool, lower: float, upper: float, gap: float, budget: Budget
) -> CostCertificate | None:
    """The certificate of the largest target found that no packing is within.

    Parameters
    ----------
    pool : Pool
        With a cost, without windows.
    lower : float
        Proven already.
    upper : float
        Of a packing.
    gap : float
        At which the pool is done; the first target is so far below ``upper``.
    budget : Budget

    Returns
    -------
    CostCertificate or None
        None: no more than ``lower`` is proven.
    """

    def proven(target: float) -> CostCertificate | None:
        return _proven(pool, target, budget)

    return largest_target(proven, lower, upper, gap, budget)


def largest_target(
    proven: Callable[[float], Proof | None],
    lower: float,
    upper: float,
    gap: float,
    budget: Budget,
) -> Proof | None:
    """The certificate of the largest target that is found: first the gap below ``upper``, then by halving.

    Parameters
    ----------
    proven : callable
        A target to its certificate, or to None.
    lower, upper : float
        Proven already, and of a packing.
    gap : float
        At which the pool is done.
    budget : Budget

    Returns
    -------
    certificate or None
        None: no more than ``lower`` is proven.
    """
    best: Proof | None = None
    low = lower
    high = upper
    target = upper / (1 + gap)
    for _ in range(MOST_TARGETS):
        if not target > low > 0 or budget.stop() is not None:
            break
        try:
            found = proven(target)
        except SolverError as error:
            go_on_without(error)
            return best
        if found is None:
            high = target
        else:
            best = found
            low = target
        if best is not None and low * (1 + gap) >= upper:
            break
        target = (low + high) / 2
        if target <= low * (1 + FINEST * max(gap, LEAST_GAP)):
            break
    return best


def _proven(pool: Pool, target: float, budget: Budget) -> CostCertificate | None:
    """A certificate of a target; None if none comes out."""
    plain = CostCertificate(target)
    if plain.holds(pool):
        return plain
    program = _Program(pool, target)
    for _ in range(MOST_ROUNDS):
        if not program.solve(budget):
            return None
        if program.value <= 1 + MARGIN:
            if not program.separate():
                return None
            continue
        certificate = program.certificate()
        if certificate is None:
            return None
        if certificate.holds(pool):
            return certificate
        if not program.add_cheapest(certificate):
            return None
    return None


class _Program:
    """Minimise the total over the ranks' limits, over mixtures of counts that keep the cuts found so far.

    Columns are pairs of an expert and its count; column 0 of the solver is how far every cut may be violated, for
    `MOST_PRICE`. Rows are the experts, the slots and the cuts.
    """

    def __init__(self, pool: Pool, target: float) -> None:
        self.pool = pool
        self.target = target
        self.whole = WholeSizes.of(pool, target)
        self.limit = max(self.whole.limit, 1)
        self.cuts: list[Cut] = []
        self.value = 0.0
        self.counts = np.arange(1, pool.max_count + 1)
        prices = self.whole.sizes * self.counts
        self.columns = CountColumns(pool, self.whole.least, prices)
        self.solver: Any = None

    def solve(self, budget: Budget) -> bool:
        """Solve it anew; whether there is an optimum."""
        self.solver = self._model()
        seconds = budget.seconds() if budget.has_clock else None
        if not run_highs(self.solver, seconds):
            return False
        self.value = float(self.solver.getInfo().objective_function_value)
        solution = self.solver.getSolution()
        self.shares = np.array(solution.col_value)[1:]
        rows = np.array(solution.row_dual)
        self.prices = np.maximum(-rows[self.pool.num_experts + 1 :], 0.0)
        return True

    def separate(self) -> bool:
        """Add the cuts that the mixture violates most; whether there are any."""
        expert, count = self.columns.pairs()
        sizes = self.whole.sizes[expert, count - 1]
        mass = count * self.shares
        found = [
            *self._violated(_aggregate_cuts(sizes, mass, self), sizes, mass),
            *self._violated(_threshold_cuts(sizes, mass, self), sizes, mass),
        ]
        new = [cut for _, cut in sorted(found, reverse=True) if cut not in self.cuts]
        self.cuts += new[:CUTS_A_ROUND]
        return bool(new)

    def certificate(self) -> CostCertificate | None:
        """The duals as whole weights; None if they are too large."""
        slots = self.pool.slots_per_rank
        limit = self.limit
        heaviest = 1 + slots * float(self.prices.sum())
        unit = math.floor(2**PRICE_BITS / (self.pool.slots * (limit + 1) * heaviest))
        unit -= len(self.cuts) * slots + 1  # what rounding may add
        if unit < 1:
            return None
        weights = [
            round(price * unit * (limit if kind == THRESHOLD else 1))
            for price, (kind, *_) in zip(self.prices.tolist(), self.cuts, strict=True)
        ]
        cuts = tuple(
            (*cut[:3], weight)
            for cut, weight in zip(self.cuts, weights, strict=True)
            if weight
        )
        return CostCertificate(self.target, unit, cuts)

    def add_cheapest(self, certificate: CostCertificate) -> bool:
        """Add the counts that a certificate fails on as columns; whether there are new ones."""
        prices = priced(self.pool, self.whole, certificate.total, certificate.cuts)
        return prices is not None and self.columns.add_cheapest(prices)

    def _model(self) -> Any:
        """HiGHS with the program."""
        import highspy

        expert, count = self.columns.pairs()
        columns = len(expert)
        ranks = self.pool.ranks
        of_total = self.whole.sizes[expert, count - 1] * count
        solver = new_highs()
        costs = np.concatenate(([MOST_PRICE], of_total / (ranks * self.limit)))
        zeros = np.zeros(columns + 1)
        most = np.full(columns + 1, highspy.kHighsInf)
        solver.addVars(columns + 1, zeros, most)
        solver.changeColsCost(
            columns + 1, np.arange(columns + 1, dtype=np.int32), costs
        )
        self.columns.add_rows(solver)
        every = np.arange(columns + 1, dtype=np.int32)
        for cut in self.cuts:
            row = np.concatenate(([-1.0], self._row(cut, expert, count)))
            solver.addRow(-highspy.kHighsInf, 0.0, columns + 1, every, row)
        return solver

    def _row(self, cut: Cut, expert: Ints, count: Ints) -> Floats:
        """A cut over the columns, in units of the ranks' limits or of the ranks."""
        sizes = self.whole.sizes[expert, count - 1]
        values = cut_values(sizes, cut, self.pool.slots_per_rank, self.whole.limit)
        unit = self.limit if cut[0] == AGGREGATE else 1
        return np.asarray(values * count / (self.pool.ranks * unit))

    def _violated(
        self, cuts: list[Cut], sizes: Ints, mass: Floats
    ) -> list[tuple[float, Cut]]:
        """Those of some cuts that a mixture violates, and by how much."""
        found = []
        for cut in cuts:
            slots = self.pool.slots_per_rank
            values = cut_values(sizes, cut, slots, self.whole.limit)
            unit = self.limit if cut[0] == AGGREGATE else 1
            by = float(values @ mass) / (self.pool.ranks * unit)
            if by > NOISE:
                found.append((by, cut))
        return found


def _aggregate_cuts(sizes: Ints, mass: Floats, program: _Program) -> list[Cut]:
    """For each level, a light size, the strongest aggregate cut (L1.6)."""
    limit = program.whole.limit
    slots = program.pool.slots_per_rank
    used = np.unique(sizes[mass > NOISE])
    levels = [*used[2 * used <= limit].tolist(), limit // 2]
    half = limit // 2 + 1
    return [
        (AGGREGATE, max(limit - (slots - 1) * level, half), level, 0)
        for level in levels
    ]


def _threshold_cuts(sizes: Ints, mass: Floats, program: _Program) -> list[Cut]:
    """For each heavy size and number of companions, the strongest threshold cut (L1.6)."""
    limit = program.whole.limit
    slots = program.pool.slots_per_rank
    used = np.unique(sizes[mass > NOISE])
    heavy = used[(2 * used > limit) & (used <= limit)].tolist()
    # With more than m companions above the level u, m (u + 1) would exceed what the heavy one leaves.
    return [
        (THRESHOLD, size, (limit - size) // larger, 0)
        for size in heavy
        for larger in range(1, slots)
    ]
