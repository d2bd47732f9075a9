"""Budget: what is left of one clock and of one counter of work."""

from __future__ import annotations

import math
import time

from .limits import Limits
from .problem.status import StopReason


class Budget:
    """What a method may still spend: seconds of a clock, and work that it counts itself.

    Parameters
    ----------
    deadline : float, default infinity
        ``time.monotonic()`` at which it ends.
    work : float, default infinity
        Work that is left, in the spender's own unit.

    Examples
    --------
    >>> budget = Budget(work=100.0)
    >>> budget.spend(40)
    >>> budget.share(0.5).work
    30.0
    >>> budget.spend(60)
    >>> budget.stop()
    <StopReason.WORK: 'work limit'>
    """

    def __init__(self, *, deadline: float = math.inf, work: float = math.inf) -> None:
        self.deadline = deadline
        self.work = work

    @classmethod
    def of(cls, limits: Limits, unit: float = 1.0) -> Budget:
        """The budget of limits that begin now.

        Parameters
        ----------
        limits : Limits
        unit : float
            The spender's work in one unit of ``Limits.work``.
        """
        deadline = (
            math.inf if limits.seconds is None else time.monotonic() + limits.seconds
        )
        work = math.inf if limits.work is None else limits.work * unit
        return cls(deadline=deadline, work=work)

    @classmethod
    def of_seconds(cls, seconds: float) -> Budget:
        """So many seconds from now, any work."""
        return cls(deadline=time.monotonic() + seconds)

    @property
    def has_clock(self) -> bool:
        """A clock limits it, so that what is done depends on the machine's speed."""
        return self.deadline < math.inf

    def seconds(self) -> float:
        """Seconds that are left, not less than 0; infinite without a clock."""
        return (
            max(self.deadline - time.monotonic(), 0.0) if self.has_clock else math.inf
        )

    def limits(self, limits: Limits) -> Limits:
        """Other limits with what is left of this clock (at least a millisecond)."""
        return limits.with_seconds(self.seconds() if self.has_clock else None)

    def spend(self, work: float) -> None:
        """Count work that was done."""
        self.work -= work

    def stop(self) -> StopReason | None:
        """Why nothing more may be done; None while something may."""
        if self.has_clock and time.monotonic() >= self.deadline:
            return StopReason.TIME
        return StopReason.WORK if self.work <= 0 else None

    def share(self, share: float) -> Budget:
        """A share of what is left, with a counter of its own."""
        if not self.has_clock:
            return Budget(work=self.work * share)
        now = time.monotonic()
        return Budget(
            deadline=now + (self.deadline - now) * share, work=self.work * share
        )

    def part(self, amount: float) -> Budget:
        """At most so many seconds; without a clock, so much work. Its counter is its own."""
        if not self.has_clock:
            return Budget(work=min(amount, self.work))
        return Budget(
            deadline=min(self.deadline, time.monotonic() + amount), work=self.work
        )

    def at_most(self, work: float) -> Budget:
        """The same clock, and at most so much work. Its counter is its own."""
        return Budget(deadline=self.deadline, work=min(self.work, work))

    def scaled(self, unit: float) -> Budget:
        """The same in another unit of work: ``unit`` of them are one of this; whole ones only."""
        work = self.work * unit
        return Budget(
            deadline=self.deadline,
            work=work if math.isinf(work) else float(math.floor(work)),
        )
