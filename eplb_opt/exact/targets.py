"""Targets between bound and incumbent: what is possible within one says something about the optimum (X8, X10)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..bracket import Bracket
from ..budget import Budget
from ..certificates.certificate import Certificate
from ..certificates.mean import trivial_bound
from ..certificates.rank_model import SCALE_BITS
from ..errors import SolverError
from ..limits import Limits
from ..outcome import PoolOutcome
from ..problem.pool import Packing, Pool
from ..problem.status import StopReason

TICKS_PER_WORK = 80_000_000  # ticks of a unit of Limits.work
CHEAP = 2_000_000  # ticks of a target after which the step to the next one doubles
LOOK = 20_000  # ticks of a target at least: setting it up takes time, too
SHARE = 0.5  # of what is left of the limits, for a target from above
NEARER = 0.25  # how much nearer to the bound the next target is where one was too much
TRIES = 3  # how often it may be


@dataclass(frozen=True, eq=False)
class Verdict:
    """What is possible within a target.

    Attributes
    ----------
    packing : Packing or None
        One within the target.
    impossible : bool
        There is none; with a packing as well, that is said of ``target``, below the packing.
    ticks : float
        What was spent, in the method's unit.
    stop : StopReason
        Why the search stopped, if there is neither.
    target : float
        See ``impossible``.
    proof : Certificate or None
        That it is impossible, if the proof is short.
    """

    packing: Packing | None
    impossible: bool
    ticks: float
    stop: StopReason = StopReason.GAP
    target: float = 0.0
    proof: Certificate | None = None


# Given a target and a budget of ticks: a verdict. Items are rounded down as in X7.
Decide = Callable[[float, Budget], Verdict]


def shrink_of(pool: Pool, gap: float) -> float:
    """How far below a packing the next target lies, relatively: the gap, or what the integers of X7 can tell."""
    return max(gap * (1 - 1e-6), pool.slots_per_rank * 2.0 ** (3 - SCALE_BITS))


class Targets:
    """The search for the least target: everything below the bracket's ``lower`` is impossible.

    Parameters
    ----------
    pool : Pool
    upper : Packing
        A solution to start from.
    limits : Limits
        ``gap``, ``seconds`` and ``work``. Below a gap of about 1e-12, that much is proven.
    lower : float
        A bound that is proven already.
    method : str
        Name of the method, and of the bounds that it proves.
    decide : callable
        What is possible within a target.
    value : callable, optional
        What a packing counts for: at least its objective, which is the default.
    """

    def __init__(
        self,
        pool: Pool,
        upper: Packing,
        limits: Limits,
        lower: float,
        method: str,
        decide: Decide,
        value: Callable[[Packing], float] | None = None,
    ) -> None:
        self.method = method
        self.decide = decide
        self.budget = Budget.of(limits, TICKS_PER_WORK)
        self.shrink = shrink_of(pool, limits.gap)
        gap = max(limits.gap, 2 * shrink_of(pool, 0.0))
        trivial, name = trivial_bound(pool)
        self.bracket = Bracket(
            pool,
            upper,
            method,
            lower=trivial,
            bound_method=name,
            gap=gap,
            value=value,
        )
        self.bracket.raise_to(lower, "")  # it is the caller's

    def ascend(self) -> PoolOutcome:
        """From the bound upwards, in steps of the gap, which double while they cost next to nothing."""
        bracket = self.bracket
        step = bracket.gap
        while bracket.is_open():
            target = bracket.lower * (1 + step) if bracket.lower > 0 else self._goal()
            verdict = self._look(min(target, self._goal()), 1.0)
            if verdict.packing is not None:
                step = bracket.gap
            elif verdict.impossible:
                step = 2 * step if verdict.ticks < CHEAP else bracket.gap
            elif verdict.stop is StopReason.TOO_LARGE and step > bracket.gap:
                step = bracket.gap
            else:
                return bracket.outcome(verdict.stop)
        return bracket.outcome(StopReason.GAP)

    def descend(self) -> PoolOutcome:
        """From the incumbent downwards; where a share of the limits does not suffice, nearer to the bound."""
        bracket = self.bracket
        nearer = 1.0
        while bracket.is_open():
            verdict = self._look(
                bracket.lower + (self._goal() - bracket.lower) * nearer, SHARE
            )
            if verdict.packing is None and not verdict.impossible:
                nearer *= NEARER
                if nearer < NEARER**TRIES or verdict.stop is StopReason.TOO_LARGE:
                    return bracket.outcome(verdict.stop)
        return bracket.outcome(StopReason.GAP)

    def _goal(self) -> float:
        """The target that ends the search if it is impossible."""
        return self.bracket.upper / (1 + self.shrink)

    def _look(self, target: float, share: float) -> Verdict:
        """The verdict on a target within a share of what is left; the bracket learns from it."""
        stop = self.budget.stop()
        if stop is not None:
            return Verdict(None, False, 0.0, stop)
        verdict = self.decide(target, self.budget.share(share))
        self.budget.spend(max(verdict.ticks, LOOK))
        upper = self.bracket.upper
        if verdict.packing is not None and not self.bracket.offer(
            verdict.packing, self.method
        ):
            raise SolverError(
                f"{self.method} gave {self.bracket.value(verdict.packing)!r} for a target below {upper!r}"
            )
        if verdict.impossible:
            proof = verdict.proof
            name = self.method if proof is None else proof.names[0]
            self.bracket.raise_to(verdict.target or target, name, proof)
        return verdict
