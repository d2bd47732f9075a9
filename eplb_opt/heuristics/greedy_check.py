"""In which layers the greedy's map might be better than one that is there: told without making the greedy's map."""

from __future__ import annotations

import numpy as np

from ..instance import Instance
from ..pool import Floats, Ints
from . import arrays as xp
from .arrays import Array
from .greedy import greedy_objective, packing_bound

ROUNDING = 1e-13  # of sums of a rank's loads in different orders


def unsure_layers(instance: Instance, objective: Floats, greedy_check: float) -> Ints:
    """Layers further above a simple bound than ``greedy_check`` whose objective the greedy may beat."""
    load = np.asarray(instance.weight)
    layers = np.flatnonzero(objective > (1 + greedy_check + ROUNDING) * simple_bound(instance))
    if instance.distinct or not len(layers):
        return layers
    lighter, groups = objective[layers] * (1 - ROUNDING), instance.num_groups if instance.hierarchical else 1
    topology = (instance.num_replicas, instance.num_ranks, groups, instance.num_pools)
    found = greedy_objective(load[layers], *topology, enough=lighter)
    return np.asarray(layers[found < lighter], dtype=np.int64)


def simple_bound(instance: Instance) -> Floats:
    """Least load of the heaviest rank, [layers]: the mean; that of a node where it is exact; that without copies (N3).

    One group a node leaves no choice; of two, the heaviest with the lightest is the best pairing (``models/README.md``,
    X2).
    """
    if not instance.hierarchical:
        if instance.num_replicas > instance.num_experts:
            return instance.mean
        return packing_bound(np.sort(instance.weight, axis=1)[:, ::-1], instance.num_ranks)
    if instance.num_groups > 2 * instance.num_nodes:
        return instance.mean
    groups = np.sort(instance.weight.reshape(instance.num_layers, instance.num_groups, -1).sum(axis=2), axis=1)
    nodes = groups if instance.num_groups == instance.num_nodes else groups + groups[:, ::-1]
    return np.asarray(nodes.max(axis=1) / instance.ranks_per_pool, dtype=np.float64)


def heaviest_load(loads: Array, placed: Array, ranks: int, counts: Array | None = None) -> Array:
    """Load of the heaviest rank, [rows], added slot by slot, so to the same bits on every device.

    Of loads [rows, experts], valid maps [rows, slots] and their counts [rows, experts]: arrays of either kind.
    """
    each = xp.take_rows(loads / (xp.counted(placed, loads.shape[1]) if counts is None else counts), placed)
    each = each.reshape(len(loads), ranks, -1)
    total = each[:, :, 0]
    for slot in range(1, each.shape[2]):
        total = total + each[:, :, slot]
    return xp.greatest(total, 1)
