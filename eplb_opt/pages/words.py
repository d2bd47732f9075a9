"""Numbers in sentences."""

from __future__ import annotations

import math

LEAST = 1e-4  # what is smaller is said to be below it


def percentage(share: float) -> str:
    """A share in percent, of two or three digits.

    Examples
    --------
    >>> percentage(0.2134), percentage(0.0213), percentage(0.00021), percentage(0.00002), percentage(0.0)
    ('21 %', '2.1 %', '0.02 %', 'below 0.01 %', '0 %')
    """
    if share <= 0:
        return "0 %"
    if share < LEAST:
        return "below 0.01 %"
    return f"{share * 100:.{_digits(share)}f} %"


def at_most(share: float) -> str:
    """A share that something is at most, in percent: rounded up.

    Examples
    --------
    >>> at_most(0.00012), at_most(0.2101), at_most(0.0), at_most(1e-9), at_most(math.inf)
    ('0.02 %', '22 %', '0 %', '0.01 %', 'an unknown part')
    """
    if not math.isfinite(share):
        return "an unknown part"
    digits = _digits(share)
    # What is a rounding error above a round number is that number.
    steps = math.ceil(share * 100 * 10**digits - 1e-6)
    if share > 0:
        steps = max(steps, 1)
    value = steps / 10**digits
    return f"{value:.{digits}f} %" if steps else "0 %"


def _digits(share: float) -> int:
    """Digits after the point."""
    if share >= 0.1:
        return 0
    return 1 if share >= 0.01 else 2


def listed(items: list[str]) -> str:
    """Some things in a sentence.

    Examples
    --------
    >>> listed(["a"]), listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"
