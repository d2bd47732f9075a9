"""Task: what a method is asked to do with one pool."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from ..limits import Limits
from ..outcome import PoolOutcome
from ..problem.pool import Packing, Pool


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
    target, cutoff : float
        The layer's bound and objective: a packing as light as the target is good enough, one as heavy as the cutoff is
        of no use.
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
        return replace(
            self, limits=self.limits.with_seconds(min(self.limits.seconds, left))
        )


# Told of what a method has found and proven, whenever that has become better.
Report = Callable[[PoolOutcome], None]
