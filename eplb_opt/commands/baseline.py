"""Where engines start without EPLB: the experts in order, whatever the loads are."""

from __future__ import annotations

from typing import Any


def contiguous_imbalance(instance: Any) -> float:
    """Heaviest over mean rank load without EPLB, in the mean over layers; 1 where nothing was routed."""
    from ..replayer.players import contiguous
    from ..report.gap import imbalances

    placement = contiguous(instance)
    means = placement.mean_ranks(instance)
    return float(imbalances(placement.objective(instance), means).mean())


def contiguous_time(instance: Any) -> float:
    """The slowest ranks' time without EPLB, all layers together, of an instance whose objective is a time."""
    from ..replayer.players import contiguous

    return float(contiguous(instance).objective(instance).sum())
