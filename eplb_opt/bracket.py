"""Bracket: the best packing of a pool, the best bound, and where each came from."""

from __future__ import annotations

import math
from collections.abc import Callable

from .certificates.registry import Certificate
from .errors import SolverError
from .outcome import PoolOutcome
from .problem.pool import Packing, Pool
from .problem.status import StopReason


class Bracket:
    """What is known about a pool while it is solved: it is never worse than before, but where a packing is chosen.

    Parameters
    ----------
    pool : Pool
    packing : Packing
        A solution to start from.
    method : str
        What found it.
    lower : float, default 0
        A proven lower bound in units of load, or a load that is good enough.
    bound_method : str, default ""
        What proved ``lower``; empty: nothing was proven here.
    gap : float, default 0
        Relative distance of ``upper`` and ``lower`` at which the bracket is closed.
    cutoff : float, default infinity
        Packings of this load or more are of no use.
    value : callable, optional
        What a packing counts for; by default its objective.
    report : callable, optional
        Told of the bracket whenever it has become better.

    Attributes
    ----------
    packing : Packing
        The best one.
    upper : float
        What it counts for, or the cutoff if that is less.
    proof : Certificate or None
        Of a bound, if it has one.
    """

    def __init__(
        self,
        pool: Pool,
        packing: Packing,
        method: str,
        *,
        lower: float = 0.0,
        bound_method: str = "",
        gap: float = 0.0,
        cutoff: float = math.inf,
        value: Callable[[Packing], float] | None = None,
        report: Callable[[Bracket], None] | None = None,
    ) -> None:
        self.pool = pool
        self.packing = packing
        self.method = method
        self.lower = lower
        self.bound_method = bound_method
        self.gap = gap
        self.proof: Certificate | None = None
        self._value = value
        self._report = report
        self.upper = min(self.value(packing), cutoff)

    def value(self, packing: Packing) -> float:
        """What a packing counts for."""
        return (
            packing.objective(self.pool)
            if self._value is None
            else self._value(packing)
        )

    def offer(self, packing: Packing | None, method: str) -> bool:
        """Take a packing if it is lighter; whether it was.

        Raises
        ------
        SolverError
            It is no solution of the pool.
        """
        if packing is None:
            return False
        faults = packing.violations(self.pool)
        if faults:
            raise SolverError(f"invalid packing from {method}: {faults[0]}")
        value = self.value(packing)
        if value >= self.upper:
            return False
        self.packing = packing
        self.upper = value
        self.method = method
        self._tell()
        return True

    def take_instead(self, packing: Packing) -> None:
        """Have another packing, though it may be heavier: it was chosen for something else."""
        self.packing = packing
        self.upper = self.value(packing)

    def raise_to(
        self, bound: float | None, method: str, proof: Certificate | None = None
    ) -> bool:
        """Take a bound if it is larger; whether it was. Without a proof, that of an earlier bound is kept."""
        if bound is None or bound <= self.lower:
            return False
        self.lower = bound
        self.bound_method = method
        self.proof = proof or self.proof
        self._tell()
        return True

    def is_open(self) -> bool:
        """Whether upper and lower are further apart than the gap."""
        return self.upper > self.lower * (1 + self.gap)

    def outcome(self, stop: StopReason, note: str = "") -> PoolOutcome:
        """What is known now; no bound where nothing was proven here."""
        proven_by = self.bound_method or None
        bound = self.lower if self.bound_method else None
        return PoolOutcome(
            self.packing, bound, stop, self.method, proven_by, note, self.proof
        )

    def _tell(self) -> None:
        if self._report is not None:
            self._report(self)
