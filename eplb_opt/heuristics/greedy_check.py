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
# Of a layer with no larger load, quotients lose digits (they may be subnormal): nothing is told of it.
TINY = 2.0**-960


def unsure_layers(
    instance: Instance,
    objective: Floats,
    greedy_check: float,
    *,
    compiled: bool = False,
) -> Ints:
    """Layers further above a simple bound than ``greedy_check`` whose objective the greedy may beat.

    Parameters
    ----------
    instance : Instance
    objective : array [layers], float64
        Load of the heaviest rank under the maps that are there.
    greedy_check : float
        As for `refine.refined`.
    compiled : bool, default False
        Let numba pack, where it is installed; the layers are the same.

    Returns
    -------
    array [any], int64
    """
    load = np.asarray(instance.weight)
    is_tiny = load.max(axis=1) < TINY
    is_above = objective > (1 + greedy_check + ROUNDING) * simple_bound(instance)
    layers = np.flatnonzero(is_above | is_tiny)
    if instance.distinct or not len(layers):
        return layers
    enough = objective[layers] * (1 - ROUNDING)
    by_greedy = greedy_objective(
        load[layers],
        instance.num_replicas,
        instance.topology,
        enough=enough,
        compiled=compiled,
    )
    return np.asarray(layers[(by_greedy < enough) | is_tiny[layers]], dtype=np.int64)


def is_lighter(
    loads: Floats, one: Ints, other: Ints, ranks: int
) -> npt.NDArray[np.bool_]:
    """In which rows the heaviest rank of one map is lighter than that of the other, [rows].

    Of tiny loads also where it would be, were their quotients not rounded to multiples of the smallest float.

    Parameters
    ----------
    loads : array [rows, experts]
    one, other : array [rows, slots]
        Valid maps.
    ranks : int

    Returns
    -------
    array [rows], bool
    """
    is_less = np.array(
        heaviest_load(loads, one, ranks) < heaviest_load(loads, other, ranks)
    )
    tiny = np.flatnonzero(loads.max(axis=1) < TINY)
    if len(tiny):
        scaled = loads[tiny] * 2.0**900
        by_one = heaviest_load(scaled, one[tiny], ranks)
        by_other = heaviest_load(scaled, other[tiny], ranks)
        is_less[tiny] |= np.asarray(by_one < by_other)
    return is_less


def simple_bound(instance: Instance) -> Floats:
    """Least load of the heaviest rank, [layers]: the mean; that of a node where it is exact; that without copies (N3).

    One group a node leaves no choice; of two, the heaviest with the lightest is the best pairing (``models/README.md``,
    X2).
    """
    if not instance.hierarchical:
        if instance.num_replicas > instance.num_experts:
            return instance.mean
        heaviest_first = np.sort(instance.weight, axis=1)[:, ::-1]
        return packing_bound(heaviest_first, instance.num_ranks)
    if instance.num_groups > 2 * instance.num_nodes:
        return instance.mean
    by_group = instance.weight.reshape(instance.num_layers, instance.num_groups, -1)
    groups = np.sort(by_group.sum(axis=2), axis=1)
    nodes = (
        groups
        if instance.num_groups == instance.num_nodes
        else groups + groups[:, ::-1]
    )
    return np.asarray(nodes.max(axis=1) / instance.ranks_per_pool, dtype=np.float64)


