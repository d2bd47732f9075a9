"""Prometheus: the figures of calls in the registry of the engine, if it has one.

Nothing is imported for it: ``prometheus_client`` is used where the engine has imported it, which both engines do after
they have said, in ``PROMETHEUS_MULTIPROC_DIR``, where the processes of a server put their figures together. No label
counts layers, experts or ranks: a model has two series of each map, its mean and its worst layer.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any

from .figures import Figures, Imbalance
from .said import say_once

CLIENT = "prometheus_client"
MODEL = "model"  # layers x experts: a drafter is told from its model


class _Exported:
    """The figures in the registry; names are registered once in a process."""

    def __init__(self, client: Any) -> None:
        self.plans = client.Counter(
            "eplb_opt_plans", "Maps planned for the engine", [MODEL]
        )
        self.failures = client.Counter(
            "eplb_opt_plan_failures", "Calls without a plan: the map in use stayed"
        )
        self.moved = client.Counter(
            "eplb_opt_replicas_moved", "Replicas new on their rank", [MODEL]
        )
        self.seconds = client.Summary(
            "eplb_opt_planning_seconds", "Time to plan a map", [MODEL]
        )
        self.imbalance = client.Gauge(
            "eplb_opt_imbalance",
            "Heaviest over mean rank load of the planning loads, 1 is perfect",
            [MODEL, "map", "layers"],
            multiprocess_mode="mostrecent",
        )


_exported: _Exported | None = None
_is_on = True


def export_plan(figures: Figures, seconds: float) -> None:
    """Count a plan.

    Parameters
    ----------
    figures : Figures
    seconds : float
        What planning took.
    """
    _export(lambda exported: _count(exported, figures, seconds))


def export_failure() -> None:
    """Count a call that came to no plan."""
    _export(lambda exported: exported.failures.inc())


def _count(exported: _Exported, figures: Figures, seconds: float) -> None:
    model = f"{figures.layers}x{figures.experts}"
    exported.plans.labels(model).inc()
    exported.seconds.labels(model).observe(seconds)
    exported.moved.labels(model).inc(figures.replicas_moved or 0)
    _set(exported, model, "after", figures.after)
    if figures.before is not None:
        _set(exported, model, "before", figures.before)


def _set(exported: _Exported, model: str, of_map: str, imbalance: Imbalance) -> None:
    exported.imbalance.labels(model, of_map, "mean").set(imbalance.mean)
    exported.imbalance.labels(model, of_map, "worst").set(imbalance.worst)


def _export(count: Callable[[_Exported], None]) -> None:
    global _exported, _is_on
    client = sys.modules.get(CLIENT)
    if client is None or not _is_on:
        return
    try:
        if _exported is None:
            _exported = _Exported(client)
        count(_exported)
    except Exception as error:  # nothing raises into serving
        _is_on = False
        text = "no figures for Prometheus from here on (%s: %s); serving goes on"
        kind = type(error).__name__
        say_once(("metrics",), logging.WARNING, text, kind, error)
