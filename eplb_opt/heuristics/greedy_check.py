"""In which layers the greedy's map might be better than one that is there: told without making the greedy's map."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..problem.instance import Instance
from ..problem.pool import Floats, Ints
from ..problem.topology import Topology
from ..problem.water_filling import ordered_counts, water_filling
from . import arrays as xp
from .arrays import Array
from .greedy import greedy_members, pack_ordered
from .optional import optional

ROUNDING = 1e-13  # of sums of a rank's loads in different orders
TINY = 2.0**-960  # of a layer with no larger load, quotients lose digits (they may be subnormal): nothing is told of it


def unsure_layers(instance: Instance, objective: Floats, greedy_check: float, *, compiled: bool = False) -> Ints:
    """Layers further above a simple bound than ``greedy_check`` whose objective the greedy may beat.

    ``compiled`` lets numba pack, where it is installed; the layers are the same.
    """
    load = np.asarray(instance.weight)
    tiny = load.max(axis=1) < TINY
    layers = np.flatnonzero((objective > (1 + greedy_check + ROUNDING) * simple_bound(instance)) | tiny)
    if instance.distinct or not len(layers):
        return layers
    lighter = objective[layers] * (1 - ROUNDING)
    found = greedy_objective(load[layers], instance.num_replicas, instance.topology, enough=lighter, compiled=compiled)
    return np.asarray(layers[(found < lighter) | tiny[layers]], dtype=np.int64)


def is_lighter(loads: Floats, one: Ints, other: Ints, ranks: int) -> npt.NDArray[np.bool_]:
    """In which rows the heaviest rank of one map is lighter than that of the other, [rows].

    Of tiny loads also where it would be, were their quotients not rounded to multiples of the smallest float.

    Parameters
    ----------
    loads : array [rows, experts]
    one, other : array [rows, slots]
        Valid maps.
    ranks : int
    """
    lighter = heaviest_load(loads, one, ranks) < heaviest_load(loads, other, ranks)
    tiny = np.flatnonzero(loads.max(axis=1) < TINY)
    if len(tiny):
        scaled = loads[tiny] * 2.0**900
        lighter[tiny] |= heaviest_load(scaled, one[tiny], ranks) < heaviest_load(scaled, other[tiny], ranks)
    return np.asarray(lighter)


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


def greedy_objective(
    weight: Floats, num_replicas: int, topology: Topology, *, enough: Floats | None = None, compiled: bool = False
) -> Floats:
    """Load of the heaviest rank under the greedy, [layers], of loads [layers, experts]; no map is made.

    Up to rounding: the sums are in another order than those of a map. Of a layer in which any packing of the greedy's
    replicas has a rank of load ``enough`` [layers], a lower bound that says so is returned instead: `sharing_bound`, or
    `packing_bound` with two slots a rank, where it is often that large.
    """
    layers = len(weight)
    nodes = topology.num_pools
    ranks = topology.ranks_per_pool
    if topology.hierarchical:
        members = greedy_members(weight, topology)
        weight = np.take_along_axis(weight, members, axis=1).reshape(layers * nodes, -1)
    each = _replica_loads(weight, num_replicas // nodes)
    result = sharing_bound(each, ranks) if each.shape[1] > 2 * ranks else packing_bound(each, ranks)
    wanted = np.arange(len(each)) if enough is None else np.flatnonzero(result < np.repeat(enough, nodes))
    kernel = optional("greedy_compiled") if compiled else None
    pack_heaviest = kernel.heaviest_of_greedy if kernel and ranks <= kernel.MOST_RANKS else _pack_objective
    result[wanted] = pack_heaviest(np.ascontiguousarray(each[wanted]), ranks)
    return np.asarray(result.reshape(layers, nodes).max(axis=1), dtype=np.float64)


def _pack_objective(each: Floats, ranks: int) -> Floats:
    """Heaviest rank of the greedy's packing, [pools], of replica loads [pools, slots], heaviest first."""
    total, even = _pack_rows(each.reshape(len(each), each.shape[1] // ranks, ranks))
    rest = np.flatnonzero(~even)
    if len(rest):
        at = pack_ordered(each[rest], ranks) + np.arange(len(rest))[:, None] * ranks
        total[rest] = np.bincount(at.ravel(), each[rest].ravel(), len(rest) * ranks).reshape(len(rest), ranks)
    return np.asarray(total.max(axis=1), dtype=np.float64)


def packing_bound(each: Floats, ranks: int) -> Floats:
    """Lower bound on the heaviest rank of any packing, [pools], of loads [pools, slots], heaviest first.

    The k heaviest replicas are on some k ranks, whose other k (s - 1) slots hold no less than the lightest: their mean.
    """
    k = np.arange(1, ranks + 1)
    others = k * (each.shape[1] // ranks - 1)
    lightest = np.concatenate((np.zeros((len(each), 1)), each[:, ::-1].cumsum(axis=1)), axis=1)[:, others]
    return np.asarray(((each[:, :ranks].cumsum(axis=1) + lightest) / k).max(axis=1), dtype=np.float64)


def sharing_bound(each: Floats, ranks: int) -> Floats:
    """Lower bound on the heaviest rank of any packing, [pools], of loads [pools, slots], heaviest first.

    Of the j R + 1 heaviest, some rank has j + 1, j = 0, 1, ..., and its other slots hold no less than the lightest.
    """
    slots = each.shape[1] // ranks
    shared = each[:, 0].copy()
    for j in range(1, slots):
        heaviest = each[:, j * ranks - j : j * ranks + 1].sum(axis=1)
        np.maximum(shared, heaviest + each[:, each.shape[1] - (slots - 1 - j) :].sum(axis=1), out=shared)
    return shared


def _replica_loads(loads: Floats, slots: int) -> Floats:
    """Loads of the replicas by the greedy's counts, heaviest first, [pools, slots]; no argsort where no tie decides."""
    pools, experts = loads.shape
    ordered = np.sort(loads, axis=1)[:, ::-1]
    if slots == experts:
        return ordered
    counts, tied = ordered_counts(ordered, slots)
    if tied.any():  # there the order of the experts decides, so these loads stay in it
        ordered = np.where(tied[:, None], loads, ordered)
        counts[tied] = water_filling(loads[tied], slots, slots)
    each = np.repeat((ordered / counts).ravel(), counts.ravel()).reshape(pools, slots)
    each.sort(axis=1)
    return each[:, ::-1]


def _pack_rows(rows: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """`pack` where every rank gets one item of each row: loads [pools, ranks], and of which pools that holds.

    It holds if no rank that waits is as heavy as one that was served. ``rows`` is [pools, slots a rank, ranks].
    """
    total = rows[:, 0]
    waited, served = [], []
    for row in range(1, rows.shape[1]):
        waiting = np.sort(total, axis=1)
        total = waiting + rows[:, row]
        waited.append(waiting[:, 1:])
        served.append(total[:, :-1])
    if len(waited) < 2:  # after the last row a rank that was served is full
        return total, np.ones(len(rows), dtype=np.bool_)
    lightest = np.minimum.accumulate(np.stack(served[:-1]), axis=2)
    return total, np.asarray((np.stack(waited[:-1]) < lightest).all(axis=(0, 2)))


def heaviest_load(loads: Array, placed: Array, ranks: int, counts: Array | None = None) -> Array:
    """Load of the heaviest rank, [rows], added slot by slot, so to the same bits on every device.

    Of loads [rows, experts], valid maps [rows, slots] and their counts [rows, experts]: arrays of either kind.
    """
    each = xp.take_along_axis(loads / (xp.bincount(placed, loads.shape[1]) if counts is None else counts), placed)
    each = each.reshape(len(loads), ranks, -1)
    total = each[:, :, 0]
    for slot in range(1, each.shape[2]):
        total = total + each[:, :, slot]
    return xp.max(total, 1)
