"""What a method found on a pool, what it proved, and why it stopped: three separate things."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from .pool import Packing, Pool

if TYPE_CHECKING:
    from .bounds.proofs import Certificate

# What sums of the same loads in another order may differ by: n terms lose n / 2^53 relatively, and no layer has 8
# million replicas; below the normal floats, where nothing is relative, half the smallest of them each.
ROUNDING = 1e-9
UNDERFLOW = 2.0**-1050


class Status(str, Enum):
    """What is known about an objective."""

    OPTIMAL = "OPTIMAL"  # proven within the gap of the limits
    FEASIBLE = "FEASIBLE"  # valid, gap open

    def __str__(self) -> str:
        return self.value


class StopReason(str, Enum):
    """Why a method stopped."""

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


@dataclass(frozen=True, eq=False)
class PoolOutcome:
    """The result of one method on one pool.

    ``packing`` is None if the method found none; ``lower_bound`` is None if it proved none (never 0 by default).
    ``bound_method`` names what proved the bound; ``note`` says what a user should know (a fallback's cause); ``proof``
    is a certificate that can be checked without a solver, of the bound or of one below it.
    """

    packing: Packing | None
    lower_bound: float | None
    stop: StopReason
    method: str
    bound_method: str | None = None
    note: str = ""
    proof: Certificate | None = None

    def objective(self, pool: Pool) -> float:
        """Recomputed load of the heaviest rank, infinite without a packing."""
        return math.inf if self.packing is None else self.packing.objective(pool)


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
