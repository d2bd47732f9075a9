"""One attempt at a pool: the steps of a schedule, on one bracket and one budget."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..bracket import Bracket
from ..budget import Budget
from ..highs import collected_failures
from ..outcome import PoolOutcome
from ..problem.pool import Packing, without_repeats
from ..problem.status import StopReason
from .task import Report, Task

# Calls with different seeds of the limits have no random numbers in common.
SEEDS_A_TASK = 1000


def _no_seed(_: Attempt) -> int:
    return 0


@dataclass(frozen=True)
class Step:
    """A step of the portfolio.

    Attributes
    ----------
    name : str
        In notes.
    run : callable
        Raises the attempt's bracket, or offers it a packing, within a budget, with a seed.
    when : callable
        Whether it is of use.
    amount : callable
        What it may spend: seconds, or without a clock units of ``Limits.work``.
    seed : callable
        Which random numbers it takes.
    modules : tuple of str
        What it imports, below the package: that is done before its time begins.
    """

    name: str
    run: Callable[[Attempt, Budget, int], None]
    when: Callable[[Attempt], bool]
    amount: Callable[[Attempt], float]
    seed: Callable[[Attempt], int] = _no_seed
    modules: tuple[str, ...] = ()


class Attempt:
    """One attempt at a pool of any kind.

    A step that raises costs what it would have found, nothing more: the others go on, and the outcome's note says so.
    """

    def __init__(self, task: Task, report: Report) -> None:
        self.pool = task.pool
        self.limits = task.limits
        self.number = task.attempt
        self.report = report
        # The pool without repeats on a rank, if that is another one and possible, and the best packing of it.
        self.apart = without_repeats(task.pool)
        self.packing_apart: Packing | None = None
        self.failures: dict[str, str] = {}  # of steps, by name
        self.budget = Budget.of(task.limits)
        # A clock alone limits searches; without one, a limit on work holds for each step.
        self.budget.work = (
            math.inf if self.budget.has_clock else task.limits.work or 1.0
        )
        self.bracket = Bracket(
            task.pool,
            task.incumbent,
            "warm start",
            lower=max(task.lower_bound, task.target),
            gap=task.limits.gap,
            cutoff=task.cutoff,
            report=lambda _: report(self.outcome()),
        )

    def run(self, schedule: Sequence[Step]) -> PoolOutcome:
        """Each step only if the gap is still open and time is left."""
        for step in schedule:
            if step.when(self):
                self._take(step)
        return self.outcome()

    def start_from(self, outcome: PoolOutcome) -> None:
        """Take what another method knows, its bound too."""
        self.take(outcome)
        if outcome.note:
            self.failures[outcome.method] = outcome.note

    def take(self, outcome: PoolOutcome) -> None:
        """Take a lighter packing and a larger bound."""
        self.bracket.offer(outcome.packing, outcome.method)
        self.bracket.raise_to(
            outcome.lower_bound, outcome.bound_method or outcome.method, outcome.proof
        )

    def remaining(self) -> float:
        """The seconds that are left, or the work of a step."""
        return self.budget.seconds() if self.budget.has_clock else self.budget.work

    def outcome(self) -> PoolOutcome:
        """What is known now."""
        stop = StopReason.TIME if self.budget.has_clock else StopReason.WORK
        if self.failures:
            stop = StopReason.FAILED
        if not self.bracket.is_open():
            stop = StopReason.GAP
        note = "; ".join(f"{step}: {cause}" for step, cause in self.failures.items())
        return self.bracket.outcome(stop, note)

    def _take(self, step: Step) -> None:
        if not self.bracket.is_open() or self.budget.stop() is not None:
            return
        seed = step.seed(self) + self.limits.seed * SEEDS_A_TASK
        with collected_failures() as causes:
            try:
                for module in step.modules:
                    importlib.import_module(f"...{module}", __name__)
                step.run(self, self.budget.part(step.amount(self)), seed)
            except Exception as error:  # any step may fail in its own way: what the others found is kept
                causes.append(f"{type(error).__name__}: {error}")
        if causes:
            self.failures[step.name] = "; ".join(causes)
