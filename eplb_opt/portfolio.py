"""A pool: cheapest proof first. Whatever fails, an outcome comes back and the warm start is kept."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from .certificates.names import CUTS, PATTERNS
from .certificates.registry import Certificate
from .errors import SolverError
from .highs import collected_failures
from .limits import Limits
from .outcome import PoolOutcome
from .problem.pool import Packing, Pool
from .problem.status import StopReason

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
    deadline : float or None
        ``time.monotonic()``, which all processes of a machine share, at which the whole call ends: a worker that is
        still starting has less than its share.
    """

    pool: Pool
    incumbent: Packing
    lower_bound: float
    limits: Limits
    attempt: int = 0
    target: float = 0.0
    cutoff: float = math.inf
    deadline: float | None = None

    def begun(self) -> Task:
        """The task with what is left for it now."""
        if self.deadline is None or self.limits.seconds is None:
            return self
        left = self.deadline - time.monotonic()
        return replace(self, limits=self.limits.with_seconds(min(self.limits.seconds, left)))


Report = Callable[[PoolOutcome], None]


def run(method: str, task: Task, report: Report = lambda _: None) -> PoolOutcome:
    """Run a method; a solver that fails or is missing is reported in the outcome, never raised.

    ``report`` is told of what the method has found and proven, whenever that has become better.
    """
    try:
        outcome = METHODS[method](task.begun(), report)
        found = outcome.packing.violations(task.pool) if outcome.packing is not None else []
        if found:
            return _failed(task, method, f"invalid packing from {outcome.method}: {found[0]}")
        return outcome
    except Exception as error:  # a worker must answer: the cause goes into the certificate and a warning
        return _failed(task, method, f"{type(error).__name__}: {error}")


def _failed(task: Task, method: str, note: str) -> PoolOutcome:
    return PoolOutcome(task.incumbent, None, StopReason.FAILED, method, note=note)


def _milp(task: Task, report: Report) -> PoolOutcome:
    from .exact.assignment_milp import solve_milp

    return solve_milp(task.pool, task.incumbent, task.limits)


def _cpsat(task: Task, report: Report) -> PoolOutcome:
    from .exact.assignment_cpsat import solve_cpsat

    return solve_cpsat(task.pool, task.incumbent, task.limits)


def _optimal(task: Task, report: Report) -> PoolOutcome:
    if task.pool.slots_per_rank <= 2:
        from .exact.matching import solve_matching

        least = max(task.lower_bound, task.target)
        outcome = solve_matching(task.pool, task.incumbent, task.limits, least, task.cutoff, report)
        if outcome.stop is not StopReason.FAILED:
            return outcome
        attempt = _Attempt(task, report)  # the pool is too large for the matching model
        attempt.start_from(outcome)
        return attempt.run()
    return _Attempt(task, report).run()


