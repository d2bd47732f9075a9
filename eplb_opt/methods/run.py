"""Running a method on a pool: whatever fails, an outcome comes back and the warm start is kept."""

from __future__ import annotations

import math
from numbers import Real

from ..errors import shown
from ..outcome import PoolOutcome
from ..problem.status import StopReason
from . import METHODS
from .task import Report, Task


def run(name: str, task: Task, report: Report = lambda _: None) -> PoolOutcome:
    """Run a method; a solver that fails or is missing is reported in the outcome, never raised.

    ``report`` is told of what the method has found and proven, whenever that has become better.
    """
    try:
        improve = METHODS[name].improve
        if improve is None:
            raise TypeError(f"{name} improves no pools: it places whole instances")
        outcome = improve(task.begun(), report)
        fault = _fault(task, outcome)
        if fault:
            return _failed(task, name, fault)
        return outcome
    except Exception as error:  # a worker must answer: the cause goes into the certificate and a warning
        return _failed(task, name, f"{type(error).__name__}: {error}")


def _fault(task: Task, outcome: PoolOutcome) -> str:
    """What cannot be an outcome of the task's pool, packing or bound; empty if it can."""
    bound = outcome.lower_bound
    if bound is not None and not (isinstance(bound, Real) and bound < math.inf):
        return f"invalid bound from {outcome.method}: {shown(bound)}"
    if outcome.packing is None:
        return ""
    faults = outcome.packing.violations(task.pool)
    return f"invalid packing from {outcome.method}: {faults[0]}" if faults else ""


def _failed(task: Task, name: str, note: str) -> PoolOutcome:
    return PoolOutcome(task.incumbent, None, StopReason.FAILED, name, note=note)
