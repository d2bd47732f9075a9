"""Layers to a result: the placement, checked, and a certificate for each; methods that failed are told."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .certificates.layer import LayerCertificate
from .errors import FallbackWarning, SolverError
from .layer import LayerState
from .limits import Limits
from .next_from import NextFrom
from .problem.instance import Instance
from .problem.placement import Placement
from .problem.status import StopReason
from .result import Result
from .spare_plan import SparePlan
from .step_times import step_times

# Of every layer the moves, and a bound of them; None without a map in use.
Moved = list[tuple[int | None, int | None]]


def certified(
    instance: Instance,
    layers: list[LayerState],
    method: str,
    limits: Limits,
    untried: list[StopReason],
    next_from: NextFrom | None = None,
    deadline: float | None = None,
    spare: SparePlan | None = None,
) -> Result:
    """Placement and certificates; the objective is recomputed from the map, and the greedy's map is the floor.

    Where there is a map in use, ``next_from`` it chooses the placement, before a deadline; where replicas are to be
    ``spare``, no map without them.
    """
    rows = np.stack([layer.phy2log() for layer in layers])
    ids = tuple(instance.layer_ids or ())
    placement = Placement(
        rows, instance.num_experts, ids, rank_slots=instance.rank_slots
    )
    _require_valid(placement, instance, method)
    moved: Moved = [(None, None)] * len(layers)
    if spare is not None:
        placement, proven = spare.fresh(placement)
    if next_from is not None:
        placement, moved = _next(placement, next_from, deadline, spare)
        _require_valid(placement, instance, method)
    objective = placement.objective(instance).tolist()
    means = placement.mean_ranks(instance).tolist()
    certificates = tuple(
        replace(
            layer.certificate(value, limits.gap, stop, mean),
            moves=count,
            moves_bound=least,
        )
        for layer, value, mean, stop, (count, least) in zip(
            layers, objective, means, untried, moved, strict=True
        )
    )
    if spare is not None:
        certificates = spare.certified(placement, certificates, proven)
    _warn_of_lost(method, certificates)
    return Result(
        placement,
        certificates,
        instance,
        method,
        0.0,
        limits=limits,
        previous=None if next_from is None else next_from.to_dict(),
        spare=None if spare is None else spare.maps.spare,
        step_times=step_times(instance, placement, seed=limits.seed),
    )


def _next(
    placement: Placement,
    next_from: NextFrom,
    deadline: float | None,
    spare: SparePlan | None,
) -> tuple[Placement, Moved]:
    """The map that comes after the one in use; moves of its layers, and how many a map as good takes at least."""
    instance = next_from.instance
    chosen, bounds = next_from.next_map(placement, deadline)
    if spare is not None:
        near = spare.near(chosen, placement, next_from)
        # What is proven is of maps as good as the one that was chosen.
        is_as_good = near.objective(instance) <= chosen.objective(instance)
        bounds = np.where(is_as_good, bounds, 0)
        chosen = near
    return chosen, list(zip(next_from.moves(chosen), bounds.tolist(), strict=True))


def _require_valid(placement: Placement, instance: Instance, method: str) -> None:
    """Raise `SolverError` for a fault of ours."""
    faults = placement.violations(instance)
    if faults:
        raise SolverError(
            f"internal error, please report: {method} made an invalid map ({faults[0]})"
        )


def _warn_of_lost(method: str, certificates: Sequence[LayerCertificate]) -> None:
    """Say in how many layers the method failed, and of the first one why."""
    lost = [certificate for certificate in certificates if _is_lost(certificate)]
    if lost:
        layers = f"{len(lost)} of {len(certificates)} layers"
        why = f"layer {lost[0].layer_id}: {lost[0].stop}, {lost[0].note}"
        message = f"{method} kept the best map so far in {layers} ({why})"
        warnings.warn(message, FallbackWarning, stacklevel=7)


def _is_lost(certificate: LayerCertificate) -> bool:
    has_failed = certificate.stop in (StopReason.FAILED, StopReason.TOO_LARGE)
    return bool(certificate.note) and has_failed
