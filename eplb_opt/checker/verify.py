"""verify: a map and its report re-checked against the loads, without any solver.

Re-checked are the map's validity, its objective, everything that follows from objective and bound (gap, imbalance,
status, totals), and every bound that rests on L0 or on a certificate of cuts or of rank patterns (`bounds.proofs`, in
integers). A bound that rests on a search tree (CP-SAT's, or those over rank patterns and counts) has no short
certificate: the best bound that *is* re-proven stands beside it. What says nothing of the map cannot be re-checked and
is only read: who found it, why a method stopped, notes and times.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from ..certificates.mean import max_replica_bound, mean_bound
from ..certificates.names import CERTIFIED, MEAN, REPLICA, SEARCHED
from ..certificates.registry import bound_of, holds, names_of
from ..errors import FormatError
from ..problem.hierarchy import NodeSet, bottleneck_partition, members, node_sets
from ..problem.instance import Instance
from ..problem.placement import Placement
from ..problem.pool import Floats, Pool
from ..problem.status import Status, agrees, exceeds, relative_gap
from ..strict import shown
from .claims import BOUND, HEAD, LAYER, OPTIONAL, TOTALS, Fields, Proof, read_fields, unknown_keys
from .consistency import derived_faults, totals_faults

__all__ = ["LayerCheck", "ReportCheck", "holds", "verify", "verify_report"]


@dataclass(frozen=True)
class LayerCheck:
    """What was re-checked of one layer.

    Attributes
    ----------
    layer_id : int
    objective, claimed_objective : float
        Recomputed from the map (NaN: the map is not valid), and the report's, in tokens.
    bound, claimed_bound : float
        Re-proven here, and the report's, in tokens.
    bound_method : str
        What proved the bound, as the report says.
    gap : float
        Of the recomputed objective to the re-proven bound.
    faults : tuple of str
        What contradicts the report; empty if nothing does.
    """

    layer_id: int
    objective: float
    claimed_objective: float
    bound: float
    claimed_bound: float
    bound_method: str
    gap: float
    faults: tuple[str, ...]

    @property
    def bound_proven(self) -> bool:
        """The report's bound was re-proven, not only one below it."""
        return not exceeds(self.claimed_bound, self.bound)


@dataclass(frozen=True)
class ReportCheck:
    """What was re-checked of a report.

    Attributes
    ----------
    layers : tuple of LayerCheck
    faults : tuple of str
        What contradicts the report's head and totals; empty if nothing does.
    unknown : tuple of str
        Keys that this version does not know; nothing was checked of them.
    optimal : int
        Layers that the report calls OPTIMAL.
    gap_limit : float
        What it means by that: the largest gap limit of a layer.
    """

    layers: tuple[LayerCheck, ...]
    faults: tuple[str, ...]
    unknown: tuple[str, ...]
    optimal: int
    gap_limit: float

    @property
    def map_valid(self) -> bool:
        """Whether every layer has an objective."""
        return not any(math.isnan(layer.objective) for layer in self.layers)

    @property
    def exit_code(self) -> int:
        """0: all is re-proven; 1: something contradicts the report; 3: sound, but not every bound is re-proven."""
        if self.faults or any(layer.faults for layer in self.layers):
            return 1
        return 0 if all(layer.bound_proven for layer in self.layers) else 3


