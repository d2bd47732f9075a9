"""LayerState: what is known about a layer's pools while they are solved, and what that says about the layer."""

from __future__ import annotations

import time
from collections.abc import Container
from dataclasses import dataclass, replace

import numpy as np

from .certificates.layer import MILESTONES, LayerCertificate, certify
from .certificates.mean import trivial_bound
from .certificates.names import CERTIFIED, GROUPS, MEAN, REPLICA, not_certified
from .certificates.registry import Certificate, certified_bound, true_name
from .limits import Limits
from .methods.task import Task
from .outcome import PoolOutcome
from .problem.hierarchy import NodeSet, bottleneck_partition, group_loads, members
from .problem.instance import Instance
from .problem.pool import Ints, Packing, Pool
from .problem.status import StopReason, exceeds

MOST_OF_GAP = 0.9  # by which a pool's bound may exceed the layer's before another partition is looked for


@dataclass(eq=False)
class PoolState:
    """What is known about one pool: the best packing, the best bound, and where each came from."""

    pool: Pool
    experts: Ints
    packing: Packing
    objective: float
    lower_bound: float
    bound_method: str
    method: str = "greedy"
    stop: StopReason = StopReason.COMPLETED
    attempts: int = 0
    ended: bool = False
    proof: Certificate | None = None

    def update(self, outcome: PoolOutcome) -> None:
        """Take what is better; the objective is recomputed here."""
        objective = outcome.objective(self.pool)
        is_better = outcome.packing is not None and objective < self.objective
        is_stronger = outcome.lower_bound is not None and outcome.lower_bound > self.lower_bound
        if outcome.packing is not None and is_better:
            self.packing, self.objective, self.method = outcome.packing, objective, outcome.method
        if outcome.lower_bound is not None and is_stronger:
            self.lower_bound = outcome.lower_bound
            name = outcome.bound_method or outcome.method
            self.bound_method = true_name(self.pool, outcome.lower_bound, name, outcome.proof)
        if outcome.proof is not None and (self.proof is None or outcome.proof.target > self.proof.target):
            self.proof = outcome.proof
        self.stop = outcome.stop
        is_useless = outcome.stop is StopReason.FAILED and not (is_better or is_stronger)
        self.ended = is_useless or outcome.stop is StopReason.TOO_LARGE
        self.attempts += 1

    def certified(self) -> float:
        """The bound that `verify` can prove again."""
        is_trivial = self.bound_method in (MEAN, REPLICA)
        return self.lower_bound if is_trivial else certified_bound(self.pool, self.proof)


