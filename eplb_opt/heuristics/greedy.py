"""The published two-stage greedy (EPLB): batched over layers.

Replicas go to the expert with the highest load per replica; then the heaviest replica goes to the lightest rank with a
free slot. In hierarchical mode whole groups go to nodes first, the heaviest to the lightest node. Source: the
open-source EPLB of DeepSeek-V3 (DeepSeek-AI, "DeepSeek-V3 Technical Report", arXiv:2412.19437, section 3.4), which
vLLM, SGLang and TensorRT-LLM follow. Ties go to the fewest replicas, then the lowest index, on every device.
"""

from __future__ import annotations

import functools
import heapq

import numpy as np
import numpy.typing as npt
import torch

from ..instance import Instance
from ..placement import Placement
from ..pool import Floats, Ints
from .separate import separate

FEW_ROWS = 12  # so few that rounds cost more than they save
ROUNDS = 4  # rounds a slot of a rank after which a row is packed one item after the other


def greedy(instance: Instance, device: torch.device | str = "cpu") -> Placement:
    """The greedy's placement of an instance."""
    weight = torch.from_numpy(instance.weight.copy()).to(device)
    phy2log = greedy_maps(
        weight, instance.num_replicas, instance.num_ranks, instance.num_groups if instance.hierarchical else 1,
        instance.num_pools, distinct=instance.distinct,
    )  # fmt: skip
    return Placement(phy2log.cpu().numpy(), instance.num_experts, tuple(instance.layer_ids or ()))


