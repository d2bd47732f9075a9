"""Several windows of loads, as policies are told to plan for them: their options, and which windows count."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..methods.option import Option
from ..problem.across import ACROSS
from ..problem.objective import Objective

LEAST_WINDOWS = 1
WITH_WINDOWS = 3  # dimensions of such loads


def _across(value: Any) -> str:
    return Objective(value).across


def _level(value: Any) -> float:
    return Objective("cvar", level=value).level


def _windows(value: Any) -> int | None:
    """A number of windows, or None for all."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(value)
    if value < LEAST_WINDOWS:
        raise ValueError(value)
    return int(value)


ACROSS_OPTION = Option(
    "across",
    "sum",
    _across,
    f"one of {', '.join(ACROSS)}",
    "what several windows of loads are planned for (see `Objective`)",
)
LEVEL = Option(
    "level",
    0.9,
    _level,
    "a number from 0 to below 1",
    "with across=cvar: the mean is that of the worst 1 - level of the windows",
    float,
)
WINDOWS = Option(
    "history",
    None,
    _windows,
    f"an integer from {LEAST_WINDOWS}, or None for all",
    "how many of the newest windows passed are planned for",
    int,
)
WINDOW_OPTIONS = (ACROSS_OPTION, LEVEL, WINDOWS)


def newest(weight: Any, most: int | None) -> Any:
    """The newest windows of loads; loads without windows as they are.

    Parameters
    ----------
    weight : tensor, array or nested lists [layers, experts] or [windows, layers, experts]
        Oldest first.
    most : int or None
        How many; None for all.
    """
    if most is None or _dimensions(weight) != WITH_WINDOWS:
        return weight
    return weight[-most:]


def _dimensions(loads: Any) -> int:
    """Of a tensor or array; of nested lists how deep the first of them are."""
    if hasattr(loads, "ndim"):
        return int(loads.ndim)
    depth = 0
    while isinstance(loads, (list, tuple)) and loads:
        depth += 1
        loads = loads[0]
        if hasattr(loads, "ndim"):
            return depth + int(loads.ndim)
    return depth
