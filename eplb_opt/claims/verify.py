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

from ..certificates.names import COST, UNEQUAL
from ..certificates.registry import certified_names, searched_names
from ..checker.problem import Problem, Verdict, check_layer
from ..errors import FormatError
from ..problem.instance import Instance
from ..problem.placement import Placement
from ..problem.pool import Ints
from ..problem.status import Status, agrees, relative_gap
from ..strict import shown
from .bounds import is_known, is_other, problem_of
from .checks import LayerCheck, ReportCheck
from .consistency import derived_faults, head_faults, totals_faults
from .reading import (
    Fields,
    read_head,
    read_layer,
    read_totals,
    schema_of,
    unknown_keys,
)
from .spare import is_proven, spare_bound_faults, spare_head_faults
from .steps import step_faults

OF_OTHERS = (COST, UNEQUAL)  # bounds in time, or of unequal ranks
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
        nothing = Verdict(math.nan, 0.0, math.inf, False, [fault])
        return [_layer_check(fields, nothing) for fields in layers]
    problem = problem_of(instance)
    rows = zip(placement.phy2log, layers, strict=True)
    return [
        _check(instance, problem, layer, placed, fields)
        for layer, (placed, fields) in enumerate(rows)
    ]


def _check(
    instance: Instance, problem: Problem, layer: int, placed: Ints, fields: Fields
) -> LayerCheck:
    """Re-check one layer: what the checker finds, and what else the report says of it."""
    known = _with_status(fields)
    others = [proof for proof in known["proofs"] if not is_known(instance, proof)]
    known["proofs"] = [proof for proof in known["proofs"] if proof not in others]
    found = check_layer(problem, layer, placed, known)
    faults = list(found.faults)
    faults += [f"a proof of kind {one['kind']}, of no such layer" for one in others]
    method = fields["bound_method"]
    if method in OF_OTHERS and not is_other(instance):
        faults.insert(0, f"a bound by {method}, which is none of such a layer")
    if method not in (*certified_names(), *searched_names()):
        faults.append(
            f"bound by {shown(method)}, which is no method of ours: {found.bound} is proven"
        )
    is_valid = not math.isnan(found.objective)
    objective = found.objective if is_valid else fields["objective"]
    if agrees(objective, fields["objective"]):
        objective = fields["objective"]
    true = {**fields, "objective": objective}
    faults += derived_faults(_mean(instance, layer, placed, is_valid), true)
    faults += spare_bound_faults(instance, layer, true)
    check = _layer_check(fields, found._replace(faults=faults))
    return replace(check, spare_proven=is_proven(instance, layer, fields, found.bound))


def _with_status(fields: Fields) -> Fields:
    """With gap and status where a report, as its least form, does not say them."""
    gap = relative_gap(fields["objective"], fields["lower_bound"])
    limit = fields.get("gap_limit", gap)
    status = Status.OPTIMAL if fields.get("gap", gap) <= limit else Status.FEASIBLE
    least = {"gap": gap, "gap_limit": limit, "status": status, "proofs": ()}
    return {**least, **fields}


def _mean(instance: Instance, layer: int, placed: Ints, is_valid: bool) -> float:
    """What the objective is over to give the imbalance; NaN where the loads alone do not say it."""
    if instance.objective.timed_by is None:
        return float(instance.mean[layer])
    if not is_valid:
        return math.nan
    row = Placement(placed[None], instance.num_experts)
    return float(row.mean_ranks(instance.select([layer]))[0])


def _layer_check(claimed: Fields, found: Verdict) -> LayerCheck:
    """What was found of a layer beside what the report claims of it."""
    return LayerCheck(
        layer_id=claimed["layer_id"],
        objective=found.objective,
        claimed_objective=claimed["objective"],
        bound=found.bound,
        claimed_bound=claimed["lower_bound"],
        bound_method=claimed["bound_method"],
        gap=found.gap,
        faults=tuple(found.faults),
        claimed_optimal=claimed.get("status") is Status.OPTIMAL,
    )
