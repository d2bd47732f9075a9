"""Which compiled code a call may use, by where the loads are and how large the pools are."""

from __future__ import annotations

from types import ModuleType

from . import arrays as xp
from .arrays import Array
from .optional import optional
from .splits import FULL_SPLITS


def fused_kernels(loads: Array, slots: int, ranks: int) -> ModuleType | None:
    """The kernels in Triton, for loads [pools, experts] that they take."""
    device = xp.device(loads)
    if device is None or device.type != "cuda":
        return None
    fused = optional("fused")
    if fused is None or not fused.fits(slots, ranks, loads.shape[1]):
        return None
    return fused


def exchange_kernel(loads: Array, slots: int, ranks: int) -> ModuleType | None:
    """Exchanges in numba, for loads on the CPU."""
    if xp.device(loads) is not None:
        return None
    has_all_splits = slots // ranks <= FULL_SPLITS
    return optional("splits_compiled" if has_all_splits else "exchange_compiled")


def fit_kernel(loads: Array) -> ModuleType | None:
    """Packings by best fit in numba, for loads on the CPU."""
    return optional("fits_compiled") if xp.device(loads) is None else None