def verify(instance: Instance, placement: Placement, layers: Sequence[Mapping[str, Any]]) -> list[LayerCheck]:
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
    """
    placement.require_valid(instance)
    return _checks(instance, placement, _read_layers(instance, layers, BOUND))


def verify_report(instance: Instance, placement: Placement, report: Mapping[str, Any]) -> ReportCheck:
    """Re-check a whole report.

    Parameters
    ----------
    instance : Instance
        Built from the loads and the topology that the report is believed to be of.
    placement : Placement
        The map; one that is not valid is a fault of the layers where it is not.
    report : mapping
        What ``solve --json`` wrote, or `Result.to_dict`, which has no ``windows``.

    Returns
    -------
    ReportCheck

    Raises
    ------
    FormatError
        The report does not fit the instance, lacks something, or something in it cannot be read.
    """
    head = read_fields(report, HEAD, "the report", tuple(name for name in HEAD if name not in OPTIONAL))
    fields = _read_layers(instance, head["layers"], None)
    totals = read_fields(head["totals"], TOTALS, "totals")
    faults = [
        f"{name} {shown(head[name])} instead of {shown(getattr(instance, name))}"
        for name in ("mode", "num_replicas", "num_ranks", "num_nodes", "num_groups", "distinct")
        if head[name] != getattr(instance, name)
    ]
    faults += totals_faults(fields, totals)
    unknown = unknown_keys(report, HEAD) + unknown_keys(head["totals"], TOTALS)
    for layer in head["layers"]:
        unknown += unknown_keys(layer, LAYER)
    return ReportCheck(
        tuple(_checks(instance, placement, fields)), tuple(faults), tuple(dict.fromkeys(unknown)),
        sum(layer["status"] is Status.OPTIMAL for layer in fields), max(layer["gap_limit"] for layer in fields),
    )  # fmt: skip


def _read_layers(instance: Instance, layers: Sequence[Any], required: tuple[str, ...] | None) -> list[Fields]:
    ids = tuple(instance.layer_ids or ())
    if len(layers) != len(ids):
        raise FormatError(f"the report has {len(layers)} layers, the loads have {len(ids)}")
    read = [read_fields(layer, LAYER, f"layer {i}", required) for i, layer in zip(ids, layers, strict=True)]
    for layer_id, fields in zip(ids, read, strict=True):
        if fields["layer_id"] != layer_id:
            raise FormatError(f"the report has layer {fields['layer_id']} where the loads have layer {layer_id}")
    return read


def _checks(instance: Instance, placement: Placement, layers: Sequence[Fields]) -> list[LayerCheck]:
    shape = (instance.num_layers, instance.num_replicas)
    if placement.phy2log.shape != shape or placement.num_experts != instance.num_experts:
        return [_of_another_map(fields, placement.violations(instance)[0]) for fields in layers]
    objective, invalid = _objectives(instance, placement)
    return [_check(instance, i, float(objective[i]), fields, invalid[i]) for i, fields in enumerate(layers)]


def _of_another_map(fields: Fields, why: str) -> LayerCheck:
    """A layer of a report that is not of this map: nothing is re-proven."""
    return LayerCheck(
        fields["layer_id"], math.nan, fields["objective"], 0.0, fields["lower_bound"], fields["bound_method"],
        math.inf, (f"the report is not of this map: {why}",),
    )  # fmt: skip


def _objectives(instance: Instance, placement: Placement) -> tuple[Floats, list[list[str]]]:
    """The objective of each layer, NaN where the map is not valid; and what makes it so, [layers]."""
    if not placement.violations(instance):
        return placement.objective(instance), [[] for _ in range(instance.num_layers)]
    objective = np.full(instance.num_layers, math.nan)
    invalid = []
    for i, layer_id in enumerate(instance.layer_ids or ()):
        one = replace(instance, load=instance.load[:, [i]], layer_ids=(layer_id,))
        row = Placement(placement.phy2log[[i]], placement.num_experts, (layer_id,))
        found = row.violations(one)
        invalid.append([f"the map is not valid: {found[0]} (of {len(found)} violations)"] if found else [])
        if not found:
            objective[i] = row.objective(one)[0]
    return objective, invalid


def _check(instance: Instance, layer: int, objective: float, fields: Fields, invalid: list[str]) -> LayerCheck:
    claimed_objective, claimed_bound = fields["objective"], fields["lower_bound"]
    faults = list(invalid)
    if not (invalid or agrees(objective, claimed_objective)):
        faults.append(f"objective {objective} instead of {claimed_objective}")
    bound, faults_of_bound = _check_bound(instance, layer, fields)
    faults += faults_of_bound
    if not invalid:
        bound = min(bound, objective)
        if exceeds(claimed_bound, objective):
            faults.append(f"bound {claimed_bound} above the map's objective {objective}")
    faults += derived_faults(float(instance.mean[layer]), fields)
    gap = math.inf if invalid else relative_gap(objective, bound)
    return LayerCheck(
        fields["layer_id"], objective, claimed_objective, bound, claimed_bound, fields["bound_method"], gap,
        tuple(faults),
    )  # fmt: skip


def _check_bound(instance: Instance, layer: int, fields: Fields) -> tuple[float, list[str]]:
    """The layer's bound from L0 and the certificates that hold; and what is wrong with the claimed one."""
    claimed, method = fields["lower_bound"], fields["bound_method"]
    bound, named, faults = _bound(instance, layer, fields.get("proofs", ()))
    if method not in (*CERTIFIED, *SEARCHED):
        faults.append(f"bound {claimed} by {shown(method)}, which is no method of ours: {bound} is proven")
    elif method in CERTIFIED and exceeds(claimed, bound):
        faults.append(f"bound {claimed} by {method} is not proven: {bound} is")
    elif method in CERTIFIED and exceeds(claimed, named.get(method, -math.inf)):
        faults.append(f"bound {claimed} is not what {method} proves")
    return bound, faults


