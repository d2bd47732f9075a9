"""The published two-stage greedy (EPLB): batched over layers, in numpy.

Replicas go to the expert with the highest load per replica, the lowest index on ties; then the heaviest replica, of
equals the first (experts in order, then further replicas in the order in which they were given), goes to the lightest
rank with a free slot, the lowest on ties. In hierarchical mode whole groups go to nodes first by the same packing.
Source: the open-source EPLB of DeepSeek-V3 (DeepSeek-AI, "DeepSeek-V3 Technical Report", arXiv:2412.19437, section
3.4), which vLLM, SGLang and TensorRT-LLM follow; with stable sorts and float64 throughout.
"""

from __future__ import annotations

import heapq

import numpy as np
import numpy.typing as npt

from ..problem.instance import Instance
from ..problem.placement import Placement
from ..problem.pool import Floats, Ints
from ..problem.topology import Topology
from ..problem.water_filling import water_filling
from . import arrays as xp
from .arrays import Array
from .greedy_unequal import place_by_speed
from .separate import separate

FEW_ROWS = 12  # so few that rounds cost more than they save
# Rounds a slot of a rank after which a row is packed one item after the other.
ROUNDS = 4


def greedy(instance: Instance) -> Placement:
    """The greedy's placement of an instance; on unequal ranks a replica goes to where it ends soonest.

    Parameters
    ----------
    instance : Instance

    Returns
    -------
    Placement

    Examples
    --------
    >>> instance = Instance([[90.0, 50.0, 20.0, 20.0, 10.0, 10.0]], 8, num_ranks=2)
    >>> greedy(instance).objective(instance).tolist()
    [100.0]
    """
    if instance.unequal is not None:
        counts = water_filling(
            instance.weight, instance.num_replicas, instance.num_replicas
        )
        replicas = _replicas(instance.weight, counts, instance.num_replicas)
        of_replica = np.take_along_axis(instance.weight / counts, replicas, axis=1)
        return place_by_speed(instance, instance.unequal, replicas, of_replica)
    maps = greedy_maps(
        instance.weight,
        instance.num_replicas,
        instance.topology,
        distinct=instance.distinct,
    )
    return Placement(
        xp.to_numpy(maps), instance.num_experts, tuple(instance.layer_ids or ())
    )


def greedy_maps(
    weight: Array, num_replicas: int, topology: Topology, *, distinct: bool = False
) -> Array:
    """Physical-to-logical map of loads by the greedy.

    Parameters
    ----------
    weight : array or tensor [layers, experts]
        Of any real dtype, memory order and device; the work is done on the CPU. Not validated.
    num_replicas : int
        Of all nodes.
    topology : Topology
    distinct : bool, default False
        At most one replica of an expert on a rank (not a rule of the published greedy).

    Returns
    -------
    array or tensor [layers, replicas], int64, where the loads are

    Examples
    --------
    >>> greedy_maps(np.array([[4.0, 3.0, 2.0, 1.0]]), 6, Topology(num_ranks=2)).tolist()
    [[0, 0, 3, 2, 1, 1]]
    """
    loads = xp.to_numpy(xp.floats(weight))
    layers = len(loads)
    nodes = topology.num_pools
    members = greedy_members(loads, topology)
    by_node = np.take_along_axis(loads, members, axis=1).reshape(layers * nodes, -1)
    local = _greedy_pools(
        by_node, num_replicas // nodes, topology.ranks_per_pool, distinct=distinct
    )
    phy2log = np.take_along_axis(members.reshape(layers * nodes, -1), local, axis=1)
    return xp.asarray(phy2log.reshape(layers, num_replicas), xp.device(weight))


def greedy_members(weight: Floats, topology: Topology) -> Ints:
    """Experts of each node, node by node, in the order in which their groups came, [layers, experts]."""
    layers, experts = weight.shape
    size = experts // topology.groups_in_force
    by_group = weight.reshape(layers, -1, size)
    total = by_group[:, :, 0]
    # One after the other: the same bits whatever adds them.
    for expert in range(1, size):
        total = total + by_group[:, :, expert]
    groups = pack(total, topology.num_pools)
    members = groups[:, :, None] * size + np.arange(size)
    return np.asarray(members.reshape(layers, experts))


def greedy_pools(
    loads: Array, slots: int, ranks: int, *, distinct: bool = False
) -> Array:
    """The greedy on pools.

    Parameters
    ----------
    loads : array or tensor [pools, experts]
        As for `greedy_maps`.
    slots, ranks : int
        Of a pool; the slots are a multiple of the ranks and at least the experts. Not validated.
    distinct : bool, default False
        As for `greedy_maps`.

    Returns
    -------
    array or tensor [pools, slots], int64, where the loads are
        The expert in each slot, rank by rank.

    Examples
    --------
    >>> greedy_pools(np.array([[4.0, 3.0, 2.0, 1.0]]), 4, 2).tolist()
    [[0, 3, 1, 2]]
    """
    return xp.asarray(
        _greedy_pools(xp.to_numpy(xp.floats(loads)), slots, ranks, distinct=distinct),
        xp.device(loads),
    )


def _greedy_pools(loads: Floats, slots: int, ranks: int, *, distinct: bool) -> Ints:
    """`greedy_pools` of numpy's arrays."""
    counts = water_filling(loads, slots, ranks if distinct else slots)
    experts = _replicas(loads, counts, slots)
    packed = pack(np.take_along_axis(loads / counts, experts, axis=1), ranks)
    placed = np.take_along_axis(experts, packed, axis=1)
    return separate(loads, placed, ranks) if distinct else placed


