"""Limits: when a solver may stop, and how much of the machine it may use; and how an option's value is checked."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeGuard, TypeVar

from .errors import OptionError, shown

T = TypeVar("T")
MOST_INTEGER = 2**31 - 1


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

    Examples
    --------
    >>> from eplb_opt import Limits
    >>> Limits(seconds=10).gap
    0.0001
    >>> Limits(seconds=None, work=0.5)  # the same maps on every machine
    Limits(seconds=None, work=0.5, gap=0.0001, workers=1, seed=0)
    """

    seconds: float | None = 60.0
    work: float | None = None
    gap: float = 1e-4
    workers: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        for name in TAKEN:
            value = getattr(self, name)
            is_optional = name in OPTIONAL
            if is_optional and value is None:
                continue
            expected = expected_of(name, value)
            if expected:
                otherwise = ", or None for no limit" if is_optional else ""
                raise OptionError(
                    f"Limits.{name} is {value!r}: give {expected}{otherwise}"
                )

    def with_seconds(self, seconds: float | None) -> Limits:
        """The same limits with another wall-clock limit (at least a millisecond)."""
        return replace(self, seconds=None if seconds is None else max(seconds, 1e-3))


class _Taken(NamedTuple):
    """What a limit takes."""

    takes: Callable[[object], bool]
    expected: str


def _is_number(value: object) -> TypeGuard[float]:
    """A finite number, and no truth value."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return -math.inf < value < math.inf


def _is_positive(value: object) -> bool:
    return _is_number(value) and value > 0


def _is_gap(value: object) -> bool:
    return _is_number(value) and value >= 0


def _integer_from(least: int) -> _Taken:
    def takes(value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, int):
            return False
        return least <= value <= MOST_INTEGER

    return _Taken(takes, f"an integer from {least} to {MOST_INTEGER}")


_POSITIVE = _Taken(_is_positive, "a positive number")
TAKEN = {
    "seconds": _POSITIVE,
    "work": _POSITIVE,
    "gap": _Taken(_is_gap, "a number >= 0, such as 1e-4 for 0.01 %"),
    "workers": _integer_from(1),
    "seed": _integer_from(0),
}
OPTIONAL = ("seconds", "work")  # None is no limit


def expected_of(name: str, value: object) -> str:
    """What a field of `Limits` takes, if that is not what it was given; else empty."""
    taken = TAKEN[name]
    return "" if taken.takes(value) else taken.expected


def checked(name: str, value: Any, check: Callable[[Any], T], kind: str) -> T:
    """An option's value as its check makes it.

    Parameters
    ----------
    name : str
        The option, as the error names it.
    value : object
        What was given.
    check : callable
        Returns the value in its own type, or raises `ValueError`, `TypeError` or `OverflowError`.
    kind : str
        What the option takes, as a person would say it.

    Raises
    ------
    OptionError
        It is no value of this option.
    """
    try:
        return check(value)
    except (ValueError, TypeError, OverflowError):
        raise OptionError(f"{name}={shown(value)}: give {kind}") from None