def _bound(instance: Instance, layer: int, proofs: Sequence[Proof]) -> tuple[float, dict[str, float], list[str]]:
    """The layer's bound; the most that each method proves of one of its pools; and the proofs that are wrong."""
    whole = Pool(instance.weight[layer], instance.num_replicas, instance.num_ranks)
    named = _trivial(whole)
    least = max(named.values())
    of_set: dict[NodeSet, list[Proof]] = {}
    for proof in proofs:
        of_set.setdefault(proof[0], []).append(proof)
    sets = node_sets(instance)
    faults = [
        f"a certificate for groups {_listed(groups)}, which are on no node" for groups in of_set
        if not _is_node_set(instance, groups)
    ]  # fmt: skip
    looked_at = [groups for groups in of_set if _is_node_set(instance, groups)] if sets is None else sets
    bounds = {}
    for node_set in looked_at:
        pool = instance.pool(layer, members(instance, node_set) if instance.hierarchical else None)
        found, wrong = _pool_bounds(pool, of_set.get(node_set, ()))
        faults += [f"{what} for groups {_listed(node_set)}" for what in wrong]
        bounds[node_set] = max(found.values())
        named = {name: max(named.get(name, value), value) for name, value in (named | found).items()}
    if sets is None:  # the bound of many groups (H3) has no certificate
        return least, _trivial(whole), faults
    return max(least, bottleneck_partition(bounds, instance.num_groups)[0]), named, faults


def _pool_bounds(pool: Pool, proofs: Sequence[Proof]) -> tuple[dict[str, float], list[str]]:
    """What each method proves of a pool, and which of its proofs are wrong."""
    found, wrong = _trivial(pool), []
    if len(proofs) > 1:
        wrong.append(f"{len(proofs)} certificates")
    for _, certificate in proofs[:1]:
        if holds(pool, certificate):
            found |= dict.fromkeys(names_of(certificate), bound_of(pool, certificate))
        else:
            wrong.append("a certificate that does not hold")
    return found, wrong


def _trivial(pool: Pool) -> dict[str, float]:
    return {MEAN: mean_bound(pool), REPLICA: max_replica_bound(pool)}


def _is_node_set(instance: Instance, groups: NodeSet) -> bool:
    """Whether these are the groups of one node, ascending."""
    size = instance.num_groups // instance.num_pools
    inside = all(0 <= group < instance.num_groups for group in groups)
    return len(groups) == size and inside and all(a < b for a, b in pairwise(groups))


def _listed(groups: NodeSet) -> str:
    return shown(str(list(groups[:8])))
