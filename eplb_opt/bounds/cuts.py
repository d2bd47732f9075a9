"""L1: a lower bound from cuts on counts alone, proven in exact integers (``models/README.md``, L1.1-L1.7)."""

from __future__ import annotations

import math

import numpy as np

from ..budget import Budget
from ..certificates import cuts as certificate
from ..certificates.cuts import Cut, CutCertificate
from ..certificates.mean import trivial_bound
from ..errors import SolverError
from ..highs import go_on_without
from ..problem.pool import Floats, Ints, Pool
from ..problem.water_filling import water_filling
from .counts_model import LEAST_PRICE, NOISE, CountsModel
from .separation import Grid, retarget, violated_cuts

__all__ = ["Cut", "CutCertificate", "cut_bound"]

ROUNDS = 300  # LPs at one target
STRETCH = 4.0  # the next target lies so many gains above the bound
# by how much, relatively, a target is lowered until its exact check passes
LOWERED = (0.0, 1e-8, 1e-7, 1e-6)
# loads between these: products and quotients of them stay normal floats
SMALLEST = 2.0**-900
LARGEST = 2.0**900


def cut_bound(
    pool: Pool, upper: float, gap: float = 1e-4, budget: Budget | None = None
) -> tuple[float, CutCertificate | None]:
    """A proven lower bound of a pool (L1), and its certificate.

    Parameters
    ----------
    pool : Pool
    upper : float
        An objective known to be reachable (or infinity). The search ends when ``upper <= (1 + gap) * bound``.
    gap : float
        Relative; the best target is found to a twentieth of it.
    budget : Budget, optional
        Its clock; the best bound proven until then is returned. Default: no limit, deterministic.

    Returns
    -------
    bound : float
        In units of load; the certificate's target, or L0.
    certificate : CutCertificate or None
        Has passed ``holds``: the bound is valid whatever the LP solver does. None: L0 is the bound.

    Raises
    ------
    SolverError
        HiGHS failed, outside of `highs.collected_failures`; inside, the bound is what was proven until then.
    """
    budget = budget or Budget()
    climb = _TargetSearch(
        pool,
        upper,
        gap,
        budget,
    )
    if pool.slots_per_rank > 1 and SMALLEST < climb.low < min(
        upper / (1 + gap), LARGEST
    ):
        try:
            climb.run()
        except SolverError as error:
            go_on_without(error)
    return climb.proven()


