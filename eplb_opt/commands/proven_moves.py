"""The bounds of moves that a report states, proven again from the map in use, as far as no solver is needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..moves.bound import fewest_moves_bound
from ..moves.held import held_experts, slots_in_use
from ..problem.instance import Instance
from ..problem.placement import Placement
from ..problem.pool import Pool
from ..problem.status import ROUNDING


def layers_with_proven_moves(
    instance: Instance,
    placement: Placement,
    previous: Placement,
    report: Mapping[str, Any],
) -> int:
    """How many layers' bounds M1 to M6 prove again, at the objective of the map.

    Parameters
    ----------
    instance : Instance
    placement, previous : Placement
        The report's map, valid for the instance, and the one in use.
    report : mapping
        With ``previous``, and ``moves_bound`` in its layers.

    Returns
    -------
    int
        Of the others the bounds rest on programs or models that a solver has solved.
    """
    if instance.objective.timed_by is not None:
        return 0  # M1 to M6 are about tokens
    before = slots_in_use(previous, instance, report["previous"]["failed_ranks"])
    held = held_experts(before, instance.num_experts)
    targets = placement.objective(instance) * (1 + ROUNDING)
    proven = 0
    for layer, said in enumerate(report["layers"]):
        whole = Pool(
            instance.weight[layer],
            instance.num_replicas,
            instance.num_ranks,
            instance.distinct,
        )
        least = fewest_moves_bound(whole, held[layer], float(targets[layer]))
        proven += said["moves_bound"] <= least
    return proven
