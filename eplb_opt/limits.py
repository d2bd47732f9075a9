"""Limits: when a solver may stop, and how much of the machine it may use."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from .errors import OptionError


@dataclass(frozen=True)
class Limits:
    """When to stop, as every MIP solver has it.

    Parameters
    ----------
    seconds : float or None
        Wall-clock limit of the whole call, but for what is compiled once for an installation (`warm_up`). ``None``: no
        wall-clock limit. A wall-clock limit makes results depend on the machine's speed; use ``work`` where every rank
        must compute the same map.
    work : float or None
        Deterministic limit of each pool, in units of roughly one second of one core (OR-Tools' deterministic time;
        HiGHS nodes in proportion). ``None``: no work limit.
    gap : float
        Relative gap ``objective / lower_bound - 1`` at which a layer counts as OPTIMAL.
    workers : int
        Worker processes (pools solved at the same time).
    seed : int
        Seed of everything that uses randomness.

    Raises
    ------
    OptionError
        A value is out of range.
    """

    seconds: float | None = 60.0
    work: float | None = None
    gap: float = 1e-4
    workers: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("seconds", "work"):
            value = getattr(self, name)
            if value is not None and not (_is_number(value) and 0 < value < math.inf):
                raise OptionError(f"Limits.{name} is {value!r}: give a positive number, or None for no limit")
        if not (_is_number(self.gap) and 0 <= self.gap < math.inf):
            raise OptionError(f"Limits.gap is {self.gap!r}: give a number >= 0, such as 1e-4 for 0.01 %")
        for name, least in (("workers", 1), ("seed", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 2**31:
                raise OptionError(f"Limits.{name} is {value!r}: give an integer from {least} to {2**31 - 1}")

    def with_seconds(self, seconds: float | None) -> Limits:
        """The same limits with another wall-clock limit (at least a millisecond)."""
        return replace(self, seconds=None if seconds is None else max(seconds, 1e-3))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and not math.isnan(value)
