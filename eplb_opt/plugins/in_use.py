"""The map in use as engines know it, and what becomes of it: a line of the log for every call that plans."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ..moves.held import moves
from ..problem.instance import Instance
from ..problem.placement import Placement
from ..problem.pool import Ints
from .recording import rank
from .said import report

logger = logging.getLogger("eplb_opt.plugins")


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


def say_what_moves(instance: Instance, phy2log: Ints, old: Ints | None) -> None:
    """A line on rank 0: layers that change, replicas that move, imbalance before and after on the planning loads."""
    if rank() != 0:
        return
    after = Placement(phy2log, instance.num_experts)
    imbalance = _imbalance(after, instance)
    if old is None:
        logger.info("new map: imbalance %.4f on the planning loads", imbalance)
        return
    before = Placement(old, instance.num_experts)
    moved = int(moves(after, before, instance).sum())
    changed = instance.num_layers
    was = "an invalid map"
    if not before.violations(instance):
        changed = int((phy2log != old).any(axis=1).sum())
        was = f"{_imbalance(before, instance):.4f}"
    logger.info(
        "%d of %d layers changed, %d of %d replicas moved, imbalance %s -> %.4f on the planning loads",
        changed,
        instance.num_layers,
        moved,
        phy2log.size,
        was,
        imbalance,
    )


def _imbalance(placement: Placement, instance: Instance) -> float:
    """The mean over layers of what the objective makes of the map, in units of the mean rank load."""
    objective = placement.objective(instance)
    if instance.objective.adds_windows:
        objective = objective / np.where(instance.mean > 0, instance.mean, 1.0)
    is_busy = instance.mean > 0
    return float(objective[is_busy].mean()) if is_busy.any() else 1.0
