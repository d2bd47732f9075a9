"""What a method found on a pool, what it proved, and why it stopped: three separate things."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .certificates.registry import Certificate
from .problem.pool import Packing, Pool
from .problem.status import StopReason


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
