"""verify: a map and its report re-checked against the loads, without any solver.

Re-checked are the map's validity, its objective, and every bound that rests on L0 or on a certificate of cuts or of
rank patterns (`bounds.certificate`, `bounds.patterns`, in integers). A bound that rests on a search tree (CP-SAT's, or
those over rank patterns and counts) has no short certificate: the best bound that *is* re-proven stands beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .bounds.certificate import CutCertificate, certificate_holds
from .bounds.mean import trivial_bound
from .bounds.names import CERTIFIED
from .bounds.patterns import PatternCertificate, pattern_certificate_holds
from .errors import FormatError
from .exact.matching import next_sum
from .hierarchy import NodeSet, bottleneck_partition, members, node_sets
from .instance import Instance
from .outcome import relative_gap
from .placement import Placement
from .pool import Pool

Certificate = CutCertificate | PatternCertificate
ROUNDING = 1e-9  # relative difference that sums in another order may show


@dataclass(frozen=True)
class LayerCheck:
    """What was re-checked of one layer.

    Attributes
    ----------
    layer_id : int
    objective, claimed_objective : float
        Recomputed from the map, and the report's.
    bound, claimed_bound : float
        Re-proven here, and the report's.
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
    gap: float
    faults: tuple[str, ...]

    @property
    def bound_proven(self) -> bool:
        """The report's bound was re-proven, not only one below it."""
        return self.bound >= self.claimed_bound * (1 - ROUNDING)


def verify(instance: Instance, placement: Placement, layers: Sequence[Mapping[str, Any]]) -> list[LayerCheck]:
    """Re-check a report's layers.

    Parameters
    ----------
    instance : Instance
        Built from the loads, not from the report.
    placement : Placement
    layers : sequence of mappings
        The report's ``layers``: ``layer_id``, ``objective``, ``lower_bound``, ``proofs``.

    Raises
    ------
    InstanceError
        The map is not valid for the instance.
    FormatError
        The report does not fit the instance, or a certificate in it cannot be read.
    """
    objective = placement.objective(instance)
    ids = tuple(instance.layer_ids or ())
    if tuple(layer.get("layer_id") for layer in layers) != ids:
        raise FormatError(f"the report's layers are not the {len(ids)} layers of the loads")
    return [
        _check(instance, i, float(value), layer) for i, (value, layer) in enumerate(zip(objective, layers, strict=True))
    ]


def _check(instance: Instance, layer: int, objective: float, report: Mapping[str, Any]) -> LayerCheck:
    try:
        claimed, claimed_bound = float(report["objective"]), float(report["lower_bound"])
        proofs = [(tuple(p["groups"]), _certificate(p)) for p in report.get("proofs", ())]
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(f"layer {report.get('layer_id')}: no objective, bound or proof to read ({error!r})") from None
    faults = []
    if not np.isclose(objective, claimed, rtol=ROUNDING, atol=0.0):
        faults.append(f"objective {objective} instead of {claimed}")
    bound, broken = _bound(instance, layer, proofs)
    faults += [f"the certificate for groups {list(groups)} does not hold" for groups in broken]
    if claimed_bound > objective * (1 + ROUNDING):
        faults.append(f"bound {claimed_bound} above the map's objective {objective}")
    method = report.get("bound_method")
    if not instance.hierarchical and method in CERTIFIED and claimed_bound > bound * (1 + ROUNDING):
        faults.append(f"bound {claimed_bound} by {method} is not proven: {bound} is")
    bound = min(bound, objective)
    return LayerCheck(
        int(report["layer_id"]), objective, claimed, bound, claimed_bound, relative_gap(objective, bound), tuple(faults)
    )


def _bound(
    instance: Instance, layer: int, proofs: Sequence[tuple[NodeSet, Certificate]]
) -> tuple[float, list[NodeSet]]:
    """The layer's bound from L0 and the certificates that hold; and the node sets whose certificates do not."""
    whole = trivial_bound(Pool(instance.weight[layer], instance.num_replicas, instance.num_ranks))[0]
    sets = node_sets(instance)
    if sets is None:  # the bound of many groups (H3) has no certificate
        return whole, []
    bounds, broken = {}, []
    for node_set in sets:
        pool = instance.pool(layer, members(instance, node_set) if instance.hierarchical else None)
        bounds[node_set] = trivial_bound(pool)[0]
        for _, certificate in (p for p in proofs if p[0] == node_set):
            if holds(pool, certificate):
                bounds[node_set] = max(bounds[node_set], _beyond(pool, certificate.target))
            else:
                broken.append(node_set)
    broken += [groups for groups, _ in proofs if groups not in bounds]
    return max(whole, bottleneck_partition(bounds, instance.num_groups)[0]), broken


def _certificate(data: Mapping[str, Any]) -> Certificate:
    return PatternCertificate.from_dict(data) if "prices" in data else CutCertificate.from_dict(data)


def holds(pool: Pool, certificate: Certificate) -> bool:
    """Whether a certificate proves that no packing of the pool is within its target."""
    if isinstance(certificate, PatternCertificate):
        return pattern_certificate_holds(pool, certificate)
    return certificate_holds(pool, certificate)


def _beyond(pool: Pool, target: float) -> float:
    """The bound of a pool without a packing within the target: at s = 2 the next sum of two replica loads (X5)."""
    return max(target, next_sum(pool, target, 2 * target)) if pool.slots_per_rank == 2 else target
