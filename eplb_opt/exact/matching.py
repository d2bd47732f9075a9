"""Exact solution of pools with one or two slots a rank (proofs: ``models/README.md``, X1-X5)."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable

import numpy as np

from ..bracket import Bracket
from ..budget import Budget
from ..certificates.certificate import plain_pool
from ..certificates.mean import max_replica_bound, trivial_bound
from ..certificates.names import COUNT_TREE, COUNTS, REPLICA
from ..checker.pool import MARGIN, next_sum
from ..errors import SolverError
from ..highs import collected_failures, go_on_without
from ..limits import Limits
from ..outcome import PoolOutcome
from ..problem.pool import Ints, Packing, Pool
from ..problem.status import StopReason
from .limit_decider import LimitDecider
from .pairing import pair_counts
from .pairing_tree import count_tree
from .threshold import Columns

SINGLE = "s=1 closed form"
MATCHING = "s=2 matching CP-SAT"
FINEST = 2.0**-44  # relative steps below this drown in rounding
COARSE = 2e-4  # relative precision of the search with the relaxation alone
ANNEALING_STEPS = 50_000
ANNEALING_WORK = 0.05
AIMS = (0.1, 0.4)  # loads that annealing aims at, as parts of the open interval
TREE_SHARE = 0.5  # of the time that a proof took, for its certificate
LEAST_TREE = 0.3  # seconds for it, at least
MOST_SEEDS = 6  # annealing runs for each aim; fewer where experts are many, as a step costs that much more


def solve_matching(
    pool: Pool,
    upper: Packing,
    limits: Limits,
    lower: float = 0.0,
    cutoff: float = np.inf,
    report: Callable[[PoolOutcome], None] = lambda _: None,
) -> PoolOutcome:
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
        raise SolverError(
            f"{pool.slots_per_rank} slots a rank: the matching method solves pools with 1 or 2"
        )
    if pool.slots_per_rank == 1:
        return _single(pool, upper)
    return _Halving(
        pool,
        upper,
        limits,
        lower,
        cutoff,
        report,
    ).run()


def water_filling(pool: Pool) -> Ints:
    """Counts [experts]: the ``slots - experts`` largest of ``w_e / k`` win another replica; ties by k, then expert.

    Not those of `problem.water_filling`, whose ties go to the lowest expert: equal loads would get unequal counts, from
    which the searches here would go other ways to other packings.
    """
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


class _Halving:
    """The search for the least limit: everything below the bracket's ``lower`` is impossible."""

    def __init__(
        self,
        pool: Pool,
        upper: Packing,
        limits: Limits,
        lower: float,
        cutoff: float,
        report: Callable[[PoolOutcome], None],
    ) -> None:
        self.pool = pool
        self.limits = limits
        self.budget = Budget.of(limits)
        # then the question is whether this pool is of any use
        self.is_cut_off = cutoff < upper.objective(pool)
        self.start = time.monotonic()
        self.proven = 0.0  # the last limit that the integer model has excluded
        # by the integer model, and it has proven no limit since
        self.improved = False
        self.decider = LimitDecider(pool, self.budget, limits.seed)
        trivial, name = trivial_bound(pool)
        self.bracket = Bracket(
            pool,
            upper,
            MATCHING,
            lower=trivial,
            bound_method=name,
            gap=max(limits.gap, 2 * FINEST),
            cutoff=cutoff,
            report=lambda bracket: report(bracket.outcome(StopReason.TIME)),
        )
        if lower > trivial:
            self.bracket.lower = lower  # the caller's
            self.bracket.bound_method = ""

    def run(self) -> PoolOutcome:
        """Bounds and start, then the relaxation alone, then the integer model, until the gap or a limit is reached."""
        given = self.bracket.packing.counts(self.pool)
        for counts in (given, water_filling(self.pool)):
            self._offer(pair_counts(self.pool, counts))
        stop = StopReason.GAP
        with collected_failures() as causes:
            try:
                if self.bracket.is_open():
                    stop = self._relax() or self._decide()
                    self._certify()
            except SolverError as error:
                stop = StopReason.FAILED
                causes.append(str(error))
            except Exception as error:  # a solver may fail in its own way, too
                stop = StopReason.FAILED
                causes.append(f"{type(error).__name__}: {error}")
        return self.bracket.outcome(stop, "; ".join(causes))  # what is known is kept

    def _relax(self) -> StopReason | None:
        """Raise the bound with the relaxation alone; a reason if a limit stops it."""
        bracket = self.bracket
        high = bracket.upper
        half_way = (bracket.lower + high) / 2
        limit = self._last_target() if self.is_cut_off else half_way
        while high > bracket.lower * (1 + COARSE) and bracket.is_open():
            stop = self.budget.stop()
            if stop is not None:
                return stop
            if self._columns(limit) is not None:
                high = limit
            limit = (bracket.lower + high) / 2
        return None

    def _anneal(self) -> None:
        """Improve the incumbent; exact answers do not depend on it, times do."""
        if not self._goes_on() or self.pool.num_experts < 2:
            return
        try:
            from .pairing_search import anneal_counts
        except ImportError:  # no numba
            return
        bracket = self.bracket
        start = water_filling(self.pool)
        seeds = max(1, min(MOST_SEEDS, 256 // self.pool.num_experts))
        for shift, part in itertools.product(range(seeds), AIMS):
            aim = bracket.lower + part * (bracket.upper - bracket.lower)
            counts = anneal_counts(
                self.pool.loads, start, aim, ANNEALING_STEPS, self.limits.seed + shift
            )
            self._offer(pair_counts(self.pool, counts))
            self.budget.spend(ANNEALING_WORK / seeds)
            if not self._goes_on():
                return

    def _goes_on(self) -> bool:
        return self.bracket.is_open() and self.budget.stop() is None

    def _decide(self) -> StopReason:
        """Close the gap with the integer model, after a quick search for a good incumbent."""
        self._anneal()
        while self.bracket.is_open():
            limit = self._target()
            cols = self._columns(limit)
            if cols is None:
                continue
            stop = self._counts(limit, cols)
            if stop is not None:
                return stop
        return StopReason.GAP

    def _certify(self) -> None:
        """Look for the certificate of the last limit that the integer model has proven."""
        if self.bracket.bound_method != MATCHING:
            return
        try:
            proof = count_tree(self.pool, self.proven, self._tree_budget())
        except SolverError as error:
            go_on_without(error)  # the bound stays, searched
            return
        if proof is not None and proof.holds(self.pool):
            self.bracket.proof = proof
            self.bracket.bound_method = COUNT_TREE

    def _tree_budget(self) -> Budget:
        """A share of the time that the proof took, of what is left."""
        if not self.budget.has_clock:
            return Budget()
        taken = time.monotonic() - self.start
        return self.budget.part(max(TREE_SHARE * taken, LEAST_TREE))

    def _columns(self, limit: float) -> Columns | None:
        """Columns that counts within the limit may use; None: there are no such counts, and the bound was raised."""
        found = self.decider.relax(limit)
        if isinstance(found, Columns):
            return found
        if found.holds(self.pool):
            self.bracket.proof = found
        self._raise(limit, COUNTS)
        return None

    def _counts(self, limit: float, cols: Columns) -> StopReason | None:
        """Find counts within the limit or prove that there are none; a reason if neither succeeds."""
        answer = self.decider.decide(cols, self.bracket.packing.counts(self.pool))
        if answer.proven:
            self.proven = limit
            self._raise(limit, MATCHING)
            return None
        if answer.counts is None:
            return answer.stop
        if not self._offer(pair_counts(self.pool, answer.counts)):
            raise SolverError(
                f"CP-SAT returned counts that do not fit within the limit {cols.limit!r} of its own model"
            )
        self.improved = True
        return None

    def _target(self) -> float:
        """The next limit to decide: the last one, as the incumbent may be optimal; if it was not, one half-way."""
        last = self._last_target()
        half_way = (self.bracket.lower + self.bracket.upper) / 2
        return min(half_way, last) if self.improved else last

    def _last_target(self) -> float:
        """The limit that closes the gap if it is impossible."""
        step = max(self.limits.gap * (1 - 1e-6), FINEST)
        return self.bracket.upper / (1 + step)

    def _raise(self, limit: float, method: str) -> None:
        """No packing is within the limit: the optimum is at least the next sum of two replica loads."""
        least = next_sum(plain_pool(self.pool), limit)
        at_most = self.bracket.upper * (1 - MARGIN)
        self.bracket.raise_to(max(limit, min(least, at_most)), method)
        self.improved = False

    def _offer(self, packing: Packing | None) -> bool:
        return self.bracket.offer(packing, MATCHING)


def compile_kernels() -> None:
    """Compile (or load from the cache) what annealing calls."""
    from .pairing_search import anneal_counts

    pool = Pool(np.arange(1.0, 9.0), 12, 6)
    anneal_counts(pool.loads, water_filling(pool), pool.mean, 1, 0)
