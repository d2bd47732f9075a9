"""Instance: loads and topology, validated once; everything behind it may rely on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import InstanceError
from .checks import (
    as_layer_ids,
    check_slots,
    check_speeds,
    check_times,
    check_windows,
)
from .loads import as_load
from .objective import SUM, Objective
from .pool import NOT_DISTINCT, Floats, Ints, Pool
from .ranks import Ranks, as_ranks
from .topology import Topology, positive_int
from .windows import Windows


@dataclass(frozen=True, eq=False)
class Instance:
    """A placement problem: one pool a layer (global mode) or one a node (hierarchical mode).

    Parameters
    ----------
    load : array or torch tensor [layers, experts] or [windows, layers, experts]
        Routed tokens of each logical expert; any real dtype and device; finite, >= 0. Stored as read-only float64
        [windows, layers, experts].
    num_replicas : int
        Physical experts (slots) a layer, a multiple of ``num_ranks`` (but see ``rank_slots``), at least ``experts``.
    num_ranks : int
        GPUs, a divisor of ``num_replicas`` (but see ``rank_slots``). Required and, as all that follow, given by name.
    num_groups : int
        Expert groups of the router, each of ``experts / num_groups`` experts: a divisor of ``experts`` in either mode.
    num_nodes : int
        Nodes of the cluster. The mode is *hierarchical* if ``num_nodes > 1`` and both ``num_groups`` and ``num_ranks``
        are multiples of it (the engines' rule): each node then hosts ``num_groups / num_nodes`` whole groups and only
        these. Otherwise the mode is *global*: groups and nodes have no effect, and `why_global` says why.
    distinct : bool
        Forbid two replicas of one expert on one rank (vllm-ascend rejects such maps).
    layer_ids : sequence of int, optional
        Absolute layer index of each row; default 0, 1, ...
    objective : Objective, optional
        How windows are put together; by default their loads are added.
    rank_speeds : sequence of float [ranks], optional
        Relative speeds > 0 of unequal or throttled GPUs: everything that a rank takes is divided by its speed.
    rank_slots : sequence of int [ranks], optional
        Slots of each rank, ``num_replicas`` together; 0 of one that does not run. Both need the global mode.

    Raises
    ------
    InstanceError
        The message names the value and the fix.

    Examples
    --------
    >>> from eplb_opt import Instance
    >>> instance = Instance([[8, 3, 1]], num_replicas=4, num_ranks=2)
    >>> instance
    Instance(load=[1, 1, 3], num_replicas=4, num_ranks=2)
    >>> instance.describe()
    '1 layers x 3 experts, 4 replicas, 2 ranks: global mode, 2 slots a rank'
    >>> Instance([[8, 3, 1]], 4, num_ranks=2, rank_speeds=[1, 0.5]).mean.tolist()  # tokens over speeds
    [8.0]
    """

    load: Any
    num_replicas: int
    _: KW_ONLY
    num_ranks: int
    num_groups: int = 1
    num_nodes: int = 1
    distinct: bool = False
    layer_ids: Sequence[int] | None = None  # a tuple once built
    objective: Objective = SUM
    rank_speeds: Sequence[float] | None = (
        None  # tuples once built, None where ranks are alike
    )
    rank_slots: Sequence[int] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "num_replicas", positive_int("num_replicas", self.num_replicas)
        )
        for name, value in asdict(self.topology).items():
            object.__setattr__(self, name, value)
        object.__setattr__(self, "distinct", bool(self.distinct))
        object.__setattr__(self, "load", as_load(self.load))
        object.__setattr__(
            self, "layer_ids", as_layer_ids(self.layer_ids, self.num_layers)
        )
        self._take_ranks()
        check_slots(
            self.topology,
            self.num_experts,
            self.num_replicas,
            distinct=self.distinct,
            is_uneven=self.rank_slots is not None,
        )
        check_windows(self.objective, self.num_windows)
        self._check_values()

    def __repr__(self) -> str:
        """Shapes instead of arrays, and of the rest what is not the default."""
        given: dict[str, Any] = {
            "num_replicas": self.num_replicas,
            "num_ranks": self.num_ranks,
        }
        if self.num_groups > 1 or self.num_nodes > 1:
            given |= {"num_groups": self.num_groups, "num_nodes": self.num_nodes}
        if self.distinct:
            given["distinct"] = True
        if self.objective != SUM:
            given["objective"] = self.objective
        for name in ("rank_speeds", "rank_slots"):
            if getattr(self, name) is not None:
                given[name] = getattr(self, name)
        rest = ", ".join(f"{name}={value}" for name, value in given.items())
        return f"Instance(load={list(self.load.shape)}, {rest})"

    def _take_ranks(self) -> None:
        """Speeds and slots as tuples; None where they say nothing."""
        unequal = as_ranks(
            self.num_ranks, self.num_replicas, self.rank_speeds, self.rank_slots
        )
        speeds = None if unequal is None else unequal.speeds_given
        slots = None if unequal is None else unequal.slots_given
        object.__setattr__(self, "rank_speeds", speeds)
        object.__setattr__(self, "rank_slots", slots)
        if unequal is None:
            return
        if self.hierarchical:
            raise InstanceError(
                f"num_nodes={self.num_nodes} with rank_speeds or rank_slots: groups are not kept on nodes of unequal "
                "ranks, take one node"
            )
        if self.distinct:
            raise InstanceError(
                f"distinct=True with rank_speeds or rank_slots: {NOT_DISTINCT}"
            )

    @cached_property
    def unequal(self) -> Ranks | None:
        """Speeds and slots of the ranks; None where all are alike."""
        if self.rank_speeds is None and self.rank_slots is None:
            return None
        return as_ranks(
            self.num_ranks, self.num_replicas, self.rank_speeds, self.rank_slots
        )

    def _check_values(self) -> None:
        """Whether rank times, or loads over speeds, are finite."""
        cost = self.objective.timed_by
        if cost is not None:
            with np.errstate(over="ignore", invalid="ignore"):
                step_loads = [self.step_weight, self.objective.step_loads(self.load)]
            check_times(cost, step_loads, self.num_replicas, self.unequal)
        if self.unequal is not None:
            check_speeds(self.load, self.unequal)

    @property
    def num_windows(self) -> int:
        """Recorded windows."""
        return int(self.load.shape[0])

    @property
    def num_layers(self) -> int:
        """MoE layers."""
        return int(self.load.shape[1])

    @property
    def num_experts(self) -> int:
        """Logical experts a layer."""
        return int(self.load.shape[2])

    @property
    def slots_per_rank(self) -> int:
        """Slots on each rank, of unequal ones the most."""
        if self.unequal is not None:
            return self.unequal.most_slots
        return self.num_replicas // self.num_ranks

    @property
    def total_speed(self) -> float:
        """Of all ranks, each of speed 1 if nothing else is said: the mean rank load is over it."""
        return self.num_ranks if self.unequal is None else self.unequal.total_speed

    @property
    def is_of_sizes(self) -> bool:
        """Whether sizes of replicas decide, or unequal ranks: then the searches in `costs` make the maps."""
        return self.objective.timed_by is not None or self.unequal is not None

    def require_alike(self, what: str) -> None:
        """Raise `InstanceError` that names what is not there with unequal ranks, if they are."""
        if self.unequal is not None:
            raise InstanceError(
                f"{what} is not there with rank_speeds or rank_slots yet: leave one of both out"
            )

    def by_rank(self, slots: Ints) -> Ints:
        """What is in the slots [layers, replicas] of each rank, [layers, ranks, slots of a rank]; -1 where is none."""
        if self.unequal is not None:
            return self.unequal.by_rank(slots)
        return slots.reshape(len(slots), self.num_ranks, -1)

    @cached_property
    def topology(self) -> Topology:
        """Ranks, nodes and groups."""
        return Topology(
            num_ranks=self.num_ranks,
            num_groups=self.num_groups,
            num_nodes=self.num_nodes,
        )

    @property
    def hierarchical(self) -> bool:
        """Whole groups stay on one node."""
        return self.topology.hierarchical

    @property
    def why_global(self) -> str:
        """Why whole groups do not stay on one of several nodes; empty if they do, or if there is one node."""
        return self.topology.why_global

    @property
    def mode(self) -> str:
        """``"hierarchical"`` or ``"global"``."""
        return self.topology.mode

    @property
    def num_pools(self) -> int:
        """Pools a layer: the nodes, or one."""
        return self.topology.num_pools

    @property
    def ranks_per_pool(self) -> int:
        """Ranks of each pool."""
        return self.topology.ranks_per_pool

    @property
    def slots_per_pool(self) -> int:
        """Slots of each pool."""
        return self.num_replicas // self.num_pools

    @property
    def group_size(self) -> int:
        """Experts a group (hierarchical mode), or all experts."""
        return self.num_experts // self.topology.groups_in_force

    @cached_property
    def weight(self) -> Floats:
        """One load vector a layer, [layers, experts]: all that counts where the objective adds windows.

        Then it is the windows' sum, each times its weight. Otherwise it is their mix, each window brought to a mean
        rank load of one and times its share: a placement's heaviest rank in the mix is at most its objective, so
        that every bound of the mix is one of the instance.
        """
        if not self.objective.adds_windows:
            weight = (self.normalised * self.shares[:, :, None]).sum(axis=0)
        elif self.objective.weights is None:
            weight = self.load.sum(axis=0)
        else:
            weights = self.objective.window_weights(self.num_windows)
            weight = (self.load * weights[:, None, None]).sum(axis=0)
        weight.setflags(write=False)
        return np.asarray(weight)

    @property
    def normalised(self) -> Floats:
        """Loads of every window brought to a mean rank load of one, [windows, layers, experts]; zero if silent."""
        means = self._window_means
        return np.asarray(self.load / np.where(means > 0, means, 1.0)[:, :, None])

    def normalised_layer(self, layer: int) -> Floats:
        """The same of one layer, by row, [windows, experts]."""
        means = self._window_means[:, layer, None]
        return np.asarray(self.load[:, layer] / np.where(means > 0, means, 1.0))

    @property
    def shares(self) -> Floats:
        """The share of each window in each layer, [windows, layers], as the objective weighs them."""
        return self.objective.shares(self._window_means)

    @cached_property
    def _window_means(self) -> Floats:
        return np.asarray(self.load.sum(axis=2) / self.total_speed)

    @cached_property
    def step_weight(self) -> Floats:
        """What rank loads or times are made of, [layers, experts]: `weight`, or with a cost the tokens of a step."""
        if self.objective.timed_by is None:
            return self.weight
        return self.objective.step_loads(self.weight)

    def step_windows(self, layer: int) -> Floats:
        """The windows of a layer, by row, as the objective looks at them, [windows, experts]; with a cost tokens."""
        if self.objective.timed_by is None:
            return self.normalised_layer(layer)
        return self.objective.step_loads(self.load[:, layer])

    @cached_property
    def mean(self) -> Floats:
        """Mean rank load of each layer, [layers], in the unit of `weight`: the same for every placement."""
        return np.asarray(self.weight.sum(axis=1) / self.total_speed, dtype=np.float64)

    def select(self, layers: Sequence[int]) -> Instance:
        """The same problem for some of the layers, by row."""
        rows = list(layers)
        ids = tuple(self.layer_ids or ())
        return replace(
            self, load=self.load[:, rows], layer_ids=[ids[row] for row in rows]
        )

    def pool(self, layer: int, experts: Ints | None = None) -> Pool:
        """The pool of some experts of a layer on one node's ranks (all experts in global mode)."""
        weight = self.step_weight
        loads = weight[layer] if experts is None else weight[layer, experts]
        windows = None
        # A node's windows say nothing: the heaviest rank of all nodes counts, window by window. With a cost they stand
        # for that nothing is known of it, as the loads alone have no times.
        if not self.objective.adds_windows and self.num_pools == 1:
            windows = self._windows(layer)
        elif not self.objective.adds_windows and self.objective.timed_by is not None:
            windows = self._windows(layer, experts)
        return Pool(
            loads,
            self.slots_per_pool,
            self.ranks_per_pool,
            self.distinct,
            windows,
            self.objective.timed_by,
            self.unequal,
        )

    def whole_pool(self, layer: int) -> Pool:
        """A layer's experts on all ranks, whatever the mode, whose trivial bounds hold for the layer.

        Windows are left out where their mix says as much; with a cost it does not.
        """
        cost = self.objective.timed_by
        windows = None
        if cost is not None and not self.objective.adds_windows:
            windows = self._windows(layer)
        return Pool(
            self.step_weight[layer],
            self.num_replicas,
            self.num_ranks,
            windows=windows,
            cost=cost,
            unequal=self.unequal,
        )

    def _windows(self, layer: int, experts: Ints | None = None) -> Windows:
        loads = self.step_windows(layer)
        if experts is not None:
            loads = loads[:, experts]
        return Windows(loads, self.shares[:, layer], self.objective, self.unequal)

    def describe(self) -> str:
        """One line for people."""
        size = f"{self.num_layers} layers x {self.num_experts} experts"
        place = self.topology.describe()
        up_to = "" if self.rank_slots is None else "up to "
        slots = f"{up_to}{self.slots_per_rank} slots a rank"
        parts = [f"{size}, {self.num_replicas} replicas, {place}, {slots}"]
        if self.distinct:
            parts.append(", distinct")
        if self.unequal is not None:
            parts.append(f"; {self.unequal.describe()}")
        return "".join([*parts, self._of_windows()])

    def _of_windows(self) -> str:
        """What `describe` says of several windows."""
        cost = self.objective.describe_cost()
        of_cost = f"; {cost}" if cost else ""
        if self.objective.adds_windows and self.num_windows == 1:
            return of_cost
        return f"; objective: {self.objective.describe()} of {self.num_windows} windows{of_cost}"
