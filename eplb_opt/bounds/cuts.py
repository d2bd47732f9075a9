"""L1: a lower bound from cuts on counts alone, proven in exact integers (``models/README.md``, L1.1-L1.7)."""

from __future__ import annotations

import math
import time

import numpy as np

from ..certificates import cuts as certificate
from ..certificates.cuts import Cut, CutCertificate
from ..certificates.mean import trivial_bound
from ..problem.pool import Floats, Ints, Pool
from ..problem.water_filling import water_filling
from .counts_model import NOISE, CountsModel
from .separation import Grid, retarget, violated_cuts

__all__ = ["Cut", "CutCertificate", "cut_bound"]

ROUNDS = 300  # LPs at one target
STRETCH = 4.0  # the next target lies so many gains above the bound


def cut_bound(
    pool: Pool, upper: float, gap: float = 1e-4, seconds: float | None = None
) -> tuple[float, CutCertificate | None]:
    """A proven lower bound of a pool, and its certificate (None: L0 is the bound).

    Parameters
    ----------
    upper : float
        An objective known to be reachable (or infinity). The search ends when ``upper <= (1 + gap) * bound``.
    gap : float
        Relative; the best target is found to a twentieth of it.
    seconds : float or None
        Wall-clock limit; the best bound proven until then is returned. None: deterministic.

    Returns
    -------
    bound : float
        In units of load; the certificate's target, or L0.
    certificate : CutCertificate or None
        Has passed ``holds``: the bound is valid whatever the LP solver does.
    """
    search = _Search(pool, upper, gap, math.inf if seconds is None else time.perf_counter() + seconds)
    if pool.slots_per_rank > 1 and 2.0**-900 < search.low < min(upper / (1 + gap), 2.0**900):
        search.run()
    return search.proven()


