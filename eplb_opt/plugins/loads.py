"""The loads of an engine's call: steps summed as they are, in any type, and values that are no tokens refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ..errors import InstanceError
from ..problem.loads import MAX_EXACT_COUNT
from ..problem.pool import Floats


class LoadsError(InstanceError):
    """Loads that are no number of tokens.

    Parameters
    ----------
    message : str
    kind : str
        What they are: one cause, whatever the layer.
    """

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


def summed(weight: Any) -> torch.Tensor:
    """The loads [layers, experts] as float64, in which sums of half floats and of large integers are what they are.

    Raises
    ------
    InstanceError
        They are no number of tokens, or of another shape.
    """
    steps = _steps(weight)
    total = torch.zeros(steps.shape[-2:], dtype=torch.float64)
    negative = torch.zeros(total.shape, dtype=torch.bool)
    for recorded in steps:
        # torch compares and adds few of the types that it has.
        step = recorded.to(torch.float64)
        negative |= step < 0
        total += step
    _check(total, negative)
    return total


def in_parts(weight: Any, most: int) -> Floats:
    """The loads of a call as windows: steps with a token, in order, summed in at most so many parts of equal number.

    Parameters
    ----------
    weight : tensor [layers, experts] or [steps, layers, experts]
    most : int

    Returns
    -------
    array [windows, layers, experts], float64
        Without a window where there is no token.
    """
    steps = _steps(weight)
    is_busy = [bool(step.to(torch.float64).any()) for step in steps]
    busy = np.flatnonzero(is_busy)
    number = min(most, len(busy))
    windows = np.zeros((number, *steps.shape[1:]))
    for place, step in enumerate(busy):
        part = place * number // len(busy)
        windows[part] += steps[step].to(torch.float64).numpy()
    return windows


def _steps(weight: Any) -> torch.Tensor:
    """The loads [steps, layers, experts] on the CPU, of any dtype."""
    if not hasattr(weight, "detach"):
        weight = torch.from_numpy(np.array(weight, order="C"))
    loads: torch.Tensor = weight.detach().cpu()
    if loads.is_sparse:
        loads = loads.to_dense()
    if loads.dim() not in (2, 3) or loads.is_complex():
        raise InstanceError(
            f"loads of shape {tuple(loads.shape)} and dtype {loads.dtype}"
        )
    return loads if loads.dim() == 3 else loads[None]


def _check(total: torch.Tensor, negative: torch.Tensor) -> None:
    """Raise `LoadsError` for the first load that is no number of tokens."""
    wrong = (
        ("NaN", total.isnan()),
        ("infinite", total.isinf()),
        ("negative", negative),
        ("beyond 2^53", total > MAX_EXACT_COUNT),
    )
    for what, where in wrong:
        if where.any():
            layer, expert = where.nonzero()[0].tolist()
            raise LoadsError(
                f"the load of layer {layer}, expert {expert} is {what}", what
            )
