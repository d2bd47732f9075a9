"""A pool: cheapest proof first. Whatever fails, an outcome comes back and the warm start is kept."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from .bounds.names import CUTS, PATTERNS
from .bounds.proofs import Certificate
from .limits import Limits
from .outcome import PoolOutcome, StopReason
from .pool import Packing, Pool

# Seconds of the first steps, or the same in units of Limits.work. Most layers end with the search before the bound,
# most pools of few experts with the first proof by rank patterns.
FIRST_SEARCH, FIRST_PROOF, FIRST_COUNTS, FIRST_WINDOWS, PATTERN_LP = 0.25, 0.5, 1.0, 2.0, 0.5
FULL_SEARCH = 64  # slots from which on the first search is that long: smaller pools are proven sooner than searched
WINDOW_SHARE = 0.25  # of the time that is left then, for the first windows, where no more than the mean is proven
COUNT_SHARE = 0.3  # of the time after that, for the proof by enumerating counts; little is used where they are too many
PROOF_SHARE = 0.6  # of the time after the first steps, for the proof by rank patterns
MOST_LP_SLOTS = 48  # of pools whose linear program over patterns is worth solving; in larger ones it gives the mean
MOST_EXPERTS = 64  # of pools whose rank contents are worth listing; in larger ones the search meets the bound
SEARCH_WORK = 15_000_000  # the search's own work of one unit
BOUND_ATTEMPTS = 2  # the second time with more time and a better incumbent


@dataclass(frozen=True, eq=False)
class Task:
    """What a worker process is told.

    Attributes
    ----------
    pool : Pool
    incumbent : Packing
        Valid warm start.
    lower_bound : float
        Proven so far.
    target, cutoff : float
        The layer's bound and objective: a packing as light as the target is good enough, one as heavy as the cutoff is
        of no use.
    limits : Limits
        ``seconds`` is this task's share.
    attempt : int
        0 for the first task on this pool.
    """

    pool: Pool
    incumbent: Packing
    lower_bound: float
    limits: Limits
    attempt: int = 0
    target: float = 0.0
    cutoff: float = math.inf


def run(method: str, task: Task) -> PoolOutcome:
    """Run a method; a solver that fails or is missing is reported in the outcome, never raised."""
    try:
        outcome = METHODS[method](task)
        found = outcome.packing.violations(task.pool) if outcome.packing is not None else []
        if found:
            return _failed(task, method, f"invalid packing from {outcome.method}: {found[0]}")
        return outcome
    except Exception as error:  # a worker must answer: the cause goes into the certificate and a warning
        return _failed(task, method, f"{type(error).__name__}: {error}")


@functools.cache
def prepare() -> None:
    """Load and compile what `optimal` needs, so that compiling counts against no layer's share of the time."""
    from .exact import counts, matching, patterns  # noqa: F401
    from .heuristics import search, windows

    search.prepare()
    counts.prepare()
    windows.prepare()


def _failed(task: Task, method: str, note: str) -> PoolOutcome:
    return PoolOutcome(task.incumbent, None, StopReason.FAILED, method, note=note)


def _milp(task: Task) -> PoolOutcome:
    from .exact.assignment_milp import solve_milp

    return solve_milp(task.pool, task.incumbent, task.limits)


def _cpsat(task: Task) -> PoolOutcome:
    from .exact.assignment_cpsat import solve_cpsat

    return solve_cpsat(task.pool, task.incumbent, task.limits)


def _optimal(task: Task) -> PoolOutcome:
    prepare()
    if task.pool.slots_per_rank <= 2:
        from .exact.matching import solve_matching

        least = max(task.lower_bound, task.target)
        outcome = solve_matching(task.pool, task.incumbent, task.limits, least, task.cutoff)
        if outcome.stop is not StopReason.FAILED:
            return outcome
    return _Attempt(task).run()  # three or more slots a rank, or a pool too large for the matching model


