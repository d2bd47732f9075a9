"""Repair of maps in which a rank holds an expert twice: swaps until no rank does (``models/README.md``, D1)."""

from __future__ import annotations

from collections.abc import Iterator

import torch


def separate(loads: torch.Tensor, placed: torch.Tensor, ranks: int) -> torch.Tensor:
    """Swap replicas until no rank holds an expert twice (termination: ``models/README.md``, D1).

    Parameters
    ----------
    loads : tensor [pools, experts]
    placed : tensor [pools, slots], int64; no expert of a pool has more replicas than there are ranks.
    """
    maps = placed.view(len(placed), ranks, -1).cpu()
    rows = torch.sort(maps, dim=2).values
    for pool in torch.nonzero((rows[:, :, 1:] == rows[:, :, :-1]).any(2).any(1)).flatten().tolist():
        counts = torch.bincount(placed[pool], minlength=loads.shape[1])
        maps[pool] = torch.tensor(separate_ranks(maps[pool].tolist(), (loads[pool] / counts).tolist()))
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
