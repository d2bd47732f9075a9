"""verify: a map and its report re-checked against the loads, without any solver.

Re-checked are the map's validity, its objective, everything that follows from objective and bound (gap, imbalance,
status, totals), and every bound that rests on L0 or on a certificate (`certificates`, in integers). A bound that rests
on a solver's search tree, or on a large one of ours, has no short certificate: the best bound that *is* re-proven
stands beside it. What says nothing of the map cannot be re-checked and is only read: who found it, why a method
stopped, notes and times.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import FormatError
from ..problem.instance import Instance
from ..problem.placement import Placement
from ..problem.pool import Floats
from ..problem.status import Status, agrees, exceeds, relative_gap
from .bounds import proven_bound
from .checks import LayerCheck, ReportCheck
from .claims import Fields, read_head, read_layer, read_totals, schema_of, unknown_keys
from .consistency import derived_faults, head_faults, totals_faults
from .spare import is_proven, spare_bound_faults, spare_head_faults
from .steps import step_faults

THE_REPORT = "the report"
CHOOSE_LAYERS = "--layers says which layers the loads have, or are wanted of them"


def verify(
    instance: Instance, placement: Placement, layers: Sequence[Mapping[str, Any]]
) -> list[LayerCheck]:
    """Re-check a report's layers.

    Parameters
    ----------
    instance : Instance
        Built from the loads, not from the report.
    placement : Placement
    layers : sequence of mappings
        The report's ``layers``: ``layer_id``, ``objective``, ``lower_bound`` and ``bound_method`` at least; everything
        else that a report has is checked where it is there.

    Returns
    -------
    list of LayerCheck

    Raises
    ------
    InstanceError
        The map is not valid for the instance.
    FormatError
        The report does not fit the instance, or something in it cannot be read.

    Examples
    --------
    >>> from eplb_opt import Instance, solve
    >>> result = solve(Instance([[3, 1]], 4, num_ranks=2), "greedy")
    >>> (check,) = verify(result.instance, result.placement, result.to_dict()["layers"])
    >>> check.objective, check.bound, check.faults
    (2.0, 2.0, ())
    """
    placement.require_valid(instance)
    return _checks(instance, placement, _read_layers(instance, layers, None))


def verify_report(
    instance: Instance, placement: Placement, report: Mapping[str, Any]
) -> ReportCheck:
    """Re-check a whole report.

    Parameters
    ----------
    instance : Instance
        Built from the loads and the topology that the report is believed to be of.
    placement : Placement
        The map; one that is not valid is a fault of the layers where it is not.
    report : mapping
        What ``solve --json`` wrote, or `Result.to_dict`, which has no ``windows``. Reports before schemas are read too.

    Returns
    -------
    ReportCheck

    Raises
    ------
    FormatError
        The report does not fit the instance, lacks something, is of a newer schema, or something in it cannot be read.

    Examples
    --------
    >>> from eplb_opt import Instance, solve
    >>> result = solve(Instance([[3, 1]], 4, num_ranks=2), "greedy")
    >>> report = result.to_dict()
    >>> verify_report(result.instance, result.placement, report).exit_code
    0
    >>> report["layers"][0]["objective"] = 1.5
    >>> verify_report(result.instance, result.placement, report).exit_code
    1
    """
    schema = schema_of(report, THE_REPORT)
    head = read_head(report, THE_REPORT)
    layers = _read_layers(instance, head["layers"], schema)
    totals = read_totals(head["totals"], schema)
    faults = head_faults(instance, head, layers) + totals_faults(layers, totals)
    faults += spare_head_faults(instance, placement, head, layers)
    faults += step_faults(instance, placement, layers)
    return ReportCheck(
        layers=tuple(_checks(instance, placement, layers)),
        faults=tuple(faults),
        unknown=unknown_keys(report),
        gap_limit=max(fields["gap_limit"] for fields in layers),
    )


def _read_layers(
    instance: Instance, layers: Sequence[Any], schema: int | None
) -> list[Fields]:
    ids = tuple(instance.layer_ids or ())
    if len(layers) != len(ids):
        raise FormatError(
            f"the report has {len(layers)} layers, the loads have {len(ids)}: {CHOOSE_LAYERS}"
        )
    read = [
        read_layer(data, layer_id, schema)
        for layer_id, data in zip(ids, layers, strict=True)
    ]
    for layer_id, fields in zip(ids, read, strict=True):
        if fields["layer_id"] != layer_id:
            raise FormatError(
                f"the report has layer {fields['layer_id']} where the loads have layer {layer_id}: {CHOOSE_LAYERS}"
            )
    return read


def _checks(
    instance: Instance, placement: Placement, layers: Sequence[Fields]
) -> list[LayerCheck]:
    shape = (instance.num_layers, instance.num_replicas)
    is_same_shape = placement.phy2log.shape == shape
    if not is_same_shape or placement.num_experts != instance.num_experts:
        # The report is not of this map: nothing is proven again.
        fault = f"the report is not of this map: {placement.violations(instance)[0]}"
        return [
            _layer_check(fields, math.nan, 0.0, math.inf, [fault]) for fields in layers
        ]
    objective, means, invalid = _objectives(instance, placement)
    return [
        _check(instance, i, float(objective[i]), float(means[i]), fields, invalid[i])
        for i, fields in enumerate(layers)
    ]


def _objectives(
    instance: Instance, placement: Placement
) -> tuple[Floats, Floats, list[list[str]]]:
    """The objective of each layer and its mean rank, NaN where the map is not valid; and what makes it so, [layers]."""
    if not placement.violations(instance):
        objective = placement.objective(instance)
        nothing: list[list[str]] = [[] for _ in range(instance.num_layers)]
        return objective, placement.mean_ranks(instance), nothing
    objective = np.full(instance.num_layers, math.nan)
    is_in_time = instance.objective.timed_by is not None
    means = np.where(is_in_time, math.nan, instance.mean)
    invalid: list[list[str]] = []
    for i, layer_id in enumerate(instance.layer_ids or ()):
        one = replace(instance, load=instance.load[:, [i]], layer_ids=(layer_id,))
        row = Placement(placement.phy2log[[i]], placement.num_experts, (layer_id,))
        violations = row.violations(one)
        if violations:
            of_all = f"(of {len(violations)} violations)"
            invalid.append([f"the map is not valid: {violations[0]} {of_all}"])
        else:
            invalid.append([])
            objective[i] = row.objective(one)[0]
            means[i] = row.mean_ranks(one)[0]
    return objective, means, invalid


def _check(
    instance: Instance,
    layer: int,
    objective: float,
    mean: float,
    fields: Fields,
    invalid: list[str],
) -> LayerCheck:
    """Re-check one layer.

    Parameters
    ----------
    layer : int
        Row of the instance.
    objective : float
        Of the map; NaN where it is not valid.
    mean : float
        Of its rank loads or times; NaN where it is not valid and the loads alone do not say it.
    invalid : list of str
        Why it is not; empty where it is.
    """
    claimed = dict(fields)
    faults = list(invalid)
    if not (invalid or agrees(objective, claimed["objective"])):
        faults.append(f"objective {claimed['objective']}, the map's is {objective}")
        fields = {**fields, "objective": objective}  # what follows is not at fault, too
    bound, faults_of_bound = proven_bound(instance, layer, fields)
    faults += faults_of_bound
    if not invalid:
        bound = min(bound, objective)
        if exceeds(claimed["lower_bound"], objective):
            faults.append(_above_objective(claimed["lower_bound"], objective))
    faults += derived_faults(mean, fields)
    faults += spare_bound_faults(instance, layer, fields)
    gap = math.inf if invalid else relative_gap(objective, bound)
    found = _layer_check(claimed, objective, bound, gap, faults)
    return replace(found, spare_proven=is_proven(instance, layer, claimed, bound))


def _above_objective(bound: float, objective: float) -> str:
    return f"bound {bound} above the map's objective {objective}"


def _layer_check(
    claimed: Fields, objective: float, bound: float, gap: float, faults: list[str]
) -> LayerCheck:
    """What was found of a layer beside what the report claims of it."""
    return LayerCheck(
        layer_id=claimed["layer_id"],
        objective=objective,
        claimed_objective=claimed["objective"],
        bound=bound,
        claimed_bound=claimed["lower_bound"],
        bound_method=claimed["bound_method"],
        gap=gap,
        faults=tuple(faults),
        claimed_optimal=claimed.get("status") is Status.OPTIMAL,
    )
