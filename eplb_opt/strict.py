"""Values from files, read strictly: a value of another type is an error, never a guess."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

MOST_INTEGER = 2**63
MOST_SHOWN = 60  # characters of a value in an error


def number(value: Any) -> float:
    """A finite real number; no boolean, no text.

    Raises
    ------
    ValueError
        The message says what was found.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ValueError(f"{shown(value)}, expected a number")
    try:
        result = float(value)
    except OverflowError:
        result = math.inf
    if not math.isfinite(result):
        raise ValueError(f"{shown(value)}, expected a finite number")
    return result


def integer(value: Any) -> int:
    """An integer of 64 bits; no boolean, no float, no text.

    Raises
    ------
    ValueError
        The message says what was found.
    """
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise ValueError(f"{shown(value)}, expected an integer")
    result = int(value)
    if not -MOST_INTEGER <= result < MOST_INTEGER:
        raise ValueError(f"{shown(value)}, expected an integer of 64 bits")
    return result


def text(value: Any) -> str:
    """A string.

    Raises
    ------
    ValueError
        The message says what was found.
    """
    if not isinstance(value, str):
        raise ValueError(f"{shown(value)}, expected text")
    return value


def shown(value: Any) -> str:
    """A value for an error, in one short line of ASCII."""
    if isinstance(value, Integral) and int(value).bit_length() > 64:
        return f"an integer of {int(value).bit_length()} bits"
    if value is None or isinstance(value, (Real, str)):
        return ascii(value if not isinstance(value, str) else value[:MOST_SHOWN])
    return f"a {type(value).__name__}"
