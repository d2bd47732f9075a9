"""Figures as people read them."""

from __future__ import annotations

import math


def percent(gap: float) -> str:
    """A gap in percent, e.g. ``0.0123``; ``-`` if it is unknown.

    Examples
    --------
    >>> percent(0.000123)
    '0.0123'
    """
    if not math.isfinite(gap):
        return "-"
    return f"{gap * 100:.4f}"


def counted(number: int, what: str) -> str:
    """A number of things, in the singular or the plural.

    Examples
    --------
    >>> counted(1, "layer"), counted(2, "layer")
    ('1 layer', '2 layers')
    """
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
