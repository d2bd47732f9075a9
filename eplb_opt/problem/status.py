"""What is known about an objective, why a method stopped, and when two figures agree."""

from __future__ import annotations

import math
from enum import Enum

# What sums of the same loads in another order may differ by: n terms lose n / 2^53 relatively, and no layer has 8
# million replicas; below the normal floats, where nothing is relative, half the smallest of them each.
ROUNDING = 1e-9
UNDERFLOW = 2.0**-1050


class Status(str, Enum):
    """What is known about an objective.

    Examples
    --------
    >>> from eplb_opt import Status
    >>> Status("OPTIMAL") is Status.OPTIMAL  # as reports have it
    True
    """

    OPTIMAL = "OPTIMAL"  # proven within the gap of the limits
    FEASIBLE = "FEASIBLE"  # valid, gap open

    def __str__(self) -> str:
        return self.value


class StopReason(str, Enum):
    """Why a method stopped.

    Examples
    --------
    >>> from eplb_opt import StopReason
    >>> str(StopReason.TIME)
    'time limit'
    """

    GAP = "gap reached"
    TIME = "time limit"
    WORK = "work limit"
    COMPLETED = "heuristic completed"
    TOO_LARGE = "model too large for the limits"
    FAILED = "solver failed"
    INTERRUPTED = "interrupted"
    NOT_TRIED = "not tried: no time was left"

    def __str__(self) -> str:
        return self.value


def relative_gap(objective: float, lower_bound: float | None) -> float:
    """``objective / lower_bound - 1``; 0 where the bound is met, infinite without a positive bound."""
    if lower_bound is not None and objective <= lower_bound:
        return 0.0
    if lower_bound is None or lower_bound <= 0:
        return math.inf
    return objective / lower_bound - 1


def exceeds(value: float, limit: float) -> bool:
    """Whether a load is above another beyond rounding; NaN always is."""
    return not value <= limit * (1 + ROUNDING) + UNDERFLOW


def agrees(value: float, other: float) -> bool:
    """Whether two figures are the same up to rounding; NaN agrees with nothing."""
    return not (exceeds(value, other) or exceeds(other, value))
