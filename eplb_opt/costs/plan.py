"""Maps in time of whole instances: the heuristics' maps, searched further pool by pool."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from ..budget import Budget
from ..certificates.mean import trivial_bound
from ..heuristics.greedy import greedy
from ..heuristics.refine import refined
from ..packages import require
from ..problem.hierarchy import members
from ..problem.instance import Instance
from ..problem.objective import Objective
from ..problem.placement import Placement
from ..problem.pool import Ints, Packing, Pool

WORK = 2_000_000  # of each pool
CLOSE = 1 + 1e-4  # times a pool's trivial bound: good enough


def plan_in_time(
    instance: Instance, *, workers: int = 1, work: int = WORK
) -> Placement:
    """A placement for an instance whose objective has a cost, or whose ranks are unequal.

    Deterministic. Never worse, on the instance's objective, than the published greedy and, where ranks are alike, than
    `refined` for tokens.

    Parameters
    ----------
    instance : Instance
        In hierarchical mode groups stay where the better of the two has them.
    workers : int, default 1
        Threads, each of which searches a layer at a time; the map is the same with any number.
    work : int, optional
        Of the search of each pool.

    Returns
    -------
    Placement

    Raises
    ------
    MissingPackageError
        numba is not installed.

    Examples
    --------
    Two replicas of an expert with few tokens take twice as long to be read: the spare slot goes to the other one.

    >>> from eplb_opt import Cost, Instance, Objective
    >>> objective = Objective(cost=Cost.roofline(40.0, 1.0))
    >>> instance = Instance([[90.0, 30.0, 30.0]], 4, num_ranks=2, objective=objective)
    >>> plan_in_time(instance).objective(instance).tolist()
    [85.0]
    """
    require("solving with a cost or unequal ranks", "numba")
    best = _best_start(instance)

    def improved(layer: int) -> Ints:
        return _improved(instance, layer, best[layer], work)

    layers = range(instance.num_layers)
    if workers == 1:
        rows = [improved(layer) for layer in layers]
    else:
        with ThreadPoolExecutor(workers) as threads:
            rows = list(threads.map(improved, layers))
    return Placement(
        np.stack(rows),
        instance.num_experts,
        tuple(instance.layer_ids or ()),
        rank_slots=instance.rank_slots,
    )


def in_tokens(instance: Instance) -> Instance:
    """The same instance without its cost, windows added: what heuristics of tokens look at."""
    return replace(instance, objective=Objective(weights=instance.objective.weights))


def _best_start(instance: Instance) -> Ints:
    """Layer by layer the best of the greedy's maps (of mix and sum) and `refined`'s, [layers, replicas]."""
    tokens = in_tokens(instance)
    starts = [greedy(instance), greedy(tokens)]
    if instance.unequal is None:
        starts.append(refined(tokens))
    values = np.stack([start.objective(instance) for start in starts])
    rows = np.stack([start.phy2log for start in starts])
    best: Ints = rows[values.argmin(axis=0), np.arange(instance.num_layers)]
    return best


def _improved(instance: Instance, layer: int, row: Ints, work: int) -> Ints:
    """A layer's map, [replicas], after a search in each pool."""
    from .search import search_times

    found = []
    for pool, experts, packing in pools_of(instance, layer, row):
        target = trivial_bound(pool)[0] * CLOSE
        better = search_times(pool, packing, target=target, budget=Budget(work=work))
        found.append(experts[better.in_order])
    return np.concatenate(found)


def pools_of(
    instance: Instance, layer: int, row: Ints
) -> Iterator[tuple[Pool, Ints, Packing]]:
    """The pools of a layer's map [replicas], each with its experts and its packing."""
    if not instance.hierarchical:
        packing = Packing(instance.by_rank(row[None])[0])
        yield instance.pool(layer), np.arange(instance.num_experts), packing
        return
    for node in row.reshape(instance.num_pools, instance.ranks_per_pool, -1):
        groups = tuple(np.unique(node // instance.group_size).tolist())
        experts = members(instance, groups)
        packing = Packing(np.searchsorted(experts, node))
        yield instance.pool(layer, experts), experts, packing
