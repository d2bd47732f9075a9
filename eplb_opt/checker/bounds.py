"""A layer's bound proven again: from L0 and from the certificates of its pools."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

from ..certificates.certificate import Certificate
from ..certificates.groups import GroupCertificate, bound_of_ranks, group_pool
from ..certificates.mean import max_replica_bound, mean_bound
from ..certificates.names import GROUP_TREE, MEAN, REPLICA
from ..certificates.registry import certified_names, searched_names
from ..problem.hierarchy import NodeSet, bottleneck_partition, members, node_sets
from ..problem.instance import Instance
from ..problem.pool import Pool
from ..problem.status import exceeds
from ..strict import shown
from .claims import Fields, Proof

MOST_GROUPS = 8  # of a node that are named
NOT_HELD = "a certificate that does not hold"

BoundsByName = dict[str, float]  # the most that each method proves, in tokens


def proven_bound(
    instance: Instance, layer: int, fields: Fields
) -> tuple[float, list[str]]:
    """The layer's bound from L0 and the certificates that hold; and what is wrong with the claimed one.

    Parameters
    ----------
    instance : Instance
    layer : int
        Row of the instance.
    fields : mapping
        What the report says of the layer.

    Returns
    -------
    bound : float
        In tokens.
    faults : list of str
    """
    claimed = fields["lower_bound"]
    method = fields["bound_method"]
    bound, by_name, faults = _layer_bound(instance, layer, fields.get("proofs", ()))
    is_certified = method in certified_names()
    if not (is_certified or method in searched_names()):
        faults.append(
            f"bound {claimed} by {shown(method)}, which is no method of ours: {bound} is proven"
        )
    elif is_certified and exceeds(claimed, bound):
        faults.append(f"bound {claimed} by {method} is not proven: {bound} is")
    elif is_certified and exceeds(claimed, by_name.get(method, -math.inf)):
        faults.append(f"bound {claimed} is not what {method} proves")
    return bound, faults


def _layer_bound(
    instance: Instance, layer: int, proofs: Sequence[Proof]
) -> tuple[float, BoundsByName, list[str]]:
    """The layer's bound; the most that each method proves of one of its pools; and the proofs that are wrong."""
    whole = instance.whole_pool(layer)
    of_whole = _trivial(whole)
    by_name = dict(of_whole)
    proofs_of = _by_node_set(proofs)
    every_group = tuple(range(instance.num_groups))
    of_groups = proofs_of.pop(every_group, []) if instance.hierarchical else []
    real, faults = _on_nodes(instance, proofs_of)
    every_set = node_sets(instance)
    bounds = {}
    for node_set in real if every_set is None else every_set:
        pool = _pool(instance, layer, node_set)
        of_pool, wrong = _pool_bounds(pool, proofs_of.get(node_set, []))
        faults += [f"{what} for groups {_listed(node_set)}" for what in wrong]
        bounds[node_set] = max(of_pool.values())
        for name, bound in of_pool.items():
            by_name[name] = max(by_name.get(name, bound), bound)
    trivial = max(of_whole.values())
    assigned, wrong = _assigned(instance, layer, of_groups)
    faults += wrong
    by_name |= assigned
    trivial = max(trivial, *assigned.values())
    if every_set is None:
        return trivial, of_whole | assigned, faults
    of_partitions = bottleneck_partition(bounds, instance.num_groups)[0]
    return max(trivial, of_partitions), by_name, faults


def _assigned(
    instance: Instance, layer: int, proofs: Sequence[Proof]
) -> tuple[BoundsByName, list[str]]:
    """What is proven of all assignments of groups to nodes, in tokens a rank, and which proofs are wrong (H3)."""
    proven = {GROUP_TREE: 0.0}
    wrong = _too_many(proofs)
    for _, certificate in proofs[:1]:
        if _holds_of_groups(instance, layer, certificate):
            bound = bound_of_ranks(certificate.target, instance.ranks_per_pool)
            proven[GROUP_TREE] = bound
        else:
            wrong.append(NOT_HELD)
    return proven, [f"{what} for all groups" for what in wrong]


def _holds_of_groups(instance: Instance, layer: int, certificate: Certificate) -> bool:
    is_of_loads = instance.objective.timed_by is None
    is_kind = isinstance(certificate, GroupCertificate)
    return is_kind and is_of_loads and certificate.holds(group_pool(instance, layer))


def _too_many(proofs: Sequence[Proof]) -> list[str]:
    return [f"{len(proofs)} certificates"] if len(proofs) > 1 else []


def _on_nodes(
    instance: Instance, sets: Iterable[NodeSet]
) -> tuple[list[NodeSet], list[str]]:
    """The groups that a node may have, and what is wrong with the others."""
    real = [groups for groups in sets if _is_node_set(instance, groups)]
    faults = [
        f"a certificate for groups {_listed(groups)}, which are on no node"
        for groups in sets
        if groups not in real
    ]
    return real, faults


def _pool(instance: Instance, layer: int, node_set: NodeSet) -> Pool:
    """The pool of a node's groups; in global mode that of all experts."""
    experts = members(instance, node_set) if instance.hierarchical else None
    return instance.pool(layer, experts)


def _by_node_set(proofs: Sequence[Proof]) -> dict[NodeSet, list[Proof]]:
    by_set: dict[NodeSet, list[Proof]] = {}
    for proof in proofs:
        groups = proof[0]
        by_set.setdefault(groups, []).append(proof)
    return by_set


def _pool_bounds(pool: Pool, proofs: Sequence[Proof]) -> tuple[BoundsByName, list[str]]:
    """What each method proves of a pool, and which of its proofs are wrong."""
    by_name = _trivial(pool)
    wrong = _too_many(proofs)
    for _, certificate in proofs[:1]:
        if certificate.is_of(pool) and certificate.holds(pool):
            bound = certificate.bound(pool)
            by_name |= dict.fromkeys(certificate.names, bound)
        else:
            wrong.append(NOT_HELD)
    return by_name, wrong


def _trivial(pool: Pool) -> BoundsByName:
    return {MEAN: mean_bound(pool), REPLICA: max_replica_bound(pool)}


def _is_node_set(instance: Instance, groups: NodeSet) -> bool:
    """Whether these are the groups of one node, ascending."""
    size = instance.num_groups // instance.num_pools
    is_inside = all(0 <= group < instance.num_groups for group in groups)
    is_ascending = all(group < following for group, following in pairwise(groups))
    return len(groups) == size and is_inside and is_ascending


def _listed(groups: NodeSet) -> str:
    return shown(str(list(groups[:MOST_GROUPS])))
