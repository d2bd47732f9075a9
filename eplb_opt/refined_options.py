"""The options of `refined`: their defaults and what they take. Imports nothing heavy: the registry reads it."""

from __future__ import annotations

import math
import operator
from typing import Any

STEPS = 8  # exchange steps by default
MOST_STEPS = 10_000  # far beyond where steps gain, and seconds of work
STEPS_ARE = f"an integer from 0 to {MOST_STEPS}"
GREEDY_CHECK = 0.0  # by default every layer that is not at a bound is compared
MOST_WORKERS = 1024
WORKERS_ARE = f"an integer from 1 to {MOST_WORKERS}"
DISTANCE_IS = "a number >= 0, or inf"


def step_count(value: Any) -> int:
    """A number of steps; `ValueError` or `TypeError` if it is none."""
    if isinstance(value, bool):
        raise TypeError(value)
    steps = operator.index(value)
    if not 0 <= steps <= MOST_STEPS:
        raise ValueError(value)
    return steps


def worker_count(value: Any) -> int:
    """A number of threads; `ValueError` or `TypeError` if it is none."""
    if isinstance(value, bool):
        raise TypeError(value)
    workers = operator.index(value)
    if not 1 <= workers <= MOST_WORKERS:
        raise ValueError(value)
    return workers


def distance(value: Any) -> float:
    """A number >= 0, or infinity, integers included; `ValueError`, `TypeError` or `OverflowError` if it is none."""
    if isinstance(value, (bool, str, bytes)):
        raise TypeError(value)
    number = float(value)
    if math.isnan(number) or number < 0:
        raise ValueError(value)
    return number
