"""The problem that a report says it is of: what a map is worth there, what is proven (H1-H3), and the verdict."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import cache
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from . import pool as plain
from .contents import cover_holds, prices_hold
from .counts import leaf_holds, tree_holds
from .pool import Floats, Ints, Pool, RefusedError, integer, number, require

MOST_NODE_SETS = 500
MOST_GROUPS = 12
OTHERS = "windows one by one, time and unequal ranks are for eplb-opt verify"
ROUNDING = 1e-9  # what sums of the same loads in another order may differ by
UNDERFLOW = 2.0**-1050
GROUPS = "L0a mean, group tree"
# Of each kind of certificate the bounds that it proves, as reports name them, and whether it does.
KINDS: dict[str, tuple[tuple[str, ...], Callable[[Pool, float, Any], bool]]] = {
    "cuts": (("L1 cuts on counts", "s=2 counts LP"), leaf_holds),
    "counts": (("s=2 counts tree",), tree_holds),
    "patterns": (("L2 pattern LP",), prices_hold),
    "cover": (("rank-pattern tree",), cover_holds),
    "groups": ((GROUPS,), cover_holds),
}

Bounds = dict[str, float]  # by the name of what proves it
Found = tuple[Bounds, bool]  # and whether all proofs hold
NodeSet = tuple[int, ...]
Keys = Mapping[str, Any]  # of a report
Proofs = Sequence[Keys]


def holds(pool: Pool, proof: Keys) -> bool:
    """Whether a certificate proves that no packing of a pool is within its target."""
    try:
        target = number(proof["target"])
        return target > 0 and KINDS[proof["kind"]][1](pool, target, proof)
    except RefusedError:
        return False


def pool_bounds(pool: Pool, proofs: Proofs) -> Found:
    """What each name proves of a pool, and whether all its proofs hold; there is one at most."""
    bounds = {name: 0.0 for names, _ in KINDS.values() for name in names}
    bounds |= {
        "L0a mean": plain.mean_bound(pool),
        "L0b max replica": plain.replica_bound(pool),
    }
    for proof in proofs:
        names, _ = KINDS[proof["kind"]]
        if len(proofs) > 1 or GROUPS in names or not holds(pool, proof):
            return bounds, False
        target = number(proof["target"])
        proven = plain.next_sum(pool, target) if pool.width == 2 else target
        bounds |= dict.fromkeys(names, proven)
    return bounds, True


def least_partition(values: Mapping[NodeSet, float], groups: int) -> float:
    """The largest value of the node sets of a partition of all groups, in the partition where that is least (H2)."""

    @cache
    def least(mask: int) -> float:
        # The first group without a node is the first of the next one.
        first = (~mask & (mask + 1)).bit_length() - 1
        sets = [one for one in values if one[0] == first and not bits[one] & mask]
        below = [max(values[one], least(mask | bits[one])) for one in sets]
        return min(below, default=math.inf if first < groups else -math.inf)

    bits = {one: sum(1 << group for group in one) for one in values}
    return least(0)


class Problem:
    """Loads [windows, layers, experts] and what the head of a report says of them.

    Attributes
    ----------
    weight : array [layers, experts]
        The windows' sum, each times its weight.
    hierarchical : bool
        Whole groups stay on one node.
    """

    def __init__(self, load: Floats, head: Keys) -> None:
        names = ("num_ranks", "num_nodes", "num_groups", "num_replicas")
        sizes = [integer(head[name]) for name in names]
        self.ranks, self.nodes, self.groups, self.slots = sizes
        self.distinct, self.experts = head["distinct"], load.shape[-1]
        is_load = np.isfinite(load) & (load >= 0)
        require(load.ndim == 3 and load.size > 0 and bool(is_load.all()), "no loads")
        are_sizes = 0 < min(sizes) <= max(sizes) < 2**24
        require(are_sizes and isinstance(self.distinct, bool), "no topology")
        are_even = self.experts % self.groups == 0 == self.slots % self.ranks
        require(are_even and self.slots >= self.experts, "slots that none can fill")
        objective = head.get("objective") or {"across": "sum"}
        is_other = {"rank_speeds", "rank_slots"} & head.keys() or "cost" in objective
        require(not is_other and objective["across"] == "sum", OTHERS)
        weights = objective.get("weights") or [1.0] * len(load)
        by_window = np.array([[[number(weight)]] for weight in weights])
        require(len(weights) == len(load) and by_window.min() >= 0, "no such windows")
        self.weight = (load * by_window).sum(axis=0)
        are_shared = self.groups % self.nodes == 0 == self.ranks % self.nodes
        self.hierarchical = self.nodes > 1 and are_shared

    def violation(self, placed: Ints) -> str:
        """What makes a layer's map [slots] none of the problem; empty if it is valid."""
        held = set(placed.tolist())
        if placed.shape != (self.slots,) or held != set(range(self.experts)):
            return f"not {self.slots} slots that hold all {self.experts} experts"
        ordered = np.sort(placed.reshape(self.ranks, -1), axis=1)
        if self.distinct and (ordered[:, 1:] == ordered[:, :-1]).any():
            return "a rank holds an expert twice (distinct)"
        by_node = placed.reshape(self.nodes if self.hierarchical else 1, -1)
        groups = by_node // (self.experts // self.groups)
        most = max(len(set(of_node)) for of_node in groups.tolist())
        is_split = self.hierarchical and most > self.groups // self.nodes
        return f"a node holds experts of {most} groups" if is_split else ""

    def value(self, layer: int, placed: Ints) -> float:
        """The load of the heaviest rank of a valid map."""
        shares = self.weight[layer] / np.bincount(placed, minlength=self.experts)
        return float(shares[placed].reshape(self.ranks, -1).sum(axis=1).max())

    def bounds_of(self, layer: int, groups: NodeSet | None, proofs: Proofs) -> Found:
        """What is proven of the experts of some groups on the ranks of a node; of None: of all on all ranks."""
        loads, nodes = self.weight[layer], 1
        if groups is not None:
            loads = loads.reshape(self.groups, -1)[list(groups)].ravel()
            nodes = self.nodes
        distinct = self.distinct and not (groups is None and self.hierarchical)
        pool = Pool(loads, self.slots // nodes, self.ranks // nodes, distinct)
        return pool_bounds(pool, proofs)

    def bound(self, layer: int, proofs: Proofs) -> tuple[float, Bounds, list[NodeSet]]:
        """What is proven of a layer, the most by each name of one of its pools, and the groups of wrong proofs."""
        by_set: dict[NodeSet, list[Keys]] = {}
        for proof in proofs:
            by_set.setdefault(tuple(map(integer, proof["groups"])), []).append(proof)
        every = tuple(range(self.groups))
        of_all = by_set.pop(every, [])
        if not self.hierarchical:
            by_name, is_right = self.bounds_of(layer, None, of_all)
            wrong = [*by_set, *([] if is_right else [every])]
            return max(by_name.values()), by_name, wrong
        by_name, _ = self.bounds_of(layer, None, [])
        by_name[GROUPS], is_right = self._assigned(layer, of_all)
        bound, of_whole = max(by_name.values()), dict(by_name)
        wrong = [] if is_right else [every]
        size, values = self.groups // self.nodes, {}
        are_many = math.comb(self.groups, size) > MOST_NODE_SETS
        is_long = size > 1 and (are_many or self.groups > MOST_GROUPS)
        sets = [] if is_long else list(combinations(every, size))
        given = [s for s in by_set if len(s) == size and set(s) <= set(every)]
        for groups in sets or [s for s in given if list(s) == sorted(set(s))]:
            found, is_right = self.bounds_of(layer, groups, by_set.pop(groups, []))
            wrong += [] if is_right else [groups]
            values[groups] = max(found.values())
            by_name |= {name: max(by_name.get(name, b), b) for name, b in found.items()}
        if sets:
            bound = max(bound, least_partition(values, self.groups))
        return bound, by_name if sets else of_whole, [*wrong, *by_set]

    def _assigned(self, layer: int, proofs: Proofs) -> tuple[float, bool]:
        """Groups as experts of one replica, nodes as ranks: some rank of the heaviest node has its mean (H3)."""
        load = self.weight[layer].reshape(self.groups, -1).tolist()
        sums = [plain.floor_float(Fraction(sum(map(Fraction, one)))) for one in load]
        nodes = Pool(np.array(sums), self.groups, self.nodes)
        is_of = len(proofs) == 1 and proofs[0]["kind"] == "groups"
        if not (is_of and holds(nodes, proofs[0])):
            return 0.0, not proofs
        of_rank = Fraction(proofs[0]["target"]) * self.nodes / self.ranks
        return plain.floor_float(of_rank), True


class Verdict(NamedTuple):
    """What was recomputed and proven again, whether that is the report's bound, and what contradicts the report."""

    objective: float  # NaN: the map is not valid
    bound: float
    gap: float
    is_proven: bool
    faults: list[str]


def exceeds(one: float, limit: float) -> bool:
    """Whether a figure is above another beyond rounding."""
    return not one <= limit * (1 + ROUNDING) + UNDERFLOW


def gap_of(objective: float, bound: float) -> float:
    """``objective / bound - 1``; 0 where the bound is met, infinite without a positive one."""
    if objective <= bound:
        return 0.0
    return objective / bound - 1 if bound > 0 else math.inf


def check_layer(problem: Problem, layer: int, placed: Ints, fields: Keys) -> Verdict:
    """A layer's map [slots], and what the report says of it: objective, bound, gap and status."""
    claimed, bound = number(fields["objective"]), number(fields["lower_bound"])
    proven, by_name, sets = problem.bound(layer, fields["proofs"])
    faults = [f"a proof of groups {list(s[:8])} does not hold" for s in sets]
    name = fields["bound_method"]
    if name in by_name and exceeds(bound, min(proven, by_name[name])):
        faults.append(f"bound {bound} by {name} is not proven: {proven} is")
    objective, gap, wrong = math.nan, math.inf, problem.violation(placed)
    if wrong:
        faults.insert(0, f"the map is not valid: {wrong}")
    else:
        objective = problem.value(layer, placed)
        proven = min(proven, objective)
        gap = gap_of(objective, proven)
        if exceeds(bound, objective):
            faults.append(f"bound {bound} above the map's objective {objective}")
        if exceeds(claimed, objective) or exceeds(objective, claimed):
            faults.append(f"objective {claimed}, the map's is {objective}")
            claimed = objective  # what follows is not at fault, too
    true, stated = gap_of(claimed, bound), fields["gap"]
    stated = math.inf if stated in (None, math.inf) else number(stated)
    if not math.isclose(stated, true, rel_tol=ROUNDING, abs_tol=1e-15):
        faults.append(f"gap {stated}, objective and bound give {true}")
    status = "OPTIMAL" if stated <= number(fields["gap_limit"]) else "FEASIBLE"
    if fields["status"] != status:
        faults.append(f"status {fields['status']} at a gap of {stated}")
    return Verdict(objective, proven, gap, not exceeds(bound, proven), faults)
