"""One task: a method on a pool. Whatever fails, an outcome comes back and the warm start is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .limits import Limits
from .outcome import PoolOutcome, StopReason
from .pool import Packing, Pool


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


def _failed(task: Task, method: str, note: str) -> PoolOutcome:
    return PoolOutcome(task.incumbent, None, StopReason.FAILED, method, note=note)


def _milp(task: Task) -> PoolOutcome:
    from .exact.assignment_milp import solve_milp

    return solve_milp(task.pool, task.incumbent, task.limits)


def _cpsat(task: Task) -> PoolOutcome:
    from .exact.assignment_cpsat import solve_cpsat

    return solve_cpsat(task.pool, task.incumbent, task.limits)


# Method -> how it improves a pool. `greedy` needs no task; `optimal` is the portfolio.
METHODS: dict[str, Callable[[Task], PoolOutcome]] = {"milp": _milp, "cpsat": _cpsat, "optimal": _cpsat}