def greedy_objective(
    weight: Floats,
    num_replicas: int,
    topology: Topology,
    *,
    enough: Floats | None = None,
    compiled: bool = False,
) -> Floats:
    """Load of the heaviest rank under the greedy; no map is made.

    Up to rounding: the sums are in another order than those of a map.

    Parameters
    ----------
    weight : array [layers, experts], float64
    num_replicas : int
        Of all nodes.
    topology : Topology
    enough : array [layers], optional
        Of a layer in which any packing of the greedy's replicas has a rank of this load, a lower bound that says so is
        returned instead: `sharing_bound`, or `packing_bound` with two slots a rank, where it is often that large.
    compiled : bool, default False
        Let numba pack, where it is installed.

    Returns
    -------
    array [layers], float64
    """
    layers = len(weight)
    nodes = topology.num_pools
    ranks = topology.ranks_per_pool
    if topology.hierarchical:
        members = greedy_members(weight, topology)
        weight = np.take_along_axis(weight, members, axis=1).reshape(layers * nodes, -1)
    replicas = _replica_loads(weight, num_replicas // nodes)
    has_three = replicas.shape[1] > 2 * ranks
    result = (
        sharing_bound(replicas, ranks) if has_three else packing_bound(replicas, ranks)
    )
    wanted = np.arange(len(replicas))
    if enough is not None:
        wanted = np.flatnonzero(result < np.repeat(enough, nodes))
    kernel = optional("greedy_compiled") if compiled else None
    is_faster = kernel is not None and ranks <= kernel.MOST_RANKS
    pack_heaviest = (
        kernel.heaviest_of_greedy if kernel and is_faster else _pack_objective
    )
    result[wanted] = pack_heaviest(np.ascontiguousarray(replicas[wanted]), ranks)
    return np.asarray(result.reshape(layers, nodes).max(axis=1), dtype=np.float64)


def _pack_objective(replicas: Floats, ranks: int) -> Floats:
    """Heaviest rank of the greedy's packing, [pools], of replica loads [pools, slots], heaviest first."""
    pools, slots = replicas.shape
    total, is_even = _pack_rows(replicas.reshape(pools, slots // ranks, ranks))
    rest = np.flatnonzero(~is_even)
    if len(rest):
        row = np.arange(len(rest))[:, None]
        rank = pack_ordered(replicas[rest], ranks) + row * ranks
        loads = np.bincount(rank.ravel(), replicas[rest].ravel(), len(rest) * ranks)
        total[rest] = loads.reshape(len(rest), ranks)
    return np.asarray(total.max(axis=1), dtype=np.float64)


def packing_bound(replicas: Floats, ranks: int) -> Floats:
    """Lower bound on the heaviest rank of any packing, [pools], of loads [pools, slots], heaviest first.

    The k heaviest replicas are on some k ranks, whose other k (s - 1) slots hold no less than the lightest: their mean.
    """
    pools, slots = replicas.shape
    k = np.arange(1, ranks + 1)
    others = k * (slots // ranks - 1)
    from_the_lightest = np.concatenate(
        (np.zeros((pools, 1)), replicas[:, ::-1].cumsum(axis=1)), axis=1
    )
    heaviest = replicas[:, :ranks].cumsum(axis=1)
    mean = (heaviest + from_the_lightest[:, others]) / k
    return np.asarray(mean.max(axis=1), dtype=np.float64)


def sharing_bound(replicas: Floats, ranks: int) -> Floats:
    """Lower bound on the heaviest rank of any packing, [pools], of loads [pools, slots], heaviest first.

    Of the j R + 1 heaviest, some rank has j + 1, j = 0, 1, ..., and its other slots hold no less than the lightest.
    """
    slots = replicas.shape[1]
    per_rank = slots // ranks
    shared = replicas[:, 0].copy()
    for j in range(1, per_rank):
        heaviest = replicas[:, j * ranks - j : j * ranks + 1].sum(axis=1)
        lightest = replicas[:, slots - (per_rank - 1 - j) :].sum(axis=1)
        np.maximum(shared, heaviest + lightest, out=shared)
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
    replicas = np.repeat((ordered / counts).ravel(), counts.ravel()).reshape(
        pools, slots
    )
    replicas.sort(axis=1)
    return replicas[:, ::-1]


def _pack_rows(rows: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """`pack` where every rank gets one item of each row: loads [pools, ranks], and of which pools that holds.

    It holds if no rank that waits is as heavy as one that was served. ``rows`` is [pools, slots a rank, ranks].
    """
    total = rows[:, 0]
    waited = []
    served = []
    for row in range(1, rows.shape[1]):
        waiting = np.sort(total, axis=1)
        total = waiting + rows[:, row]
        waited.append(waiting[:, 1:])
        served.append(total[:, :-1])
    if len(waited) < 2:  # after the last row a rank that was served is full
        return total, np.ones(len(rows), dtype=np.bool_)
    lightest = np.minimum.accumulate(np.stack(served[:-1]), axis=2)
    return total, np.asarray((np.stack(waited[:-1]) < lightest).all(axis=(0, 2)))


def heaviest_load(
    loads: Array, placed: Array, ranks: int, counts: Array | None = None
) -> Array:
    """Load of the heaviest rank, added slot by slot, so to the same bits on every device.

    Parameters
    ----------
    loads : array or tensor [rows, experts], float64
    placed : array or tensor [rows, slots], int64
        Valid maps.
    ranks : int
    counts : array or tensor [rows, experts], optional
        Of the maps, where they are known.

    Returns
    -------
    array or tensor [rows], float64
    """
    if counts is None:
        counts = xp.bincount(placed, loads.shape[1])
    replicas = xp.take_along_axis(loads / counts, placed)
    by_rank = replicas.reshape(len(loads), ranks, -1)
    total = by_rank[:, :, 0]
    for slot in range(1, by_rank.shape[2]):
        total = total + by_rank[:, :, slot]
    return xp.max(total, 1)