def _replicas(loads: Floats, counts: Ints, slots: int) -> Ints:
    """Experts in order, then those of the further replicas in the order in which they are given, [pools, slots]."""
    pools, experts = loads.shape
    first = np.broadcast_to(np.arange(experts), loads.shape)
    if slots == experts:
        return np.array(first)
    in_order = np.tile(first[0], pools)
    further = np.repeat(in_order, counts.ravel() - 1).reshape(pools, -1)
    # Which one of its expert a replica is, from 1: the place in the row less that of the expert's first.
    ends = np.cumsum(counts - 1, axis=1)
    starts = ends - (counts - 1)
    number = np.arange(1, slots - experts + 1) - np.take_along_axis(
        starts, further, axis=1
    )
    value = np.take_along_axis(loads, further, axis=1) / number
    given = descending(value)
    return np.concatenate((first, np.take_along_axis(further, given, axis=1)), axis=1)


def descending(values: Floats) -> Ints:
    """Where the largest of each row is, then the next; of equals the first first, [rows, any]."""
    return np.argsort(-values, axis=1, kind="stable")


def pack(loads: Floats, bins: int) -> Ints:
    """Items bin by bin, those of a bin in the order in which they came, [rows, items].

    All bins become equally full: the heaviest item goes to the lightest bin with room. Where a bin has room for one
    item, the items stay in their order.

    Parameters
    ----------
    loads : array [rows, items], float64
    bins : int
        Of which the number of items is a multiple.
    """
    rows, items = loads.shape
    if items == bins:
        return np.tile(np.arange(items), (rows, 1))
    order = descending(loads)
    if bins == 1:
        return order
    chosen = pack_ordered(np.take_along_axis(loads, order, axis=1), bins)
    arrived = np.sort(chosen * items + np.arange(items), axis=1) % items
    return np.take_along_axis(order, arrived, axis=1)


def pack_ordered(ordered: Floats, bins: int) -> Ints:
    """Bins of the items of rows, heaviest first, as `pack` chooses them: in rounds where there are many rows."""
    if len(ordered) > FEW_ROWS:
        chosen, is_done = _pack_rounds(ordered, bins)
    else:
        chosen = np.empty(ordered.shape, dtype=np.int64)
        is_done = np.zeros(len(ordered), dtype=np.bool_)
    for row in np.flatnonzero(~is_done):
        chosen[row] = _pack_row(ordered[row].tolist(), bins)
    return chosen


def _pack_rounds(ordered: Floats, bins: int) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """`pack` of rows, heaviest item first, in rounds; and which rows got done within `ROUNDS` rounds a slot.

    In a round the lightest bins get one item each, up to the first that waits and is not lighter than all that were
    served and still have room: so far that is what one item after the other does.
    """
    rows, items = ordered.shape
    row = np.arange(rows)[:, None]
    place = np.arange(bins)
    padded = np.concatenate((ordered, np.zeros((rows, bins))), axis=1)
    total = np.zeros((rows, bins))
    left = np.full((rows, bins), items // bins)
    chosen = np.empty((rows, items + bins), dtype=np.int64)
    next_item = np.zeros((rows, 1), dtype=np.int64)
    for _ in range(ROUNDS * items // bins):
        lightest = np.argsort(total, axis=1, kind="stable")
        item = next_item + place
        waiting = total[row, lightest]
        room = left[row, lightest]
        # A full bin waits for nothing.
        served = np.where(room > 1, waiting + padded[row, item], np.inf)
        is_served = (room > 0) & (item < items) & _waits_before(waiting, served)
        is_served = np.logical_and.accumulate(is_served, axis=1)
        chosen[row, item] = lightest
        total[row, lightest] = np.where(is_served, served, waiting)
        left[row, lightest] = room - is_served
        next_item = next_item + is_served.sum(axis=1, keepdims=True)
        if (next_item == items).all():
            break
    return chosen[:, :items], (next_item == items)[:, 0]


def _waits_before(waiting: Floats, served: Floats) -> npt.NDArray[np.bool_]:
    """Whether a bin is first, or lighter than all those before it are once they are served, [rows, bins]."""
    lightest_served = np.minimum.accumulate(served, axis=1)
    result = np.ones(waiting.shape, dtype=np.bool_)
    np.less(waiting[:, 1:], lightest_served[:, :-1], out=result[:, 1:])
    return result


def _pack_row(loads: list[float], bins: int) -> list[int]:
    """`pack` of one row, heaviest first, one item after the other: a heap of bins."""
    room = len(loads) // bins
    # Items with a load meet empty bins first.
    first = bins if loads[bins - 1] > 0 else 0
    chosen = list(range(first))
    left = [room - 1 if first else room] * bins
    totals = loads[:first] or [0.0] * bins
    # Of equal totals the lowest number first.
    heap = [(total, number) for number, total in enumerate(totals)]
    heapq.heapify(heap)
    for load in loads[first:]:
        total, lightest = heap[0]
        chosen.append(lightest)
        left[lightest] -= 1
        if left[lightest]:
            heapq.heapreplace(heap, (total + load, lightest))
        else:
            heapq.heappop(heap)
    return chosen