class LayerState:
    """A layer between the greedy and its certificate.

    Parameters
    ----------
    packings : mapping from node set to the greedy's packing of its pool, in the pool's expert numbers
        All node sets that can be enumerated, or the ones that some partition uses.
    complete : bool
        ``packings`` holds every possible node set, so that the best partition of bounds is a bound of the layer.
    """

    def __init__(self, instance: Instance, layer: int, packings: dict[NodeSet, Packing], *, complete: bool) -> None:
        self.instance, self.layer, self.complete = instance, layer, complete
        self.pools: dict[NodeSet, PoolState] = {}
        self.seconds = 0.0
        self.note = ""
        # Hierarchical maps are also global maps: the global bounds hold (H1).
        pool = Pool(instance.weight[layer], instance.num_replicas, instance.num_ranks)
        self.floor, self.floor_method = trivial_bound(pool)
        self.start = time.monotonic()
        self.reached: dict[float, float] = {}  # gap milestone -> seconds after the start
        self.assigned: dict[NodeSet, float] = {}  # the bounds that the last group assignment knew
        self.assignments = 0  # how often groups were assigned
        self.hopeful: list[NodeSet] = []  # the partition that may still attain the lower bound
        self.pinned: list[NodeSet] = []  # the partition to keep; empty: the best one
        for node_set, packing in packings.items():
            self.add(node_set, packing)
        self.refresh()

    def add(self, node_set: NodeSet, packing: Packing) -> None:
        """Start a pool with the greedy's packing and L0."""
        experts = members(self.instance, node_set)
        pool = self.instance.pool(self.layer, experts if self.instance.hierarchical else None)
        bound, name = trivial_bound(pool)
        self.pools[node_set] = PoolState(pool, experts, packing, packing.objective(pool), bound, name)

    def start_from(self, node_set: NodeSet, packing: Packing, method: str) -> None:
        """Take a packing that somebody has, if it is better; a new node set becomes a pool."""
        if node_set not in self.pools:
            self.add(node_set, packing)
        state = self.pools[node_set]
        objective = packing.objective(state.pool)
        if objective < state.objective:
            state.packing, state.objective, state.method = packing, objective, method

    def pin(self, partition: list[NodeSet]) -> None:
        """Keep a partition, whatever others would give (the published greedy's map is its own)."""
        self.pinned = partition
        self.refresh()

    def refresh(self) -> None:
        """Recompute objective, lower bound and the two partitions from the pools."""
        groups = self.instance.num_groups
        objectives = {s: p.objective for s, p in self.pools.items() if not self.pinned or s in self.pinned}
        self.objective, self.partition = bottleneck_partition(objectives, groups)
        self.lower_bound, self.bound_method = self.floor, self.floor_method
        if self.complete:
            bound, self.hopeful = bottleneck_partition({s: p.lower_bound for s, p in self.pools.items()}, groups)
            if bound > self.lower_bound:
                decisive = max(self.hopeful, key=lambda s: self.pools[s].lower_bound)
                self.lower_bound, self.bound_method = bound, self.pools[decisive].bound_method
        for milestone in MILESTONES:
            if not self.is_open(milestone):
                self.reached.setdefault(milestone, time.monotonic() - self.start)

    def assign_groups(self, limits: Limits) -> list[NodeSet]:
        """Too many node sets: the layer's bound, and of its partition the node sets not yet known (H3).

        Where it fails, the layer keeps the partitions that it has, and its note says why.
        """
        from .grouping import assign_groups

        instance, known = self.instance, {s: p.lower_bound for s, p in self.pools.items()}
        start = min((self.hopeful, self.partition), key=lambda p: max(known[s] for s in p)) if self.hopeful else None
        self.assigned = known
        self.assignments += 1
        try:
            bound, partition = assign_groups(
                group_loads(instance, self.layer), instance.num_nodes, instance.ranks_per_pool, known, limits,
                self.lower_bound, start,
            )  # fmt: skip
        except Exception as error:  # a step as any other: what is known is kept
            self.note = f"groups: {type(error).__name__}: {error}"
            return []
        if bound > self.floor:
            self.floor, self.floor_method = bound, GROUPS
        self.hopeful = partition
        return [s for s in partition if s not in self.pools]

    def is_stale(self, gap: float) -> bool:
        """A pool of the assignment's partition cannot attain the layer's bound within the gap: it should know (H3)."""
        enough = self.lower_bound * (1 + gap * MOST_OF_GAP)
        bounds = ((s, self.pools[s].lower_bound) for s in self.hopeful)
        return not self.complete and any(enough < bound != self.assigned.get(s) for s, bound in bounds)

    def is_open(self, gap: float) -> bool:
        """Whether the gap is larger than asked for."""
        return self.objective > self.lower_bound * (1 + gap)

    def next_pool(self, gap: float, busy: Container[NodeSet] = ()) -> NodeSet | None:
        """The pool to work on: of the partition that may still attain the bound, the one that keeps the gap open.

        Pools that are good enough for the layer's bound, cannot become so, or have ended, are passed over; fewest
        attempts first, then those of that partition before those of the best one, then the largest bound.
        """
        if not self.is_open(gap):
            return None
        work = [
            s for s in dict.fromkeys([*self.hopeful, *self.partition])
            if s not in busy and not self.pools[s].ended and self._is_of_use(s, gap)
        ]  # fmt: skip

        def order(s: NodeSet) -> tuple[int, bool, float, NodeSet]:
            return self.pools[s].attempts, s not in self.hopeful, -self.pools[s].lower_bound, s

        return min(work, key=order, default=None)

    def _is_of_use(self, node_set: NodeSet, gap: float) -> bool:
        """Whether a better packing or a larger bound of a pool may help the layer, and there may be one."""
        state = self.pools[node_set]
        is_known = min(state.objective, self.objective) <= state.lower_bound * (1 + self._gap_of(node_set, gap))
        return state.objective > self.lower_bound * (1 + gap) and not is_known

    def _gap_of(self, node_set: NodeSet, gap: float) -> float:
        """The gap to which a pool is solved: what its bound leaves of the layer's, not less than a tenth."""
        bound = self.pools[node_set].lower_bound
        left = self.lower_bound * (1 + gap) / bound - 1 if bound > 0 else gap
        return min(gap, max(left, gap * (1 - MOST_OF_GAP))) if left > 0 else gap

    def task(self, node_set: NodeSet, limits: Limits, deadline: float | None = None) -> Task:
        """The task of improving a pool as far as the layer needs it; ``deadline`` is the whole call's."""
        state = self.pools[node_set]
        limits = replace(limits, gap=self._gap_of(node_set, limits.gap))
        return Task(
            state.pool, state.packing, state.lower_bound, limits, state.attempts, self.lower_bound, self.objective,
            deadline,
        )  # fmt: skip

    def update(self, node_set: NodeSet, outcome: PoolOutcome, seconds: float) -> None:
        """Take a method's outcome on a pool."""
        self.pools[node_set].update(outcome)
        self.seconds += seconds
        self.note = outcome.note or self.note
        self.refresh()

    def phy2log(self) -> Ints:
        """The layer's best map, [replicas]."""
        nodes = [self.pools[s] for s in sorted(self.partition)]
        return np.concatenate([p.experts[p.packing.experts.ravel()] for p in nodes])

    def certificate(
        self, objective: float, gap: float, untried: StopReason = StopReason.COMPLETED
    ) -> LayerCertificate:  # fmt: skip
        """The certificate for an objective recomputed from the placement.

        Parameters
        ----------
        gap : float
            The gap at which a layer is OPTIMAL.
        untried : StopReason
            Why the layer stays as it is if no task worked on it.
        """
        worst = max(self.partition, key=lambda s: self.pools[s].objective)
        tried = [state for state in self.pools.values() if state.attempts]
        stop = max(tried, key=lambda state: state.objective).stop if tried else untried
        return certify(
            self.instance, self.layer, objective, self.lower_bound, gap, stop=stop,
            method=self.pools[worst].method, bound_method=self._proved_by(), seconds=self.seconds, note=self.note,
            reached=tuple(self.reached.get(milestone) for milestone in MILESTONES),
            proofs=tuple({"groups": list(s)} | p.proof.to_dict() for s, p in self.pools.items() if p.proof is not None),
        )  # fmt: skip

    def _proved_by(self) -> str:
        """The name of the bound: a certified one only if L0 and the certificates alone give the bound (H2).

        The pool that decides may be certified while another one, whose packings would be lighter, is not.
        """
        if self.bound_method not in CERTIFIED or not self.complete or self.lower_bound <= self.floor:
            return self.bound_method
        certified = {s: p.certified() for s, p in self.pools.items()}
        if not exceeds(self.lower_bound, bottleneck_partition(certified, self.instance.num_groups)[0]):
            return self.bound_method
        searched = max(self.pools, key=lambda s: self.pools[s].lower_bound - certified[s])
        return not_certified(self.pools[searched].bound_method)
