"""What the checker is given of an instance: its own problem, or one of windows, in time or of unequal ranks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..certificates.certificate import plain_pool
from ..certificates.mean import max_replica_bound, mean_bound
from ..certificates.names import GROUP_TREE, MEAN, REPLICA
from ..certificates.registry import certified_names, read_certificate
from ..checker.problem import KINDS, Found, NodeSet, Problem, Proofs, pool_bounds
from ..problem.hierarchy import members
from ..problem.instance import Instance
from ..problem.placement import Placement
from ..problem.pool import Ints, Pool

TOPOLOGY = ("num_ranks", "num_nodes", "num_groups", "num_replicas", "distinct")


def problem_of(instance: Instance) -> Problem:
    """What the checker checks a report of an instance against."""
    return OfInstance(instance) if is_other(instance) else plain_problem(instance)


def is_other(instance: Instance) -> bool:
    """Whether the checker alone does not know such an objective, or such ranks."""
    return instance.is_of_sizes or not instance.objective.adds_windows


def is_known(instance: Instance, proof: Mapping[str, Any]) -> bool:
    """Whether layers of an instance may have proofs of such a kind."""
    return is_other(instance) or proof["kind"] in KINDS


def plain_problem(instance: Instance) -> Problem:
    """The checker's own problem, of loads and topology."""
    head: dict[str, Any] = {name: getattr(instance, name) for name in TOPOLOGY}
    weights = instance.objective.weights
    head["objective"] = {"across": "sum", "weights": weights and list(weights)}
    return Problem(instance.load, head)


class OfInstance(Problem):
    """A problem whose maps and pools are valued here; what is proven of plain pools is the checker's word."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.ranks = instance.num_ranks
        self.nodes = instance.num_nodes
        self.groups = instance.num_groups
        self.slots = instance.num_replicas
        self.experts = instance.num_experts
        self.distinct = instance.distinct
        self.hierarchical = instance.hierarchical
        self.weight = instance.weight

    def violation(self, placed: Ints) -> str:
        """The first of `Placement.violations`."""
        row = Placement(placed[None], self.experts)
        return next(iter(row.violations(self.instance.select([0]))), "")

    def value(self, layer: int, placed: Ints) -> float:
        """As `Placement.objective` has it."""
        row = Placement(placed[None], self.experts)
        return float(row.objective(self.instance.select([layer]))[0])

    def bounds_of(self, layer: int, groups: NodeSet | None, proofs: Proofs) -> Found:
        """Of pools that are not plain: L0 of sizes or windows, and the kinds of certificates that are of them."""
        if groups is None and self.hierarchical:
            pool = self.instance.whole_pool(layer)
        elif groups is None:
            pool = self.instance.pool(layer)
        else:
            pool = self.instance.pool(layer, members(self.instance, groups))
        if pool.is_plain and all(proof["kind"] in KINDS for proof in proofs):
            return pool_bounds(plain_pool(pool), proofs)
        return _other_bounds(pool, proofs)

    def _assigned(self, layer: int, proofs: Proofs) -> tuple[float, bool]:
        """Loads of nodes say nothing of times."""
        if self.instance.objective.timed_by is None:
            return super()._assigned(layer, proofs)
        return 0.0, not proofs


def _other_bounds(pool: Pool, proofs: Proofs) -> Found:
    bounds = dict.fromkeys(certified_names(), 0.0)
    bounds |= {MEAN: mean_bound(pool), REPLICA: max_replica_bound(pool)}
    for proof in proofs:
        certificate = read_certificate(proof)
        is_of = certificate.is_of(pool) and GROUP_TREE not in certificate.names
        if len(proofs) > 1 or not is_of or not certificate.holds(pool):
            return bounds, False
        bounds |= dict.fromkeys(certificate.names, certificate.bound(pool))
    return bounds, True
