"""PoolState: what is known about one pool of a layer while the layer is solved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .bracket import Bracket
from .certificates.mean import trivial_bound
from .certificates.names import MEAN, REPLICA, SEARCHED
from .certificates.registry import certified_names, true_name
from .outcome import PoolOutcome
from .problem.hierarchy import NodeSet, bottleneck_partition
from .problem.pool import Ints, Packing, Pool
from .problem.status import StopReason, exceeds


@dataclass(eq=False)
class PoolState:
    """One pool: its bracket, and what the tasks on it came to.

    Attributes
    ----------
    experts : array [experts of the pool], int64
        The layer's expert of each of the pool's.
    bracket : Bracket
        Best packing and bound, and where they came from.
    stop : StopReason
        Why the last task ended.
    attempts : int
        Tasks so far.
    ended : bool
        Another task would find nothing.
    """

    experts: Ints
    bracket: Bracket
    stop: StopReason = StopReason.COMPLETED
    attempts: int = 0
    ended: bool = False

    @classmethod
    def begin(
        cls, pool: Pool, experts: Ints, packing: Packing, method: str = "greedy"
    ) -> PoolState:
        """A pool with a first packing, by default the greedy's, and bound L0."""
        bound, name = trivial_bound(pool)
        bracket = Bracket(pool, packing, method, lower=bound, bound_method=name)
        return cls(experts, bracket)

    @property
    def pool(self) -> Pool:
        """The pool."""
        return self.bracket.pool

    @property
    def objective(self) -> float:
        """Load of the heaviest rank of the best packing."""
        return self.bracket.upper

    @property
    def lower_bound(self) -> float:
        """What is proven, in units of load."""
        return self.bracket.lower

    def update(self, outcome: PoolOutcome) -> None:
        """Take what is better; the objective is recomputed here."""
        name = outcome.bound_method or outcome.method
        if outcome.lower_bound is not None:
            name = true_name(self.pool, outcome.lower_bound, name, outcome.proof)
        is_better = self.bracket.offer(outcome.packing, outcome.method)
        is_stronger = self.bracket.raise_to(outcome.lower_bound, name)
        self._keep(outcome)
        is_late = outcome.lower_bound == self.lower_bound and name in certified_names()
        if is_late and self.bracket.bound_method in SEARCHED:
            self.bracket.bound_method = (
                name  # the bound came first, its certificate now
            )
        self.stop = outcome.stop
        has_gained = is_better or is_stronger
        is_useless = outcome.stop is StopReason.FAILED and not has_gained
        self.ended = is_useless or outcome.stop is StopReason.TOO_LARGE
        self.attempts += 1

    def certified(self) -> float:
        """The bound that `verify` can prove again."""
        if self.bracket.bound_method in (MEAN, REPLICA):
            return self.lower_bound
        trivial, _ = trivial_bound(self.pool)
        proof = self.bracket.proof
        return trivial if proof is None else max(trivial, proof.bound(self.pool))

    def phy2log(self) -> Ints:
        """The layer's expert in each of the pool's slots, [slots]."""
        held: Ints = self.experts[self.bracket.packing.in_order]
        return held

    def _keep(self, outcome: PoolOutcome) -> None:
        """Keep the certificate of the largest target, even where the bound has none."""
        proof = outcome.proof
        if proof is None:
            return
        known = self.bracket.proof
        if known is None or proof.target > known.target:
            self.bracket.proof = proof


def proofs_of(pools: Mapping[NodeSet, PoolState]) -> Iterator[dict[str, Any]]:
    """The certificates of a layer's pools, each with its node's groups."""
    for node_set, state in pools.items():
        proof = state.bracket.proof
        if proof is not None:
            yield {"groups": list(node_set)} | proof.to_dict()


def uncertified(
    pools: Mapping[NodeSet, PoolState], num_groups: int, bound: float
) -> str | None:
    """What proved the bound of a pool whose certificate is missing for a layer's bound; None: none is missing (H2).

    The pool that decides may be certified while another one, whose packings would be lighter, is not.
    """
    certified = {node_set: state.certified() for node_set, state in pools.items()}
    proven, _ = bottleneck_partition(certified, num_groups)
    if not exceeds(bound, proven):
        return None

    def missing(node_set: NodeSet) -> float:
        return pools[node_set].lower_bound - certified[node_set]

    return pools[max(pools, key=missing)].bracket.bound_method