class _Attempt:
    """One attempt at a pool of any kind: search, cuts, rank patterns, windows of counts, search again."""

    def __init__(self, task: Task) -> None:
        self.task, self.pool, self.limits = task, task.pool, task.limits
        self.packing, self.method = task.incumbent, "warm start"
        self.objective = min(self.packing.objective(self.pool), task.cutoff)  # what a packing must be lighter than
        self.lower, self.bound_method = max(task.lower_bound, task.target), ""  # "": nothing proven here
        self.proof: Certificate | None = None
        self.deadline = None if self.limits.seconds is None else time.monotonic() + self.limits.seconds

    def run(self) -> PoolOutcome:
        """Each step only if the gap is still open and time is left."""
        if self.task.attempt == 0:
            self._search(FIRST_SEARCH * min(1.0, (self.pool.slots / FULL_SEARCH) ** 2), seed=0)
        if self._open() and self.task.attempt < BOUND_ATTEMPTS:
            self._cuts()
        if self._open() and self.task.attempt == 0 and self.pool.slots <= MOST_LP_SLOTS:
            self._pattern_lp()
        few = self.pool.num_experts <= MOST_EXPERTS
        if few:
            self._patterns(FIRST_PROOF)
        self._counts(FIRST_COUNTS)
        if few:
            is_mean = self.lower <= self.pool.mean * (1 + 1e-9)  # then it is the search that is open, not the bound
            self._windows(max(FIRST_WINDOWS, WINDOW_SHARE * is_mean * self._remaining()), seed=2 * self.task.attempt)
        if COUNT_SHARE * self._remaining() > FIRST_COUNTS:
            self._counts(COUNT_SHARE * self._remaining())
        if few:
            self._patterns(PROOF_SHARE * self._remaining())
            self._windows(self._remaining(), seed=2 * self.task.attempt + 1)  # returns soon where patterns are too many
        self._search(None, seed=1 + self.task.attempt)
        limit = StopReason.WORK if self.deadline is None else StopReason.TIME
        stop = StopReason.GAP if self.objective <= self.lower * (1 + self.limits.gap) else limit
        lower = self.lower if self.bound_method else None
        return PoolOutcome(self.packing, lower, stop, self.method, self.bound_method or None, proof=self.proof)

    def _open(self) -> bool:
        late = self.deadline is not None and time.monotonic() >= self.deadline
        return self.objective > self.lower * (1 + self.limits.gap) and not late

    def _left(self) -> float | None:
        return None if self.deadline is None else max(self.deadline - time.monotonic(), 1e-3)

    def _remaining(self) -> float:
        """The time that is left, or the work of a step."""
        left = self._left()
        return (self.limits.work or 1.0) if left is None else left

    def _within(self, share: float | None) -> tuple[int | None, float | None]:
        """Work and deadline of ``share`` seconds (or units of work), or of all that is left."""
        if self.deadline is None:
            units = self.limits.work or 1.0
            return int(SEARCH_WORK * (units if share is None else min(share, units))), None
        return None, self.deadline if share is None else min(self.deadline, time.monotonic() + share)

    def _search(self, share: float | None, seed: int) -> None:
        from .heuristics.search import search

        if self._open():
            work, deadline = self._within(share)
            found = search(
                self.pool, self.packing, target=self.lower * (1 + self.limits.gap), work=work,
                seed=self.limits.seed * 1000 + seed, deadline=deadline,
            )  # fmt: skip
            self._take(found, "search")

    def _windows(self, share: float, seed: int) -> None:
        from .heuristics.windows import window_search

        if self._open() and self.lower > 0:
            work, deadline = self._within(share)
            found = window_search(
                self.pool, self.packing, target=self.lower * (1 + self.limits.gap), work=work,
                seed=self.limits.seed * 1000 + seed, deadline=deadline,
            )  # fmt: skip
            self._take(found, "count windows")

    def _cuts(self) -> None:
        from .bounds.cuts import cut_bound

        bound, certificate = cut_bound(self.pool, self.objective, self.limits.gap, self._left())
        if certificate is not None and bound > self.lower:
            self.lower, self.bound_method, self.proof = bound, CUTS, certificate

    def _pattern_lp(self) -> None:
        from .bounds.patterns import pattern_bound

        seconds = None if self.deadline is None else PATTERN_LP
        bound, certificate = pattern_bound(self.pool, self.objective, self.limits.gap, seconds, self.lower)
        if certificate is not None and bound > self.lower:
            self.lower, self.bound_method, self.proof = bound, PATTERNS, certificate

    def _patterns(self, share: float) -> None:
        from .exact.patterns import solve_patterns

        self._prove(solve_patterns, share)

    def _counts(self, share: float) -> None:
        from .exact.counts import solve_counts

        self._prove(solve_counts, share)

    def _prove(self, solve: Callable[[Pool, Packing, Limits, float], PoolOutcome], share: float) -> None:
        """Let a method raise the bound, or find a better packing, for a share of the time or work."""
        if not self._open():
            return
        left = self._left()
        limits = replace(self.limits, seconds=None if left is None else min(share, left))
        if left is None:
            limits = replace(limits, work=min(share, self.limits.work or 1.0))
        outcome = solve(self.pool, self.packing, limits, self.lower)
        if outcome.packing is not None:
            self._take(outcome.packing, outcome.method)
        if outcome.lower_bound is not None and outcome.lower_bound > self.lower:
            self.lower, self.bound_method = outcome.lower_bound, outcome.bound_method or outcome.method

    def _take(self, packing: Packing, method: str) -> None:
        objective = packing.objective(self.pool)
        if objective < self.objective:
            self.packing, self.objective, self.method = packing, objective, method


# Method -> how it improves a pool. `greedy` needs no task; `optimal` is the portfolio.
METHODS: dict[str, Callable[[Task], PoolOutcome]] = {"milp": _milp, "cpsat": _cpsat, "optimal": _optimal}