class _TargetSearch:
    """The largest target that the cuts prove (L1.7); ``low`` is proven in float64, ``proofs`` say how."""

    def __init__(self, pool: Pool, upper: float, gap: float, budget: Budget) -> None:
        self.pool = pool
        self.upper = upper
        self.gap = gap
        self.budget = budget
        self.floor, _ = trivial_bound(pool)
        self.low = self.floor
        self.tolerance = max(gap / 20, 1e-9)
        self.grid = Grid(self.low)
        self.proofs: list[CutCertificate] = []
        # cuts and columns that the last target ended with
        self.target = self.low
        self.cuts: list[Cut] = []
        self.expert = np.zeros(0, dtype=np.int64)
        self.count = np.zeros(0, dtype=np.int64)

    def run(self) -> None:
        """Raise ``low`` until the goal or the end of what the cuts prove."""
        counts = water_filling(
            self.pool.loads[None], self.pool.slots, self.pool.max_count
        )[0]
        high = self._settled(self.pool.loads / counts, counts.astype(np.float64))
        goal = self._goal(high)
        if high <= self.low * (1 + self.tolerance) or goal <= self.low:
            return
        self._start_at(counts)
        if goal < high:
            proof = self._attempt(goal)
            if proof is not None:
                self.proofs = [proof]
                self.low = goal
                return
            high = goal
        self._ascend(high)

    def _goal(self, high: float) -> float:
        """The target that closes the gap, on the grid; infinite where it is not of use."""
        if self.upper >= 2 * high:  # it is above ``high``, and may be infinite
            return math.inf
        beyond = self.grid.up(self.upper / (1 + self.gap)) + self.grid.unit
        return min(beyond, self.grid.down(self.upper) - self.grid.unit)

    def _start_at(self, counts: Ints) -> None:
        """The first columns: these counts [experts], which take exactly all slots, and their neighbours."""
        experts = np.arange(self.pool.num_experts)
        self.expert = np.concatenate([experts, experts, experts])
        self.count = np.concatenate([counts, counts - 1, counts + 1])

    def proven(self) -> tuple[float, CutCertificate | None]:
        """The best bound whose certificate passes the exact check."""
        for proof in reversed(self.proofs):
            passed = self._passed(proof)
            if passed is not None:
                return passed.target, passed
        return self.floor, None

    def _passed(self, proof: CutCertificate) -> CutCertificate | None:
        """The proof at its target, or a little below it, once it passes the exact check."""
        for share in LOWERED:
            target = proof.target
            if share > 0:
                target = self.grid.down(proof.target * (1 - share))
            if target <= self.floor:
                return None
            rounded = certificate.rounded(self._moved(proof, target))
            if rounded.holds(self.pool):
                return rounded
        return None

    def _ascend(self, high: float) -> None:
        """Raise ``low`` towards ``high``, which is not provable: prove a target, follow its multipliers up."""
        # one choice of counts: ``high`` is the best target
        is_rigid = self.pool.slots == self.pool.num_experts
        gain = 0.0
        target = self._just_below(high) if is_rigid else self._above(gain, high)
        while self.budget.stop() is None and self.low < target < high:
            proof = self._attempt(target)
            if proof is None:
                high = target
                gain = 0.0
            else:
                self._climb(proof, high)
                gain = self.low - target
            target = self._above(gain, high)

    def _just_below(self, high: float) -> float:
        return self.grid.down(high * (1 - self.tolerance))

    def _above(self, gain: float, high: float) -> float:
        """A target some gains above ``low``, at most half-way to ``high``."""
        step = min(STRETCH * gain, (high - self.low) / 2)
        return self.grid.up(self.low + max(self.tolerance * self.low, step))

    def _attempt(self, target: float) -> CutCertificate | None:
        """A proof of the target; None if there is none, or on a limit. Cuts and columns stay for the next one."""
        least, top = certificate.count_range(self.pool, target)
        inside = (self.count >= least[self.expert]) & (self.count <= top[self.expert])
        model = CountsModel(
            self.pool,
            target,
            self.expert[inside],
            self.count[inside],
        )
        last_cuts = CutCertificate(self.target, tuple(self.cuts), 0.0)
        for cut in self._moved(last_cuts, target).cuts:
            model.add_cut(cut)
        proof = self._solve(model, least, top)
        self.target = target
        self.cuts = model.cuts
        self.expert = model.expert
        self.count = model.count
        return proof

    def _solve(
        self, model: CountsModel, least: Ints, top: Ints
    ) -> CutCertificate | None:
        """Solve, then add columns (no proof yet) or cuts (the point violates some), until neither is left."""
        for _ in range(ROUNDS):
            solution = model.solve(self.budget.seconds())
            if solution is None:
                return None
            excess, shares, proof = solution
            if excess > NOISE:
                dual, cost = certificate.dual_value(self.pool, proof)
                if dual > NOISE:
                    return proof
                is_larger = _add_cheaper(model, cost, least, top)
            else:
                is_larger = model.add_violated(self.grid, shares)
            if not is_larger:
                return None
        return None

    def _climb(self, proof: CutCertificate, high: float) -> None:
        """Raise ``low`` as far as the proof's multipliers reach: doubling steps, then a few halvings (L1.5)."""
        low = proof.target
        end = high
        best = proof
        step = self.tolerance * low
        while True:
            target = self.grid.down(low + step if low + step < end else (low + end) / 2)
            negligible = max(self.tolerance * low / 4, (low - proof.target) / 8)
            if not low < target < end or end - low < negligible:
                break
            moved = self._moved(proof, target)
            dual, _ = certificate.dual_value(self.pool, moved)
            if dual > NOISE:
                low = target
                best = moved
                step *= 4
            else:
                end = target
        self.low = low
        self.proofs.append(best)

    def _settled(self, value: Floats, mass: Floats) -> float:
        """A target at which this point violates no cut (so the cuts prove less), to the tolerance."""
        low = self.low
        high = self.grid.up(self.low * (1 + self.tolerance))
        if not self._settles(high, value, mass):
            low = high
            # no heavy replica, no cut
            high = self.grid.up(2 * max(high, float(value.max())))
        while high - low > self.tolerance * low:
            middle = self.grid.up((low + high) / 2)
            if self._settles(middle, value, mass):
                high = middle
            else:
                low = middle
        return high

    def _settles(self, target: float, value: Floats, mass: Floats) -> bool:
        """Whether a point violates no cut at a target."""
        if float(value.max()) > target:
            return False
        slots = self.pool.slots_per_rank
        return not violated_cuts(
            self.grid,
            target,
            slots,
            value,
            mass,
            1,
            NOISE,
        )

    def _moved(self, proof: CutCertificate, target: float) -> CutCertificate:
        """The same cuts (as far as they exist) and multipliers at another target."""
        old = proof.target
        slots = self.pool.slots_per_rank
        moved = [retarget(self.grid, cut, old, target, slots) for cut in proof.cuts]
        kept = tuple(cut for cut in moved if cut is not None)
        return CutCertificate(target, kept, proof.slot_price)


def _add_cheaper(model: CountsModel, cost: Floats, least: Ints, top: Ints) -> bool:
    """Add each expert's cheapest column where it is cheaper than those in the model; False: there is none."""
    known = np.full(least.size, np.inf)
    cost_of_column = cost[model.expert, model.count - least[model.expert]]
    np.minimum.at(known, model.expert, cost_of_column)
    best = cost.argmin(axis=1)
    least_cost = cost[np.arange(least.size), best]
    expert = np.flatnonzero(least_cost < known - LEAST_PRICE)
    count = np.minimum(least + best, top)
    if expert.size:
        model.add_columns(expert, count[expert])
    return bool(expert.size)
