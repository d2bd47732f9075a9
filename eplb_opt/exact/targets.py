"""Targets between bound and incumbent: what is possible within one says something about the optimum (X8, X10)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from ..certificates.mean import trivial_bound
from ..certificates.rank_model import SCALE_BITS
from ..errors import SolverError
from ..limits import Limits
from ..outcome import PoolOutcome
from ..problem.pool import Packing, Pool
from ..problem.status import StopReason, relative_gap

TICKS_PER_WORK = 80_000_000  # ticks of a unit of Limits.work
CHEAP = 2_000_000  # ticks of a target after which the step to the next one doubles
LOOK = 20_000  # ticks of a target at least: setting it up takes time, too
SHARE = 0.5  # of what is left of the limits, for a target from above
NEARER, TRIES = 0.25, 3  # how much nearer to the bound the next target is, and how often


@dataclass(frozen=True, eq=False)
class Answer:
    """``packing`` found within the target; ``impossible``: there is none; else why the search stopped.

    ``ticks``: what was spent, in the method's unit. With both, ``impossible`` is of ``target``, below the packing.
    """

    packing: Packing | None
    impossible: bool
    ticks: float
    stop: StopReason = StopReason.GAP
    target: float = 0.0


# Given a target, a deadline (time.monotonic) and ticks: an answer. Items are rounded down as in X7.
Decide = Callable[[float, float, float], Answer]


def whole(ticks: float) -> float:
    """Ticks without a fraction that no step could ever spend."""
    return ticks if math.isinf(ticks) else float(math.floor(ticks))


def shrink_of(pool: Pool, gap: float) -> float:
    """How far below a packing the next target lies, relatively: the gap, or what the integers of X7 can tell."""
    return max(gap * (1 - 1e-6), pool.slots_per_rank * 2.0 ** (3 - SCALE_BITS))


class Targets:
    """The search for the least target: everything below ``lower`` is impossible, ``best`` is the incumbent.

    Parameters
    ----------
    pool : Pool
    upper : Packing
        A solution to start from; ``best`` is never worse.
    limits : Limits
        ``gap``, ``seconds`` and ``work``. Below a gap of about 1e-12, that much is proven.
    lower : float
        A bound that is proven already.
    method : str
        Name of the method, and of the bounds that it proves.
    decide : callable
        What is possible within a target.
    value : callable
        What a packing counts for: at least its objective.
    """

    def __init__(
        self, pool: Pool, upper: Packing, limits: Limits, lower: float, method: str, decide: Decide,
        value: Callable[[Packing], float],
    ) -> None:  # fmt: skip
        self.method, self.decide, self.value = method, decide, value
        self.best, self.upper = upper, value(upper)
        self.deadline = math.inf if limits.seconds is None else time.monotonic() + limits.seconds
        self.ticks = math.inf if limits.work is None else limits.work * TICKS_PER_WORK
        self.gap = max(limits.gap, 2 * shrink_of(pool, 0.0))
        self.shrink = shrink_of(pool, limits.gap)
        self.lower, self.bound_method = trivial_bound(pool)
        if lower > self.lower:
            self.lower, self.bound_method = lower, ""

    def ascend(self) -> PoolOutcome:
        """From the bound upwards, in steps of the gap, which double while they cost next to nothing."""
        step = self.gap
        while self._is_open():
            answer = self._look(min(self.lower * (1 + step) if self.lower > 0 else self._goal(), self._goal()), 1.0)
            if answer.packing is not None:
                step = self.gap
            elif answer.impossible:
                step = 2 * step if answer.ticks < CHEAP else self.gap
            elif answer.stop is StopReason.TOO_LARGE and step > self.gap:
                step = self.gap
            else:
                return self._outcome(answer.stop)
        return self._outcome(StopReason.GAP)

    def descend(self) -> PoolOutcome:
        """From the incumbent downwards; where a share of the limits does not suffice, nearer to the bound."""
        nearer = 1.0
        while self._is_open():
            answer = self._look(self.lower + (self._goal() - self.lower) * nearer, SHARE)
            if answer.packing is None and not answer.impossible:
                nearer *= NEARER
                if nearer < NEARER**TRIES or answer.stop is StopReason.TOO_LARGE:
                    return self._outcome(answer.stop)
        return self._outcome(StopReason.GAP)

    def _is_open(self) -> bool:
        return relative_gap(self.upper, self.lower) > self.gap

    def _goal(self) -> float:
        """The target that ends the search if it is impossible."""
        return self.upper / (1 + self.shrink)

    def _look(self, target: float, share: float) -> Answer:
        """The answer at a target within a share of what is left; the bound or the incumbent learns from it."""
        now = time.monotonic()
        if now >= self.deadline:
            return Answer(None, False, 0.0, StopReason.TIME)
        if self.ticks <= 0:
            return Answer(None, False, 0.0, StopReason.WORK)
        answer = self.decide(target, now + (self.deadline - now) * share, self.ticks * share)
        self.ticks -= max(answer.ticks, LOOK)
        if answer.packing is not None:
            value = self.value(answer.packing)
            if value >= self.upper:
                raise SolverError(f"{self.method} gave {value!r} for a target below {self.upper!r}")
            self.best, self.upper = answer.packing, value
        if answer.impossible:
            self.lower, self.bound_method = answer.target or target, self.method
        return answer

    def _outcome(self, stop: StopReason) -> PoolOutcome:
        bound = self.lower if self.bound_method else None  # None: no more than the caller knew
        return PoolOutcome(self.best, bound, stop, self.method, self.bound_method or None)
