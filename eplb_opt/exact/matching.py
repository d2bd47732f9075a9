"""Exact solution of pools with one or two slots a rank (proofs: ``models/README.md``, X1-X5)."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ..certificates.cuts import CutCertificate, certificate_holds
from ..certificates.mean import max_replica_bound, trivial_bound
from ..certificates.names import COUNTS, REPLICA
from ..certificates.sums import next_sum
from ..errors import SolverError
from ..highs import collected_failures
from ..limits import Limits
from ..outcome import PoolOutcome
from ..problem.pool import Ints, Packing, Pool
from ..problem.status import StopReason, relative_gap
from .pairing import crowded, pair_counts, pair_distinct
from .threshold import (
    Bools,
    Columns,
    chain_certificate,
    columns,
    lonely_certificate,
    slot_bound,
)
from .threshold_cpsat import integer_counts
from .threshold_lp import relaxation

SINGLE, MATCHING = "s=1 closed form", "s=2 matching CP-SAT"
FINEST = 2.0**-44  # relative steps below this drown in rounding
COARSE = 2e-4  # relative precision of the search with the relaxation alone
MODEL_WORK, RELAXATION_WORK = 0.02, 0.02  # what building a model and a relaxation cost, in units of Limits.work
ANNEALING_STEPS, ANNEALING_WORK = 50_000, 0.05
AIMS = (0.1, 0.4)  # loads that annealing aims at, as parts of the open interval
MOST_SEEDS = 6  # annealing runs for each aim; fewer where experts are many, as a step costs that much more
MOST_COLUMNS = 300_000


def solve_matching(
    pool: Pool, upper: Packing, limits: Limits, lower: float = 0.0, cutoff: float = np.inf,
    report: Callable[[PoolOutcome], None] = lambda _: None,
) -> PoolOutcome:  # fmt: skip
    """The best packing of a pool with at most two slots a rank, and a lower bound.

    With one slot a rank, water-filling counts are optimal. With two, counts decide everything: the least limit T
    with counts that can be paired within it is searched by halving, first with a linear relaxation, then with a
    CP-SAT model over counts. A bound from the relaxation is re-computed from its duals; a bound from the model relies
    on CP-SAT's search, in integers.

    Parameters
    ----------
    upper : Packing
        A solution to start from; the outcome's packing is never worse.
    limits : Limits
        ``gap``, ``seconds``, and ``work`` (CP-SAT's deterministic time and estimates of the rest). Below a gap of
        6e-14, that much is proven.
    lower : float
        The search starts there: a bound that is proven already, or a load that is good enough.
    cutoff : float
        Packings of this load or more are of no use: the search ends there.
    report : callable
        Told of what is found and proven, whenever that has become better.

    Raises
    ------
    SolverError
        The pool has more than two slots a rank.
    """
    if pool.slots_per_rank > 2:
        raise SolverError(f"{pool.slots_per_rank} slots a rank: the matching method solves pools with 1 or 2")
    if pool.slots_per_rank == 1:
        return _single(pool, upper)
    return _Search(pool, upper, limits, lower, cutoff=cutoff, report=report).run()


def water_filling(pool: Pool) -> Ints:
    """Counts [experts]: the ``slots - experts`` largest of ``w_e / k`` win another replica; ties by k, then expert."""
    extra = pool.slots - pool.num_experts
    most = np.minimum(extra, pool.max_count - 1)
    copies = np.arange(1, most + 1)
    values = (pool.loads[None, :] / copies[:, None]).ravel()  # k major
    won = np.argsort(-values, kind="stable")[:extra] % pool.num_experts
    return 1 + np.bincount(won, minlength=pool.num_experts).astype(np.int64)


def _single(pool: Pool, upper: Packing) -> PoolOutcome:
    counts = water_filling(pool)
    packing = Packing(np.repeat(np.arange(pool.num_experts), counts)[:, None])
    best = min(upper, packing, key=lambda p: p.objective(pool))
    return PoolOutcome(best, max_replica_bound(pool), StopReason.GAP, SINGLE, REPLICA)


@dataclass
class _Search:
    """State of the search for the least limit: everything below ``lower`` is impossible, ``best`` is the incumbent."""

    pool: Pool
    best: Packing
    limits: Limits
    lower: float = 0.0
    bound_method: str = ""
    deadline: float = np.inf
    work: float = np.inf
    upper: float = np.inf
    cutoff: float = np.inf
    improved: bool = False  # by the integer model, and it has proven no limit since
    proof: CutCertificate | None = None  # of the largest limit that the relaxation alone proves impossible
    note: str = ""
    report: Callable[[PoolOutcome], None] = lambda _: None
    crowds: list[tuple[int, float]] = field(default_factory=list)  # (expert, its replica load) that overfilled ranks

    def run(self) -> PoolOutcome:
        """Bounds and start, then the relaxation alone, then the integer model, until the gap or a limit is reached."""
        if self.limits.seconds is not None:
            self.deadline = time.monotonic() + self.limits.seconds
        if self.limits.work is not None:
            self.work = self.limits.work
        trivial, name = trivial_bound(self.pool)
        if trivial >= self.lower:
            self.lower, self.bound_method = trivial, name
        self.upper = min(self.best.objective(self.pool), self.cutoff)
        for counts in (self.best.counts(self.pool), water_filling(self.pool)):
            self._offer(pair_counts(self.pool, counts))
        stop = StopReason.GAP
        with collected_failures() as causes:
            try:
                if not self._closed():
                    stop = self._relax() or self._decide()
            except Exception as error:  # a solver may fail in its own way: what is known is kept
                stop = StopReason.FAILED
                causes.append(str(error) if isinstance(error, SolverError) else f"{type(error).__name__}: {error}")
        self.note = "; ".join(causes)
        return self._outcome(stop)

    def _outcome(self, stop: StopReason) -> PoolOutcome:
        """What is known now."""
        bound = self.lower if self.bound_method else None  # None: no more than the caller knew
        return PoolOutcome(self.best, bound, stop, MATCHING, self.bound_method or None, self.note, self.proof)

    def _relax(self) -> StopReason | None:
        """Raise ``lower`` with the relaxation alone; a reason if a limit stops it."""
        high, limit = self.upper, (self.lower + self.upper) / 2
        if self.cutoff < self.best.objective(self.pool):  # the question is whether this pool is of any use
            limit = self._last_target()
        while high > self.lower * (1 + COARSE) and not self._closed():
            if (stop := self._stop()) is not None:
                return stop
            _, proven = self._columns(limit)
            if proven:
                self._raise(limit, COUNTS)
            else:
                high = limit
            limit = (self.lower + high) / 2
        return None

    def _anneal(self) -> None:
        """Improve the incumbent; exact answers do not depend on it, times do."""
        if self._closed() or self._stop() is not None or self.pool.num_experts < 2:
            return
        try:
            from .pairing_search import anneal_counts
        except ImportError:  # no numba
            return
        start = water_filling(self.pool)
        seeds = max(1, min(MOST_SEEDS, 256 // self.pool.num_experts))
        for shift, part in itertools.product(range(seeds), AIMS):
            aim = self.lower + part * (self.upper - self.lower)
            counts = anneal_counts(self.pool.loads, start, aim, ANNEALING_STEPS, self.limits.seed + shift)
            self._offer(pair_counts(self.pool, counts))
            self.work -= ANNEALING_WORK / seeds
            if self._closed() or self._stop() is not None:
                return

    def _decide(self) -> StopReason:
        """Close the gap with the integer model, after a quick search for a good incumbent."""
        self._anneal()
        while not self._closed():
            limit = self._target()
            cols, proven = self._columns(limit)
            if cols is None or proven:
                self._raise(limit, COUNTS)
            elif (stop := self._counts(limit, cols)) is not None:
                return stop
        return StopReason.GAP

    def _counts(self, limit: float, cols: Columns) -> StopReason | None:
        """Find counts within the limit or prove that there are none; a reason if neither succeeds."""
        while (stop := self._stop()) is None:
            rows = [(row, self.pool.ranks) for e, load in self.crowds if (row := _crowd_row(cols, e, load)).any()]
            seconds, work = min(self._seconds(), 1e9), min(self.work, 1e9)
            answer = integer_counts(self.pool, cols, rows, seconds, work, self.limits.seed, self.best.counts(self.pool))
            self.work -= MODEL_WORK + answer.work
            if answer.proven:
                self._raise(limit, MATCHING)
                return None
            if answer.counts is None:
                return answer.stop
            if self._accept(answer.counts, cols.limit):
                self.improved = True
                return None
        return stop

    def _accept(self, counts: Ints, limit: float) -> bool:
        """Make a packing of counts within the limit; False if ``distinct`` forbids it (and a row that says so)."""
        pool = self.pool
        if pool.distinct:
            if pair_distinct(pool, counts, limit) is None:
                expert = crowded(pool, counts, limit)
                if expert is None:
                    raise SolverError("CP-SAT returned counts that break the chain of its own model")
                self.crowds.append((expert, float(pool.loads[expert] / counts[expert])))
                return False
        else:  # more replicas of a light expert never hurt
            counts = counts.copy()
            counts[np.argmin(pool.loads / counts)] += pool.slots - counts.sum()
        before = self.upper
        self._offer(pair_counts(pool, counts))
        if self.upper >= before:
            raise SolverError(f"CP-SAT returned counts that do not fit within the limit {limit!r} of its own model")
        return True

    def _columns(self, limit: float) -> tuple[Columns | None, bool]:
        """Columns that counts within the limit may use; and whether the relaxation proves that there are none."""
        cols = columns(self.pool, limit)
        if cols is None:
            self._keep(lonely_certificate(self.pool, limit))
            return None, True
        if cols.expert.size > MOST_COLUMNS:
            raise SolverError(f"{cols.expert.size} columns are too many for the matching model")
        self.work -= RELAXATION_WORK
        duals = relaxation(self.pool, cols, self._seconds())
        bound, with_column = slot_bound(self.pool, cols, duals)
        if bound > self.pool.slots:
            self._keep(chain_certificate(self.pool, cols, duals, limit))
            return None, True
        return cols.keep(with_column <= self.pool.slots), False

    def _keep(self, proof: CutCertificate) -> None:
        if certificate_holds(self.pool, proof):
            self.proof = proof

    def _target(self) -> float:
        """The next limit to decide: the last one, as the incumbent may be optimal; if it was not, one half-way."""
        last = self._last_target()
        return min((self.lower + self.upper) / 2, last) if self.improved else last

    def _last_target(self) -> float:
        return self.upper / (1 + max(self.limits.gap * (1 - 1e-6), FINEST))

    def _raise(self, limit: float, method: str) -> None:
        """No packing is within the limit: the optimum is at least the next sum of two replica loads."""
        self.lower, self.bound_method = max(limit, next_sum(self.pool, limit, self.upper)), method
        self.improved = False
        self.report(self._outcome(StopReason.TIME))

    def _offer(self, packing: Packing | None) -> None:
        if packing is not None and (value := packing.objective(self.pool)) < self.upper:
            self.best, self.upper = packing, value
            self.report(self._outcome(StopReason.TIME))

    def _closed(self) -> bool:
        return relative_gap(self.upper, self.lower) <= max(self.limits.gap, 2 * FINEST)

    def _seconds(self) -> float:
        return self.deadline - time.monotonic()

    def _stop(self) -> StopReason | None:
        if self._seconds() <= 0:
            return StopReason.TIME
        return StopReason.WORK if self.work <= 0 else None


def prepare() -> None:
    """Compile (or load from the cache) what annealing calls."""
    from .pairing_search import anneal_counts

    pool = Pool(np.arange(1.0, 9.0), 12, 6)
    anneal_counts(pool.loads, water_filling(pool), pool.mean, 1, 0)


def _crowd_row(cols: Columns, expert: int, load: float) -> Bools:
    """Columns of the row "each replica needs its own rank": this expert's at this load or more, and what fits none."""
    if load > cols.limit / 2:
        return np.zeros(cols.expert.size, np.bool_)
    heavy = cols.value > cols.limit / 2
    own: Bools = (cols.expert == expert) & (cols.value >= load) & ~heavy
    blocked: Bools = heavy & (load > cols.limit - cols.value)
    return own | blocked
