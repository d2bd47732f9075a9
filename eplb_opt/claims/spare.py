"""What a report says of spare replicas: recomputed from the map, and its bounds proven again."""

from __future__ import annotations

from collections.abc import Sequence

from ..certificates.names import CP_SAT, SPARE_REPLICA
from ..certificates.spare import spare_replica_bound
from ..errors import EplbError
from ..problem.instance import Instance
from ..problem.placement import Placement
from ..problem.pool import Pool
from ..problem.spare import COPIES, require_spare, spare_faults
from ..problem.status import agrees, exceeds
from ..strict import shown
from .reading import Fields


def spare_head_faults(
    instance: Instance, placement: Placement, head: Fields, layers: Sequence[Fields]
) -> list[str]:
    """Whether the map is spare as the head says, and the layers have bounds of such maps if it is.

    Parameters
    ----------
    instance : Instance
    placement : Placement
        One that is not valid is a fault elsewhere.
    head, layers
        What the report says.
    """
    spare = head.get("spare")
    wrong = [
        fields["layer_id"]
        for fields in layers
        if _has_bound(fields) != (spare is not None)
    ]
    if wrong:
        said = "without a" if spare is not None else "with a"
        asked = "are" if spare is not None else "are not"
        return [
            f"layer {wrong[0]} {said} spare_bound, but spare replicas {asked} claimed"
        ]
    if spare is None or placement.violations(instance):
        return []
    try:
        require_spare(instance, spare)
    except EplbError as error:
        return [f"spare replicas are claimed: {error}"]
    faults = spare_faults(placement, instance, spare)
    if not faults:
        return []
    return [f"not spare: {faults[0]} (of {len(faults)} such experts)"]


def spare_bound_faults(instance: Instance, layer: int, fields: Fields) -> list[str]:
    """What is wrong with a layer's bound of maps with spare replicas.

    Parameters
    ----------
    instance : Instance
    layer : int
        Row of the instance.
    fields : mapping
        What the report says of the layer.
    """
    if not _has_bound(fields):
        return []
    claimed = fields["spare_bound"]
    method = fields.get("spare_bound_method")
    of_counts = _of_counts(instance, layer)
    if claimed is None or method is None or of_counts is None:
        return [f"a spare_bound of {claimed} by {shown(method)}, where there is none"]
    if exceeds(claimed, fields["objective"]):
        return [f"spare_bound {claimed} above the map's objective"]
    proven = {fields["bound_method"]: fields["lower_bound"], SPARE_REPLICA: of_counts}
    least = min(max(proven.values()), fields["objective"])
    if exceeds(least, claimed):
        return [f"spare_bound {claimed}, but {least} is proven"]
    if method == CP_SAT:
        return []
    if method not in proven or not agrees(claimed, min(proven[method], least)):
        return [f"spare_bound {claimed} is not what {shown(method)} proves"]
    return []


def is_proven(instance: Instance, layer: int, fields: Fields, bound: float) -> bool:
    """Whether a layer's bound of maps with spare replicas is proven again, if it has one.

    Parameters
    ----------
    instance : Instance
    layer : int
        Row of the instance.
    fields : mapping
        What the report says of the layer.
    bound : float
        Of all maps, proven again.
    """
    of_counts = _of_counts(instance, layer)
    claimed = fields.get("spare_bound")
    if claimed is None or of_counts is None:
        return True
    return not exceeds(claimed, max(bound, of_counts))


def _has_bound(fields: Fields) -> bool:
    names = ("spare_bound", "spare_bound_method")
    return any(fields.get(name) is not None for name in names)


def _of_counts(instance: Instance, layer: int) -> float | None:
    """The bound (SP2) of a layer; None with too few slots, and in time or on unequal ranks, as it is one of tokens."""
    has_slots = instance.num_replicas >= COPIES * instance.num_experts
    if not has_slots or instance.is_of_sizes:
        return None
    whole = Pool(instance.weight[layer], instance.num_replicas, instance.num_ranks)
    return spare_replica_bound(whole)
