"""What rank 0 tells of a call: a line of the engine's log, a line of the log of calls, figures for Prometheus."""

from __future__ import annotations

import logging
from typing import Any

from ..policies import AbstractEplbPolicy
from ..problem.instance import Instance
from ..problem.pool import Ints
from .call_log import CallLog
from .figures import Figures, Imbalance, figures_of
from .metrics import export_failure, export_plan
from .recording import rank
from .said import say_once

logger = logging.getLogger("eplb_opt.plugins")
PLANNED = "planned"
FAILED = "failed"


def tell_plan(
    instance: Instance,
    phy2log: Ints,
    old: Ints | None,
    policy: type[AbstractEplbPolicy],
    seconds: float,
    call_log: CallLog | None = None,
) -> None:
    """Tell of a map that was planned; on other ranks than the first nothing is done.

    Parameters
    ----------
    instance : Instance
        What the map was planned for.
    phy2log : array [layers, replicas], int64
    old : array [layers, slots], int64; optional
        The map in use.
    policy : type
    seconds : float
        What planning took.
    call_log : CallLog, optional
    """
    if rank() != 0:
        return
    try:
        figures = figures_of(instance, phy2log, old)
        logger.info("%s, in %.3f s", _line(figures), seconds)
        export_plan(figures, seconds)
        if call_log is not None:
            call_log.append(_entry(figures, policy, seconds))
    except Exception as problem:  # nothing raises into serving, nor makes ranks differ
        _say_not_told(problem)


def tell_failure(
    error: Exception,
    policy: type[AbstractEplbPolicy],
    call_log: CallLog | None = None,
) -> None:
    """Tell of a call without a plan, on rank 0; its cause is in the engine's log, where each is said once.

    Parameters
    ----------
    error : Exception
    policy : type
    call_log : CallLog, optional
    """
    if rank() != 0:
        return
    try:
        export_failure()
        if call_log is not None:
            cause = f"{type(error).__name__}: {error}"
            entry = {"outcome": FAILED, "policy": _name(policy), "error": cause}
            call_log.append(entry)
    except Exception as problem:  # such as an error without a text
        _say_not_told(problem)


def _say_not_told(problem: Exception) -> None:
    text = "the figures of a call are not told (%s: %s)"
    kind = type(problem).__name__
    say_once(("telling", kind), logging.WARNING, text, kind, problem)


def _line(figures: Figures) -> str:
    after = f"{figures.after.mean:.4f} on the planning loads"
    if figures.layers_changed is None:
        return f"new map: imbalance {after}"
    replicas = figures.layers * figures.replicas
    before = figures.before
    was = "an invalid map" if before is None else f"{before.mean:.4f}"
    changed = f"{figures.layers_changed} of {figures.layers} layers changed"
    moved = f"{figures.replicas_moved} of {replicas} replicas moved"
    return f"{changed}, {moved}, imbalance {was} -> {after}"


def _entry(
    figures: Figures, policy: type[AbstractEplbPolicy], seconds: float
) -> dict[str, Any]:
    return {
        "outcome": PLANNED,
        "policy": _name(policy),
        "objective": figures.objective,
        "windows": figures.windows,
        "layers": figures.layers,
        "experts": figures.experts,
        "replicas": figures.replicas,
        "ranks": figures.ranks,
        "layers_changed": figures.layers_changed,
        "replicas_moved": figures.replicas_moved,
        **_named("before", figures.before),
        **_named("after", figures.after),
        "planning_seconds": round(seconds, 6),
    }


def _named(of_map: str, imbalance: Imbalance | None) -> dict[str, float | None]:
    mean = None if imbalance is None else imbalance.mean
    worst = None if imbalance is None else imbalance.worst
    return {f"imbalance_{of_map}": mean, f"worst_imbalance_{of_map}": worst}


def _name(policy: type[AbstractEplbPolicy]) -> str:
    return getattr(policy, "method", policy.__name__)