class _Attempt:
    """One attempt at a pool of any kind: search, cuts, rank patterns, windows of counts, search again.

    A step that raises costs what it would have found, nothing more: the others go on, and the outcome's note says so.
    """

    def __init__(self, task: Task, report: Report) -> None:
        self.task, self.pool, self.limits = task, task.pool, task.limits
        self.report = report
        self.failures: dict[str, str] = {}  # of steps, by name
        self.packing, self.method = task.incumbent, "warm start"
        self.objective = min(self.packing.objective(self.pool), task.cutoff)  # what a packing must be lighter than
        self.lower, self.bound_method = max(task.lower_bound, task.target), ""  # "": nothing proven here
        self.proof: Certificate | None = None
        self.deadline = None if self.limits.seconds is None else time.monotonic() + self.limits.seconds

    def run(self) -> PoolOutcome:
        """Each step only if the gap is still open and time is left."""
        task = self.task
        if task.attempt == 0:
            self._search(FIRST_SEARCH * min(1.0, (self.pool.slots / FULL_SEARCH) ** 2), seed=0)
        if task.attempt < BOUND_ATTEMPTS:
            self._step("cuts", self._cuts)
        if task.attempt == 0 and self.pool.slots <= MOST_LP_SLOTS:
            self._step("pattern LP", self._pattern_lp)
        few = self.pool.num_experts <= MOST_EXPERTS
        if few:
            self._patterns(FIRST_PROOF)
        self._counts(FIRST_COUNTS)
        if few:
            is_mean = self.lower <= self.pool.mean * (1 + 1e-9)  # then it is the search that is open, not the bound
            self._windows(max(FIRST_WINDOWS, WINDOW_SHARE * is_mean * self._remaining()), seed=2 * task.attempt)
        if COUNT_SHARE * self._remaining() > FIRST_COUNTS:
            self._counts(COUNT_SHARE * self._remaining())
        if few:
            self._patterns(PROOF_SHARE * self._remaining())
            self._windows(self._remaining(), seed=2 * task.attempt + 1)  # returns soon where patterns are too many
        self._search(None, seed=1 + task.attempt)
        return self._outcome()

    def start_from(self, outcome: PoolOutcome) -> None:
        """Take what another method knows, its bound too."""
        if outcome.packing is not None:
            self._take(outcome.packing, outcome.method)
        self._raise(outcome.lower_bound, outcome.bound_method or outcome.method, outcome.proof)
        if outcome.note:
            self.failures[outcome.method] = outcome.note

    def _outcome(self) -> PoolOutcome:
        """What is known now."""
        stop = StopReason.WORK if self.deadline is None else StopReason.TIME
        if self.failures:
            stop = StopReason.FAILED
        if self.objective <= self.lower * (1 + self.limits.gap):
            stop = StopReason.GAP
        lower = self.lower if self.bound_method else None
        note = "; ".join(f"{step}: {cause}" for step, cause in self.failures.items())
        return PoolOutcome(self.packing, lower, stop, self.method, self.bound_method or None, note, self.proof)

    def _step(self, name: str, step: Callable[[], None]) -> None:
        """Run a step; report where it has found or proven something."""
        if not self._open():
            return
        known = self.objective, self.lower
        with collected_failures() as causes:
            try:
                step()
            except Exception as error:  # any step may fail in its own way: what the others found is kept
                causes.append(f"{type(error).__name__}: {error}")
        if causes:
            self.failures[name] = "; ".join(causes)
        if known != (self.objective, self.lower):
            self.report(self._outcome())

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
        def step() -> None:
            from .search.search import search

            work, deadline = self._within(share)
            found = search(
                self.pool, self.packing, target=self.lower * (1 + self.limits.gap), work=work,
                seed=self.limits.seed * 1000 + seed, deadline=deadline,
            )  # fmt: skip
            self._take(found, "search")

        self._step("search", step)

    def _windows(self, share: float, seed: int) -> None:
        def step() -> None:
            from .search.count_ranges import window_search

            work, deadline = self._within(share)
            found = window_search(
                self.pool, self.packing, target=self.lower * (1 + self.limits.gap), work=work,
                seed=self.limits.seed * 1000 + seed, deadline=deadline,
            )  # fmt: skip
            self._take(found, "count windows")

        if self.lower > 0:
            self._step("count windows", step)

    def _cuts(self) -> None:
        from .bounds.cuts import cut_bound

        bound, certificate = cut_bound(self.pool, self.objective, self.limits.gap, self._left())
        if certificate is not None:
            self._raise(bound, CUTS, certificate)

    def _pattern_lp(self) -> None:
        from .bounds.patterns import pattern_bound

        seconds = None if self.deadline is None else PATTERN_LP
        bound, certificate = pattern_bound(self.pool, self.objective, self.limits.gap, seconds, self.lower)
        if certificate is not None:
            self._raise(bound, PATTERNS, certificate)

    def _patterns(self, share: float) -> None:
        from .exact.cover import solve_patterns

        self._step("rank patterns", lambda: self._prove(solve_patterns, share))

    def _counts(self, share: float) -> None:
        from .exact.counts import solve_counts

        self._step("count enumeration", lambda: self._prove(solve_counts, share))

    def _prove(self, solve: Callable[[Pool, Packing, Limits, float], PoolOutcome], share: float) -> None:
        """Let a method raise the bound, or find a better packing, for a share of the time or work."""
        left = self._left()
        limits = replace(self.limits, seconds=None if left is None else min(share, left))
        if left is None:
            limits = replace(limits, work=min(share, self.limits.work or 1.0))
        outcome = solve(self.pool, self.packing, limits, self.lower)
        if outcome.packing is not None:
            self._take(outcome.packing, outcome.method)
        self._raise(outcome.lower_bound, outcome.bound_method or outcome.method)

    def _raise(
        self, bound: float | None, method: str, proof: Certificate | None = None
    ) -> None:  # fmt: skip
        """Take a larger bound."""
        if bound is not None and bound > self.lower:
            self.lower = bound
            self.bound_method = method
            self.proof = proof or self.proof

    def _take(self, packing: Packing, method: str) -> None:
        """Take a lighter packing.

        Raises
        ------
        SolverError
            It is no solution of the pool.
        """
        found = packing.violations(self.pool)
        if found:
            raise SolverError(f"invalid packing from {method}: {found[0]}")
        objective = packing.objective(self.pool)
        if objective < self.objective:
            self.packing = packing
            self.objective = objective
            self.method = method


# Method -> how it improves a pool. `greedy` needs no task; `optimal` is the portfolio.
METHODS: dict[str, Callable[[Task, Report], PoolOutcome]] = {"milp": _milp, "cpsat": _cpsat, "optimal": _optimal}
