"""Groups to nodes where node sets are too many to list: a packing problem without spare slots (``models/README.md``, H3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

import numpy as np

from ..bounds.cuts import cut_bound
from ..bounds.mean import floor_float
from ..heuristics.search import search
from ..limits import Limits
from ..pool import Floats, Packing, Pool
from .patterns import solve_patterns

SHARE = 0.25  # of the gap, for the groups; their pools need the rest
START_WORK = 300_000  # of the search that the exact method starts from: some 20 ms


def assign_groups(
    loads: Floats, num_nodes: int, ranks_per_node: int, known: Mapping[tuple[int, ...], float], limits: Limits
) -> tuple[float, list[tuple[int, ...]]]:
    """The partition of groups with the least bottleneck of what is known about its node sets, as near as limits allow.

    A node set is worth its mean rank load, or the bound in ``known`` if that is larger.

    Parameters
    ----------
    loads : array [groups]
        Load of each group, in tokens.
    known : mapping from node set to a proven lower bound of its pool, in tokens a rank.

    Returns
    -------
    bound : float
        Proven lower bound of every partition's bottleneck, in tokens a rank, rounded down.
    partition : list of node sets
    """
    pool = Pool(loads, len(loads), num_nodes)  # groups are the experts, nodes the ranks; one copy of each
    limits = replace(limits, gap=limits.gap * SHARE)
    dealt = Packing(np.argsort(-pool.loads, kind="stable").reshape(-1, num_nodes).T)
    start = search(pool, dealt, target=pool.mean * (1 + limits.gap), work=START_WORK, seed=len(known))
    lower = cut_bound(pool, start.objective(pool), limits.gap, limits.seconds)[0]
    worth = {node_set: floor_float(Fraction(bound) * ranks_per_node) for node_set, bound in known.items()}
    outcome = solve_patterns(pool, start, limits, lower, worth)
    best = start if outcome.packing is None else outcome.packing
    bound = max(lower, outcome.lower_bound or 0.0)
    partition = [tuple(sorted(node)) for node in best.experts.tolist()]
    return floor_float(Fraction(bound) / ranks_per_node), partition
