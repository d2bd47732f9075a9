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
