"""What is swept: the loads, the numbers of slots, ranks and tokens, and how maps are planned and judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import InstanceError, OptionError, shown
from ..limits import Limits
from ..problem.arrays import Floats
from ..problem.cost import Cost
from ..problem.instance import Instance
from ..problem.objective import Objective
from ..sampling import copies_of

MOST_COPIES = 2**24  # routed tokens of a step
TOP_K = 8


@dataclass(frozen=True, eq=False)
class Setting:
    """What is swept.

    Parameters
    ----------
    load : array [windows, layers, experts]
        Routed tokens.
    replicas, ranks, tokens_per_step : sequence of int
        Slots of a layer, GPUs, and tokens of a step before routing: every combination is a cell.
    cost : Cost, optional
        Maps are planned in time, for each number of tokens, and judged in it; without a cost by their ranks' tokens.
    top_k : int, default 8
        Experts of a token, taken as independent of each other.
    num_groups, num_nodes, distinct, objective, layer_ids
        Of `Instance`.
    method, limits
        Of `solve`, for each number of slots and ranks; with a cost the numbers of tokens share the time.
    bytes_per_expert : int, optional
        Of an expert's weights, for the memory that slots take.

    Raises
    ------
    OptionError
        A list is empty, or a number is out of range.
    """

    load: Floats
    replicas: Sequence[int]
    ranks: Sequence[int]
    tokens_per_step: Sequence[int]
    cost: Cost | None = None
    top_k: int = TOP_K
    num_groups: int = 1
    num_nodes: int = 1
    distinct: bool = False
    objective: Objective = field(default_factory=Objective)
    layer_ids: Sequence[int] | None = None
    method: str = "optimal"
    limits: Limits = field(default_factory=Limits)
    bytes_per_expert: int | None = None

    def __post_init__(self) -> None:
        for name in ("replicas", "ranks", "tokens_per_step"):
            values = getattr(self, name)
            if not values:
                raise OptionError(f"{name} names no number: give at least one")
            least = min(values)
            if least < 1:
                raise OptionError(f"{name}={shown(least)}: give integers >= 1")
        self.copies(max(self.tokens_per_step))

    def copies(self, tokens: int) -> int:
        """Routed tokens of a step."""
        copies = copies_of(tokens, self.top_k)
        if copies > MOST_COPIES:
            raise OptionError(
                f"tokens_per_step={tokens} times top_k={self.top_k}: at most {MOST_COPIES} routed tokens a step"
            )
        return copies

    @property
    def num_layers(self) -> int:
        """Layers of the loads."""
        return int(self.load.shape[1])

    @property
    def num_experts(self) -> int:
        """Experts of a layer."""
        return int(self.load.shape[2])

    @property
    def limits_of_plan(self) -> Limits:
        """The limits of one plan: with a cost there is one a number of tokens, and these share the time."""
        seconds = self.limits.seconds
        if self.cost is None or seconds is None:
            return self.limits
        return self.limits.with_seconds(seconds / len(self.tokens_per_step))

    def objective_of(self, tokens: int) -> Objective:
        """What is planned for in steps of so many tokens: with a cost their time."""
        if self.cost is None:
            return self.objective
        return replace(
            self.objective, cost=self.cost, tokens_per_step=tokens, top_k=self.top_k
        )

    def instance(self, replicas: int, ranks: int, tokens: int) -> Instance:
        """The placement problem of so many slots, ranks and tokens.

        Raises
        ------
        InstanceError
            There is no map of that kind.
        """
        return Instance(
            self.load,
            replicas,
            num_ranks=ranks,
            num_groups=self.num_groups,
            num_nodes=self.num_nodes,
            distinct=self.distinct,
            layer_ids=self.layer_ids,
            objective=self.objective_of(tokens),
        )

    def places(self) -> tuple[list[Instance], list[dict[str, Any]]]:
        """The problems of all slots and ranks, at the most tokens, and which there are not, with the reason.

        Raises
        ------
        InstanceError
            There is none at all.
        """
        found: list[Instance] = []
        left_out: list[dict[str, Any]] = []
        most = max(self.tokens_per_step)
        for ranks in self.ranks:
            for replicas in self.replicas:
                try:
                    found.append(self.instance(replicas, ranks, most))
                except InstanceError as error:
                    place = {"replicas": replicas, "ranks": ranks}
                    left_out.append(place | {"why": str(error)})
        if not found:
            raise InstanceError(str(left_out[0]["why"]))
        return found, left_out

    def slots_bytes(self, replicas: int, ranks: int) -> int | None:
        """Bytes of the weights in the slots of a rank, of all layers."""
        if self.bytes_per_expert is None:
            return None
        return replicas // ranks * self.num_layers * self.bytes_per_expert
