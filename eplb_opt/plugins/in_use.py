"""The map in use, as engines know it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ..problem.pool import Ints
from .said import report


def map_in_use(
    old: Any, in_use: Callable[[], Any] | None, layers: int | None = None
) -> Ints | None:
    """The map in use [layers, slots], as far as it can be told; None where there is none.

    Parameters
    ----------
    old : tensor or array, optional
        As the engine passes it.
    in_use : callable, optional
        Returns it where the engine passes none.
    layers : int, optional
        Of the call: a map of other layers is none.
    """
    try:
        if old is None and in_use is not None:
            old = in_use()
    except Exception as error:  # nothing raises into serving
        report(error)
    slots = _slots(old)
    if slots is None or layers not in (None, len(slots)):
        return None
    return slots


def _slots(old: Any) -> Ints | None:
    """Whatever an engine passes as a matrix of integers."""
    if old is None:
        return None
    try:
        slots = np.asarray(torch.as_tensor(old).cpu())
    except (ValueError, TypeError, RuntimeError):
        return None
    if slots.ndim != 2 or not slots.size or slots.dtype.kind not in "iu":
        return None
    return slots.astype(np.int64)
