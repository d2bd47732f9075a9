"""Loads of any type, validated and made float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import InstanceError
from .arrays import Floats

MAX_EXACT_COUNT = 2**53


def _to_numpy(load: Any) -> npt.NDArray[Any]:
    try:
        # A torch tensor; torch itself need not be imported here.
        if hasattr(load, "detach"):
            load = load.detach().cpu().resolve_neg()
            load = load.to_dense() if load.is_sparse else load
            is_small = str(load.dtype).startswith(
                ("torch.bfloat16", "torch.float16", "torch.float8")
            )
            load = (load.float() if is_small else load).numpy()
        return np.asarray(load)
    # NotImplementedError is a RuntimeError.
    except (
        ValueError,
        TypeError,
        RuntimeError,
    ) as error:
        raise InstanceError(
            f"loads are no rectangular array of numbers ({error})"
        ) from None


def as_load(load: Any) -> Floats:
    """Loads as anybody has them, as read-only float64 [windows, layers, experts].

    Parameters
    ----------
    load : array or torch tensor [layers, experts] or [windows, layers, experts]

    Raises
    ------
    InstanceError
        They are no such array of finite numbers >= 0, or would be rounded.
    """
    array = _to_numpy(load)
    if array.dtype.kind not in "biuf":
        raise InstanceError(f"loads have dtype {array.dtype}: give real numbers")
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise InstanceError(
            f"loads have shape {array.shape}: give [layers, experts] or [windows, layers, experts], none empty"
        )
    array = array if array.ndim == 3 else array[None]
    # A float128 beyond float64 becomes infinite and is refused below.
    with np.errstate(over="ignore"):
        result = np.array(array, dtype=np.float64, order="C")
    _check_values(array, result)
    result.setflags(write=False)
    return result


def _check_values(array: npt.NDArray[Any], result: Floats) -> None:
    good = (result >= 0) & (result < np.inf)
    if not good.all():
        for bad, what in (
            (np.isnan(result), "NaN"),
            (np.isinf(result), "infinite"),
            (result < 0, "negative"),
        ):
            if bad.any():
                where = np.unravel_index(int(np.argmax(bad)), bad.shape)
                raise InstanceError(
                    f"load of window {where[0]}, layer {where[1]}, expert {where[2]} is {what} "
                    f"({array[where]}): loads must be finite and >= 0"
                )
    with np.errstate(over="ignore"):
        window_sums, totals = result.sum(axis=0), result.sum(axis=(0, 2))
    if (
        array.dtype.kind in "iu"
        and max(int(array.max()), float(window_sums.max())) > MAX_EXACT_COUNT
    ):
        raise InstanceError(
            f"an integer load (windows summed) is {max(int(array.max()), int(window_sums.max()))}, beyond 2^53, "
            "and would be rounded: divide the loads or give them as floats"
        )
    if not np.isfinite(totals).all():
        raise InstanceError(
            "a layer's total load overflows float64: divide the loads by a constant"
        )
