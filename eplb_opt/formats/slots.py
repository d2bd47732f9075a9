"""Slots (physical experts) and the logical experts in them: loads of the one added up to loads of the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def to_logical(physical: npt.NDArray[Any], slots: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Loads of slots added up by logical expert.

    Parameters
    ----------
    physical : array [windows, layers, slots]
        Loads of slots.
    slots : array [layers, slots] or [windows, layers, slots]
        Logical expert of each slot; negative: an empty slot, which is left out.

    Returns
    -------
    array [windows, layers, experts]
        Of the dtype of ``physical``; the largest expert of any slot is the last one.

    Examples
    --------
    >>> physical = np.array([[[5, 2, 1]]])
    >>> to_logical(physical, np.array([[1, 0, 1]])).tolist()
    [[[2, 6]]]
    """
    windows, layers, _ = physical.shape
    slots = np.broadcast_to(slots, physical.shape)
    experts = int(slots.max()) + 1
    # Empty slots add to a column of their own behind the experts, which is cut off at the end.
    logical = np.zeros((windows, layers, experts + 1), dtype=physical.dtype)
    expert = np.where(slots < 0, experts, slots)
    window = np.arange(windows)[:, None, None]
    layer = np.arange(layers)[None, :, None]
    np.add.at(logical, (window, layer, expert), physical)
    return logical[:, :, :experts]