class _Search:
    """The largest target that the cuts prove (L1.7); ``low`` is proven in float64, ``proofs`` say how."""

    def __init__(self, pool: Pool, upper: float, gap: float, deadline: float) -> None:
        self.pool, self.upper, self.gap, self.deadline = pool, upper, gap, deadline
        self.floor, _ = trivial_bound(pool)
        self.low = self.floor
        self.tolerance = max(gap / 20, 1e-9)
        self.grid = Grid(self.low)
        self.proofs: list[CutCertificate] = []
        self.cuts: list[Cut] = []  # cuts and columns that the last target ended with
        self.target = self.low
        self.expert = self.count = np.zeros(0, dtype=np.int64)

    def run(self) -> None:
        """Raise ``low`` until the goal or the end of what the cuts prove."""
        counts = water_filling(self.pool.loads[None], self.pool.slots, self.pool.max_count)[0]
        high = self._settled(self.pool.loads / counts, counts.astype(np.float64))
        goal = math.inf
        if self.upper < 2 * high:  # else it is above ``high`` and may be infinite
            goal = self.grid.up(self.upper / (1 + self.gap)) + self.grid.unit
            goal = min(goal, self.grid.down(self.upper) - self.grid.unit)
        if high <= self.low * (1 + self.tolerance) or goal <= self.low:
            return
        experts = np.arange(self.pool.num_experts)
        self.expert = np.concatenate([experts, experts, experts])
        self.count = np.concatenate([counts, counts - 1, counts + 1])
        if goal < high:
            proof = self._attempt(goal)
            if proof is not None:
                self.proofs, self.low = [proof], goal
                return
            high = goal
        self._ascend(high)

    def proven(self) -> tuple[float, CutCertificate | None]:
        """The best bound whose certificate passes the exact check."""
        for proof in reversed(self.proofs):
            for step in (0.0, 1e-8, 1e-7, 1e-6):
                target = proof.target if step == 0 else self.grid.down(proof.target * (1 - step))
                if target <= self.floor:
                    break
                cert = certificate.rounded(self._moved(proof, target))
                if cert.holds(self.pool):
                    return cert.target, cert
        return self.floor, None

    def _ascend(self, high: float) -> None:
        """Raise ``low`` towards ``high``, which is not provable: prove a target, follow its multipliers up."""
        rigid = self.pool.slots == self.pool.num_experts  # one choice of counts: ``high`` is the best target
        gain = 0.0
        while time.perf_counter() < self.deadline:
            step = max(self.tolerance * self.low, min(STRETCH * gain, (high - self.low) / 2))
            target = self.grid.down(high * (1 - self.tolerance)) if rigid else self.grid.up(self.low + step)
            if not self.low < target < high:
                return
            proof = self._attempt(target)
            if proof is None:
                high, gain = target, 0.0
            else:
                self._climb(proof, high)
                gain = self.low - target
            rigid = False

    def _attempt(self, target: float) -> CutCertificate | None:
        """A proof of the target; None if there is none, or on a limit. Cuts and columns stay for the next one."""
        least, top = certificate.count_range(self.pool, target)
        inside = (self.count >= least[self.expert]) & (self.count <= top[self.expert])
        model = CountsModel(self.pool, target, self.expert[inside], self.count[inside])
        for cut in self._moved(CutCertificate(self.target, tuple(self.cuts), 0.0), target).cuts:
            model.add_cut(cut)
        proof = self._solve(model, least, top)
        self.target, self.cuts, self.expert, self.count = target, model.cuts, model.expert, model.count
        return proof

    def _solve(self, model: CountsModel, least: Ints, top: Ints) -> CutCertificate | None:
        """Solve, then add columns (no proof yet) or cuts (the point violates some), until neither is left."""
        for _ in range(ROUNDS):
            answer = model.solve(self.deadline - time.perf_counter())
            if answer is None:
                return None
            excess, y, proof = answer
            if excess > NOISE:
                dual, cost = certificate.dual_value(self.pool, proof)
                if dual > NOISE:
                    return proof
                expert, count = _cheaper(model, cost, least, top)
                if not expert.size:
                    return None
                model.add_columns(expert, count)
            elif not model.add_violated(self.grid, y):
                return None
        return None

    def _climb(self, proof: CutCertificate, high: float) -> None:
        """Raise ``low`` as far as the proof's multipliers reach: doubling steps, then a few halvings (L1.5)."""
        low, best = proof.target, proof
        step, end = self.tolerance * low, high
        while True:
            target = self.grid.down(low + step if low + step < end else (low + end) / 2)
            if not low < target < end or end - low < max(self.tolerance * low / 4, (low - proof.target) / 8):
                break
            moved = self._moved(proof, target)
            if certificate.dual_value(self.pool, moved)[0] > NOISE:
                low, best, step = target, moved, 4 * step
            else:
                end = target
        self.low = low
        self.proofs.append(best)

    def _settled(self, value: Floats, mass: Floats) -> float:
        """A target at which this point violates no cut (so the cuts prove less), to the tolerance."""

        def settles(target: float) -> bool:
            s = self.pool.slots_per_rank
            return float(value.max()) <= target and not violated_cuts(self.grid, target, s, value, mass, 1, NOISE)

        low, high = self.low, self.grid.up(self.low * (1 + self.tolerance))
        if not settles(high):
            low, high = high, self.grid.up(2 * max(high, float(value.max())))  # no heavy replica, no cut
        while high - low > self.tolerance * low:
            middle = self.grid.up((low + high) / 2)
            low, high = (low, middle) if settles(middle) else (middle, high)
        return high

    def _moved(self, proof: CutCertificate, target: float) -> CutCertificate:
        """The same cuts (as far as they exist) and multipliers at another target."""
        s = self.pool.slots_per_rank
        cuts = (retarget(self.grid, cut, proof.target, target, s) for cut in proof.cuts)
        return CutCertificate(target, tuple(cut for cut in cuts if cut is not None), proof.slot_price)


def _cheaper(model: CountsModel, cost: Floats, least: Ints, top: Ints) -> tuple[Ints, Ints]:
    """Each expert's cheapest column where it is cheaper than those in the model: experts, counts [new]."""
    known = np.full(least.size, np.inf)
    np.minimum.at(known, model.expert, cost[model.expert, model.count - least[model.expert]])
    best = cost.argmin(axis=1)
    expert = np.flatnonzero(cost[np.arange(least.size), best] < known - NOISE / 100)
    return expert, np.minimum(least + best, top)[expert]