def greedy_maps(
    weight: torch.Tensor, num_replicas: int, num_ranks: int, num_groups: int = 1, num_nodes: int = 1,
    *, distinct: bool = False,
) -> torch.Tensor:  # fmt: skip
    """Physical-to-logical map [layers, replicas] (int64) of loads [layers, experts] (float64).

    ``num_nodes > 1`` is hierarchical mode and ``num_groups`` a multiple of it; arguments are not validated here.
    """
    layers = len(weight)
    members = greedy_members(weight, num_groups, num_nodes)
    loads = torch.gather(weight, 1, members).view(layers * num_nodes, -1)
    local = greedy_pools(loads, num_replicas // num_nodes, num_ranks // num_nodes, distinct=distinct)
    return torch.gather(members.view(layers * num_nodes, -1), 1, local).view(layers, num_replicas)


def greedy_members(weight: torch.Tensor, num_groups: int, num_nodes: int) -> torch.Tensor:
    """Experts of each node, node by node, [layers, experts] (int64), of loads [layers, experts]."""
    layers, experts = weight.shape
    size = experts // num_groups
    node_of_group = pack(weight.view(layers, num_groups, size).sum(2), num_nodes)
    groups = torch.argsort(node_of_group, dim=1, stable=True)  # [layers, groups], node by node
    return (groups[:, :, None] * size + torch.arange(size, device=weight.device)).view(layers, experts)


def greedy_pools(loads: torch.Tensor, slots: int, ranks: int, *, distinct: bool = False) -> torch.Tensor:
    """The greedy on pools: expert of each slot, [pools, slots] (int64), of loads [pools, experts] (float64)."""
    counts = replicate(loads, slots, ranks if distinct else slots)
    replica_load = loads / counts
    order = torch.argsort(replica_load, dim=1, descending=True, stable=True)  # experts, heaviest replica first
    experts = _repeat_rows(order, torch.gather(counts, 1, order), slots)
    rank = pack(torch.gather(replica_load, 1, experts), ranks)
    by_rank = torch.argsort(rank, dim=1, stable=True)
    placed = torch.gather(experts, 1, by_rank)
    return separate(loads, placed, ranks) if distinct else placed


def greedy_objective(
    weight: Floats, num_replicas: int, num_ranks: int, num_groups: int = 1, num_nodes: int = 1,
    enough: Floats | None = None,
) -> Floats:  # fmt: skip
    """Load of the heaviest rank under the greedy, [layers], of loads [layers, experts]; no map is made.

    Up to rounding: the sums are in another order than those of a map. Of a layer in which any packing of the greedy's
    replicas has a rank of load ``enough`` [layers], a lower bound that says so is returned instead: the heaviest
    replica, or `packing_bound` with two slots a rank, where it is often that large.
    """
    layers = len(weight)
    if num_nodes > 1:
        members = greedy_members(torch.from_numpy(weight), num_groups, num_nodes).numpy()
        weight = np.take_along_axis(weight, members, axis=1).reshape(layers * num_nodes, -1)
    each, ranks = _replica_loads(weight, num_replicas // num_nodes), num_ranks // num_nodes
    result = each[:, 0].copy() if each.shape[1] > 2 * ranks else packing_bound(each, ranks)
    wanted = np.arange(len(each)) if enough is None else np.flatnonzero(result < np.repeat(enough, num_nodes))
    result[wanted] = _pack_objective(each[wanted], ranks)
    return np.asarray(result.reshape(layers, num_nodes).max(axis=1), dtype=np.float64)


def _pack_objective(each: Floats, ranks: int) -> Floats:
    """Heaviest rank of the greedy's packing, [pools], of replica loads [pools, slots], heaviest first."""
    total, even = _pack_rows(each.reshape(len(each), each.shape[1] // ranks, ranks))
    rest = np.flatnonzero(~even)
    if len(rest):
        at = _pack_ordered(each[rest], ranks) + np.arange(len(rest))[:, None] * ranks
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


def _replica_loads(loads: Floats, slots: int) -> Floats:
    """Loads of the replicas by the greedy's counts, heaviest first, [pools, slots]; no argsort where no tie decides."""
    pools, experts = loads.shape
    extra = slots - experts
    ordered = np.sort(loads, axis=1)[:, ::-1]
    if extra:
        counts = np.ones((pools, experts), dtype=np.int64)
        position, copies = (t.numpy() for t in _candidates(experts, extra, slots, torch.device("cpu")))
        values = ordered[:, position] / copies
        won = values >= np.partition(values, values.shape[1] - extra, axis=1)[:, values.shape[1] - extra, None]
        experts_won = np.repeat(np.arange(pools), won.sum(axis=1)) * experts + np.broadcast_to(position, won.shape)[won]
        counts += np.bincount(experts_won, minlength=loads.size).reshape(counts.shape)
        tied = counts.sum(axis=1) > slots
        if tied.any():
            ordered = np.where(tied[:, None], loads, ordered)
            counts[tied] = replicate(torch.from_numpy(loads[tied]), slots, slots).numpy()
        each = np.repeat((ordered / counts).ravel(), counts.ravel()).reshape(pools, slots)
        each.sort(axis=1)
        return each[:, ::-1]
    return ordered


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


def replicate(loads: torch.Tensor, slots: int, max_count: int) -> torch.Tensor:
    """Greedy counts [pools, experts] (int64): each further replica to the highest load per replica (water-filling).

    The (slots - experts) largest values of ``w_e / k`` win one: the same set as one replica at a time, in one sort.
    """
    pools, experts = loads.shape
    extra = slots - experts
    counts = torch.ones((pools, experts), dtype=torch.int64, device=loads.device)
    if extra == 0:
        return counts
    order = torch.argsort(loads, dim=1, descending=True, stable=True)
    position, copies = _candidates(experts, extra, max_count, loads.device)
    values = torch.gather(loads, 1, order)[:, position] / copies
    won = torch.argsort(values, dim=1, descending=True, stable=True)[:, :extra]
    return counts.scatter_add_(1, torch.gather(order, 1, position[won]), torch.ones_like(won))


@functools.lru_cache(maxsize=64)
def _candidates(experts: int, extra: int, max_count: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Pairs (position in the sorted loads, copies k) that can win an extra replica, k ascending then position.

    With k < max_count; ``(position + 1) * k <= extra`` because pairs with a hotter expert or fewer copies come first.
    Where the cap or a lack of load makes that rule too tight, every k is a candidate.
    """
    capped = max_count <= extra
    most = min(extra, max_count - 1)
    k = torch.arange(1, most + 1, device=device)[:, None]
    i = torch.arange(1, experts + 1, device=device)[None, :]
    allowed = torch.ones_like(k * i, dtype=torch.bool) if capped else k * i <= extra
    copies, position = torch.nonzero(allowed, as_tuple=True)
    return position, copies + 1


def pack(loads: torch.Tensor, bins: int) -> torch.Tensor:
    """Bin of each item, [rows, items] (int64), all bins equally full: heaviest item to the lightest bin with room.

    Parameters
    ----------
    loads : tensor [rows, items], float64; items a multiple of bins.
    """
    rows, items = loads.shape
    room = items // bins
    if room == 1 or bins == 1:
        return torch.arange(items, device=loads.device).div(room, rounding_mode="floor").expand(rows, items)
    order = torch.argsort(loads, dim=1, descending=True, stable=True)
    ordered = torch.gather(loads, 1, order).cpu().numpy()
    return torch.empty_like(order).scatter_(1, order, torch.from_numpy(_pack_ordered(ordered, bins)).to(order.device))


def _pack_ordered(ordered: Floats, bins: int) -> Ints:
    """`pack` of rows, heaviest item first: in rounds where there are many, else one item after the other."""
    if len(ordered) > FEW_ROWS:
        chosen, done = _pack_rounds(ordered, bins)
    else:
        chosen, done = np.empty(ordered.shape, dtype=np.int64), np.zeros(len(ordered), dtype=np.bool_)
    for row in np.flatnonzero(~done):
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
        waiting = total[row, lightest]
        served = waiting + padded[row, next_item + place]
        room = left[row, lightest]
        barrier = np.minimum.accumulate(np.where(room > 1, served, np.inf), axis=1)
        first = (place == 0) | (waiting < np.concatenate((waiting[:, :1], barrier[:, :-1]), axis=1))
        first &= (room > 0) & (next_item + place < items)
        first = np.logical_and.accumulate(first, axis=1)
        chosen[row, next_item + place] = lightest
        total[row, lightest] = np.where(first, np.where(room > 1, served, np.inf), waiting)
        left[row, lightest] = room - first
        next_item = next_item + first.sum(axis=1, keepdims=True)
        if (next_item == items).all():
            break
    return chosen[:, :items], (next_item == items)[:, 0]


def _pack_row(loads: list[float], bins: int) -> list[int]:
    """`pack` of one row, heaviest first, one item after the other: a heap of bins."""
    room = len(loads) // bins
    first = bins if loads[bins - 1] > 0 else 0  # items with a load meet empty bins first
    chosen = list(range(first))
    left = [room - 1 if first else room] * bins
    heap = [(load, number) for number, load in enumerate(loads[:first] or [0.0] * bins)]
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


def _repeat_rows(values: torch.Tensor, counts: torch.Tensor, width: int) -> torch.Tensor:
    """Each value of a row repeated ``counts`` times; every row of counts adds up to ``width``."""
    ends = torch.cumsum(counts, dim=1)
    slots = torch.arange(width, device=values.device).expand(len(values), width).contiguous()
    return torch.gather(values, 1, torch.searchsorted(ends, slots, right=True))
