"""Groups to nodes where node sets are too many to list: packing without spare slots (``models/README.md``, H3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

import numpy as np

from .bounds.cuts import cut_bound
from .budget import Budget
from .certificates.groups import GroupCertificate
from .certificates.mean import floor_float
from .exact.cover import short_proof, solve_patterns, worth_of
from .limits import Limits
from .problem.hierarchy import NodeSet
from .problem.pool import Floats, Packing, Pool
from .problem.status import StopReason
from .search.search import search

SHARE = 0.25  # of the gap, for the groups; their pools need the rest
START_WORK = 300_000  # of a search: some 20 ms


def assign_groups(
    loads: Floats,
    num_nodes: int,
    ranks_per_node: int,
    known: Mapping[NodeSet, float],
    limits: Limits,
    lower: float = 0.0,
    start: list[NodeSet] | None = None,
) -> tuple[float, list[NodeSet]]:
    """The partition of groups with the least bottleneck of what is known about its node sets, as near as limits allow.

    A node set is worth its mean rank load, or the bound in ``known`` if that is larger.

    Parameters
    ----------
    loads : array [groups]
        Load of each group, in tokens.
    known : mapping from node set to a proven lower bound of its pool, in tokens a rank.
    lower : float
        A proven lower bound of the layer, in tokens a rank: partitions within the gap of it are good enough.
    start : list of node sets, optional
        A partition to start from.

    Returns
    -------
    bound : float
        Proven lower bound of the layer, in tokens a rank, rounded down.
    partition : list of node sets
    """
    # groups are the experts, nodes the ranks; one copy of each
    pool = Pool(loads, len(loads), num_nodes)
    budget = Budget.of(limits)
    limits = replace(limits, gap=limits.gap * SHARE)
    first, proven = _begin(pool, limits, budget, start)
    least = max(_of_node(lower, ranks_per_node), proven)
    worth = {nodes: _of_node(known[nodes], ranks_per_node) for nodes in known}
    outcome = solve_patterns(pool, first, budget.limits(limits), least, worth)
    best = first if outcome.packing is None else outcome.packing
    if outcome.stop is StopReason.TOO_LARGE:
        again = _search(pool, limits, len(known), budget)
        best = min(best, again, key=lambda p: worth_of(p, pool, worth))
    bound = max(least, outcome.lower_bound or 0.0)
    partition = [tuple(sorted(node)) for node in best.experts.tolist()]
    return floor_float(Fraction(bound) / ranks_per_node), partition


def certified_groups(
    pool: Pool, ranks_per_node: int, bound: float
) -> GroupCertificate | None:
    """The certificate of a bound that is proven; None: no small tree of loads alone proves it.

    Parameters
    ----------
    pool : Pool
        `group_pool` of the layer.
    ranks_per_node : int
    bound : float
        In tokens a rank.
    """
    node = Fraction(bound) * ranks_per_node
    target = -floor_float(-node)  # rounded up
    proof = short_proof(pool, target)
    return None if proof is None else GroupCertificate(proof.target)


def _begin(
    pool: Pool, limits: Limits, budget: Budget, start: list[NodeSet] | None
) -> tuple[Packing, float]:
    """A partition to start from, and what is proven of all partitions."""
    if start is not None:
        return Packing(np.array(start)), 0.0
    first = _search(pool, limits, 0, budget)
    proven, _ = cut_bound(pool, first.objective(pool), limits.gap, budget)
    return first, proven


def _of_node(load: float, ranks_per_node: int) -> float:
    """The load of a node whose ranks carry so much each, rounded down."""
    return floor_float(Fraction(load) * ranks_per_node)


def _search(pool: Pool, limits: Limits, seed: int, budget: Budget) -> Packing:
    """A good packing, from the groups dealt to the nodes in turn, heaviest first."""
    heaviest_first = np.argsort(-pool.loads, kind="stable")
    dealt = Packing(heaviest_first.reshape(-1, pool.ranks).T)
    goal = pool.mean * (1 + limits.gap)
    start = Budget(deadline=budget.deadline, work=START_WORK)
    return search(pool, dealt, target=goal, budget=start, seed=seed)
