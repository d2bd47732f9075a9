"""The published two-stage greedy (EPLB), batched in torch over layers, on any device.

Replicas go to the expert with the highest load per replica; then the heaviest replica goes to the lightest rank with a
free slot. In hierarchical mode whole groups go to nodes first, the heaviest to the lightest node. Source: the
open-source EPLB of DeepSeek-V3 (DeepSeek-AI, "DeepSeek-V3 Technical Report", arXiv:2412.19437, section 3.4), which
vLLM, SGLang and TensorRT-LLM follow. Ties go to the fewest replicas, then the lowest index, on every device.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from ..instance import Instance
from ..placement import Placement


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
    layers, experts = weight.shape
    group_size = experts // num_groups
    node_of_group = pack(weight.view(layers, num_groups, group_size).sum(2), num_nodes)
    groups = torch.argsort(node_of_group, dim=1, stable=True)  # [layers, groups], node by node
    members = groups[:, :, None] * group_size + torch.arange(group_size, device=weight.device)
    pools = members.reshape(layers * num_nodes, experts // num_nodes)
    loads = torch.gather(weight, 1, members.reshape(layers, experts)).view(layers * num_nodes, -1)
    local = greedy_pools(loads, num_replicas // num_nodes, num_ranks // num_nodes, distinct=distinct)
    return torch.gather(pools, 1, local).view(layers, num_replicas)


def greedy_pools(loads: torch.Tensor, slots: int, ranks: int, *, distinct: bool = False) -> torch.Tensor:
    """The greedy on pools: expert of each slot, [pools, slots] (int64), of loads [pools, experts] (float64)."""
    counts = replicate(loads, slots, ranks if distinct else slots)
    replica_load = loads / counts
    order = torch.argsort(replica_load, dim=1, descending=True, stable=True)  # experts, heaviest replica first
    experts = _repeat_rows(order, torch.gather(counts, 1, order), slots)
    rank = pack(torch.gather(replica_load, 1, experts), ranks)
    by_rank = torch.argsort(rank, dim=1, stable=True)
    placed = torch.gather(experts, 1, by_rank)
    return _separate(placed, replica_load, ranks) if distinct else placed


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
    ordered = torch.gather(loads, 1, order)
    total = torch.zeros((rows, bins), dtype=loads.dtype, device=loads.device)
    filled = torch.zeros((rows, bins), dtype=torch.int64, device=loads.device)
    index = torch.arange(bins, device=loads.device).expand(rows, bins)
    chosen = torch.empty_like(order)
    for j in range(items):
        open_load = total.masked_fill(filled >= room, torch.inf)
        lightest = open_load == open_load.amin(1, keepdim=True)
        best = index.masked_fill(~lightest, bins).amin(1, keepdim=True)  # the first of equals, on every device
        chosen[:, j : j + 1] = best
        total.scatter_add_(1, best, ordered[:, j : j + 1])
        filled.scatter_add_(1, best, torch.ones_like(best))
    return torch.empty_like(chosen).scatter_(1, order, chosen)


def _repeat_rows(values: torch.Tensor, counts: torch.Tensor, width: int) -> torch.Tensor:
    """Each value of a row repeated ``counts`` times; every row of counts adds up to ``width``."""
    ends = torch.cumsum(counts, dim=1)
    slots = torch.arange(width, device=values.device).expand(len(values), width).contiguous()
    return torch.gather(values, 1, torch.searchsorted(ends, slots, right=True))


def _separate(placed: torch.Tensor, replica_load: torch.Tensor, ranks: int) -> torch.Tensor:
    """Swap replicas until no rank holds an expert twice (termination: ``models/README.md``, D1)."""
    maps = placed.view(len(placed), ranks, -1).cpu()
    rows = torch.sort(maps, dim=2).values
    for pool in torch.nonzero((rows[:, :, 1:] == rows[:, :, :-1]).any(2).any(1)).flatten().tolist():
        maps[pool] = torch.tensor(separate_ranks(maps[pool].tolist(), replica_load[pool].tolist()))
    return maps.view(len(placed), -1).to(placed.device)


def separate_ranks(ranks: list[list[int]], replica_load: list[float]) -> list[list[int]]:
    """Repair one pool in place: the cheapest swap that removes a repetition, until there is none (D1).

    Parameters
    ----------
    ranks : the experts on each rank; no expert has more replicas than there are ranks.
    replica_load : load of a replica of each expert, [experts].
    """
    loads = [sum(replica_load[e] for e in held) for held in ranks]
    while True:
        pair = next(((r, e) for r, held in enumerate(ranks) for e in held if held.count(e) > 1), None)
        if pair is None:
            return ranks
        rank, expert = pair
        best = min(_swaps(ranks, loads, replica_load, rank, expert))
        _, other, partner = best
        ranks[rank][ranks[rank].index(expert)] = partner
        ranks[other][ranks[other].index(partner)] = expert
        shift = replica_load[partner] - replica_load[expert]
        loads[rank], loads[other] = loads[rank] + shift, loads[other] - shift


def _swaps(
    ranks: list[list[int]], loads: list[float], replica_load: list[float], rank: int, expert: int
) -> Iterator[tuple[float, int, int]]:
    """Swaps of ``expert`` on ``rank`` that lower the number of repetitions: (heavier load after, rank, partner)."""
    for other, held in enumerate(ranks):
        if expert in held:
            continue
        for partner in set(held):
            if partner not in ranks[rank] or held.count(partner) > 1:
                shift = replica_load[partner] - replica_load[expert]
                yield max(loads[rank] + shift, loads[other] - shift), other, partner
