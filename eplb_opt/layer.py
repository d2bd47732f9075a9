"""LayerState: what is known about a layer's pools while they are solved, and what that says about the layer."""

from __future__ import annotations

import time
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from .certificates.groups import GroupCertificate, group_pool
from .certificates.layer import MILESTONES, Findings, LayerCertificate, certify
from .certificates.mean import trivial_bound
from .certificates.names import GROUPS
from .certificates.registry import certified_names, not_certified
from .limits import Limits
from .methods.task import Task
from .outcome import PoolOutcome
from .pool_state import PoolState, proofs_of, uncertified
from .problem.hierarchy import NodeSet, bottleneck_partition, group_loads, members
from .problem.instance import Instance
from .problem.pool import Ints, Packing
from .problem.status import StopReason

MOST_OF_GAP = 0.9  # by which a pool's bound may exceed the layer's before another partition is looked for


class LayerState:
    """A layer between the greedy and its certificate.

    Parameters
    ----------
    packings : mapping from node set to the greedy's packing of its pool, in the pool's expert numbers
        All node sets that can be enumerated, or the ones that some partition uses.
    complete : bool
        ``packings`` holds every possible node set, so that the best partition of bounds is a bound of the layer.
    """

    def __init__(
        self,
        instance: Instance,
        layer: int,
        packings: dict[NodeSet, Packing],
        *,
        complete: bool,
    ) -> None:
        self.instance = instance
        self.layer = layer
        self.complete = complete
        self.pools: dict[NodeSet, PoolState] = {}
        self.seconds = 0.0
        self.note = ""
        # Hierarchical maps are also global maps: the global bounds hold (H1).
        pool = instance.whole_pool(layer)
        self.floor, self.floor_method = trivial_bound(pool)
        self.floor_proof: GroupCertificate | None = None
        self.start = time.monotonic()
        # Gap milestone -> seconds after the start.
        self.reached: dict[float, float] = {}
        # The bounds that the last group assignment knew, and how often groups were assigned.
        self.assigned: dict[NodeSet, float] = {}
        self.assignments = 0
        # The partition that may still attain the lower bound, and the one to keep (empty: the best one).
        self.hopeful: list[NodeSet] = []
        self.pinned: list[NodeSet] = []
        for node_set, packing in packings.items():
            self.add(node_set, packing)
        self.refresh()

    def add(self, node_set: NodeSet, packing: Packing, method: str = "greedy") -> None:
        """Start a pool with a packing, by default the greedy's, and L0."""
        experts = members(self.instance, node_set)
        pool = self.instance.pool(
            self.layer, experts if self.instance.hierarchical else None
        )
        self.pools[node_set] = PoolState.begin(pool, experts, packing, method)

    def start_from(self, node_set: NodeSet, packing: Packing, method: str) -> None:
        """Take a packing that somebody has, if it is better; a new node set becomes a pool."""
        if node_set not in self.pools:
            self.add(node_set, packing)
        self.pools[node_set].bracket.offer(packing, method)

    def pin(self, partition: list[NodeSet]) -> None:
        """Keep a partition, whatever others would give (the published greedy's map is its own)."""
        self.pinned = partition
        self.refresh()

    def take_instead(self, packings: Mapping[NodeSet, Packing]) -> None:
        """Have other packings of the partition's pools, though they may be heavier; what is proven stays."""
        for node_set, packing in packings.items():
            self.pools[node_set].bracket.take_instead(packing)
        self.pin(list(packings))

    def refresh(self) -> None:
        """Recompute objective, lower bound and the two partitions from the pools."""
        allowed = self.pinned or self.pools
        objectives = {
            node_set: state.objective
            for node_set, state in self.pools.items()
            if node_set in allowed
        }
        self.objective, self.partition = bottleneck_partition(
            objectives, self.instance.num_groups
        )
        self.lower_bound = self.floor
        self.bound_method = self.floor_method
        if self.complete:
            self._learn_bound()
        self._note_milestones()

    def _note_milestones(self) -> None:
        """When each gap was reached first."""
        for milestone in MILESTONES:
            if not self.is_open(milestone):
                self.reached.setdefault(milestone, time.monotonic() - self.start)

    def _learn_bound(self) -> None:
        """The bound that the best partition of bounds gives (H2)."""
        groups = self.instance.num_groups
        bound, self.hopeful = bottleneck_partition(self._bounds(), groups)
        if bound > self.lower_bound:
            decisive = max(self.hopeful, key=self._bound_of)
            self.lower_bound = bound
            self.bound_method = self.pools[decisive].bracket.bound_method

    def _bound_of(self, node_set: NodeSet) -> float:
        return self.pools[node_set].lower_bound

    def _bounds(self) -> dict[NodeSet, float]:
        return {node_set: state.lower_bound for node_set, state in self.pools.items()}

    def assign_groups(self, limits: Limits) -> list[NodeSet]:
        """Too many node sets: the layer's bound, and of its partition the node sets not yet known (H3).

        Where it fails, the layer keeps the partitions that it has, and its note says why. With a cost it has those of
        the greedy: H3 is of loads.
        """
        if self.instance.objective.timed_by is not None:
            return []
        from .grouping import assign_groups

        known = self._bounds()
        self.assigned = known
        self.assignments += 1
        loads = group_loads(self.instance, self.layer)
        nodes = self.instance.num_nodes
        ranks = self.instance.ranks_per_pool
        start = self._most_hopeful(known)
        try:
            bound, partition = assign_groups(
                loads,
                nodes,
                ranks,
                known,
                limits,
                self.lower_bound,
                start,
            )
        except Exception as error:  # a step as any other: what is known is kept
            self.note = f"groups: {type(error).__name__}: {error}"
            return []
        if bound > self.floor:
            self._raise_floor(bound)
        self.hopeful = partition
        return [node_set for node_set in partition if node_set not in self.pools]

    def _raise_floor(self, bound: float) -> None:
        """Take a bound of all assignments of groups, with its certificate if there is one."""
        from .grouping import certified_groups

        pool = group_pool(self.instance, self.layer)
        proof = certified_groups(pool, self.instance.ranks_per_pool, bound)
        self.floor = bound
        self.floor_proof = proof or self.floor_proof
        self.floor_method = GROUPS if proof is None else proof.names[0]

    def _most_hopeful(self, known: dict[NodeSet, float]) -> list[NodeSet] | None:
        """Of the two partitions the one with the least bottleneck of bounds; None: there is none yet."""
        if not self.hopeful:
            return None
        both = (self.hopeful, self.partition)
        return min(both, key=lambda partition: max(known[s] for s in partition))

    def is_stale(self, gap: float) -> bool:
        """A pool of the assignment's partition cannot attain the layer's bound within the gap: it should know (H3)."""
        if self.complete or self.instance.objective.timed_by is not None:
            return False
        enough = self.lower_bound * (1 + gap * MOST_OF_GAP)
        for node_set in self.hopeful:
            bound = self._bound_of(node_set)
            if bound > enough and bound != self.assigned.get(node_set):
                return True
        return False

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
        either = dict.fromkeys([*self.hopeful, *self.partition])
        work = [
            node_set
            for node_set in either
            if node_set not in busy and self._is_of_use(node_set, gap)
        ]
        return min(work, key=self._turn, default=None)

    def _turn(self, node_set: NodeSet) -> tuple[int, bool, float, NodeSet]:
        """The order in which pools are worked on, the least first."""
        state = self.pools[node_set]
        is_second = node_set not in self.hopeful
        return state.attempts, is_second, -state.lower_bound, node_set

    def _is_of_use(self, node_set: NodeSet, gap: float) -> bool:
        """Whether a better packing or a larger bound of a pool may help the layer, and there may be one."""
        state = self.pools[node_set]
        if state.ended or state.objective <= self.lower_bound * (1 + gap):
            return False
        least = min(state.objective, self.objective)
        return least > state.lower_bound * (1 + self._gap_of(node_set, gap))

    def _gap_of(self, node_set: NodeSet, gap: float) -> float:
        """The gap to which a pool is solved: what its bound leaves of the layer's, not less than a tenth."""
        bound = self._bound_of(node_set)
        if bound <= 0:
            return gap
        left = self.lower_bound * (1 + gap) / bound - 1
        if left <= 0:
            return gap
        return min(gap, max(left, gap * (1 - MOST_OF_GAP)))

    def task(
        self, node_set: NodeSet, limits: Limits, deadline: float | None = None
    ) -> Task:
        """The task of improving a pool as far as the layer needs it; ``deadline`` is the whole call's."""
        state = self.pools[node_set]
        limits = replace(limits, gap=self._gap_of(node_set, limits.gap))
        return Task(
            state.pool,
            state.bracket.packing,
            state.lower_bound,
            limits,
            attempt=state.attempts,
            target=self.lower_bound,
            cutoff=self.objective,
            deadline=deadline,
        )

    def update(self, node_set: NodeSet, outcome: PoolOutcome, seconds: float) -> None:
        """Take a method's outcome on a pool."""
        self.pools[node_set].update(outcome)
        self.seconds += seconds
        self.note = outcome.note or self.note
        self.refresh()

    def phy2log(self) -> Ints:
        """The layer's best map, [replicas]."""
        return np.concatenate(
            [self.pools[node_set].phy2log() for node_set in sorted(self.partition)]
        )

    def certificate(
        self,
        objective: float,
        gap: float,
        untried: StopReason = StopReason.COMPLETED,
        mean: float | None = None,
    ) -> LayerCertificate:
        """The certificate for an objective recomputed from the placement.

        Parameters
        ----------
        gap : float
            The gap at which a layer is OPTIMAL.
        untried : StopReason
            Why the layer stays as it is if no task worked on it.
        mean : float, optional
            Of the map's rank loads or times, if it is not that of the instance.
        """
        worst = _heaviest(self.pools[node_set] for node_set in self.partition)
        tried = [state for state in self.pools.values() if state.attempts]
        found = Findings(
            self.lower_bound,
            self._proved_by(),
            worst.bracket.method,
            _heaviest(tried).stop if tried else untried,
            self.seconds,
            note=self.note,
            reached=tuple(self.reached.get(milestone) for milestone in MILESTONES),
            proofs=tuple(self._proofs()),
        )
        return certify(self.instance, self.layer, objective, found, gap, mean)

    def _proofs(self) -> Iterator[dict[str, Any]]:
        """The certificates of pools, and that of the assignment of all groups."""
        yield from proofs_of(self.pools)
        if self.floor_proof is not None:
            groups = list(range(self.instance.num_groups))
            yield {"groups": groups} | self.floor_proof.to_dict()

    def _proved_by(self) -> str:
        """The name of the bound: a certified one only if L0 and the certificates alone give the bound (H2)."""
        is_of_pools = self.complete and self.lower_bound > self.floor
        if self.bound_method not in certified_names() or not is_of_pools:
            return self.bound_method
        missing = uncertified(self.pools, self.instance.num_groups, self.lower_bound)
        return self.bound_method if missing is None else not_certified(missing)


def _heaviest(states: Iterable[PoolState]) -> PoolState:
    """The pool with the heaviest rank."""
    return max(states, key=lambda state: state.objective)
