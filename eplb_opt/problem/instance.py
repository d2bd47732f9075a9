"""Instance: loads and topology, validated once; everything behind it may rely on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import InstanceError, shown
from .objective import SUM, Objective
from .pool import Floats, Ints, Pool
from .topology import Topology, positive_int
from .windows import Windows

MAX_EXACT_COUNT = 2**53


@dataclass(frozen=True, eq=False)
class Instance:
    """A placement problem: one pool a layer (global mode) or one a node (hierarchical mode).

    Parameters
    ----------
    load : array or torch tensor [layers, experts] or [windows, layers, experts]
        Routed tokens of each logical expert; any real dtype and device; finite, >= 0. Stored as read-only float64
        [windows, layers, experts].
    num_replicas : int
        Physical experts (slots) a layer, a multiple of ``num_ranks``, at least ``experts``.
    num_ranks : int
        GPUs, a divisor of ``num_replicas``. Required and, as all that follow, given by name.
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

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "num_replicas", positive_int("num_replicas", self.num_replicas)
        )
        for name, value in asdict(self.topology).items():
            object.__setattr__(self, name, value)
        object.__setattr__(self, "distinct", bool(self.distinct))
        object.__setattr__(self, "load", _as_load(self.load))
        object.__setattr__(
            self, "layer_ids", _as_layer_ids(self.layer_ids, self.num_layers)
        )
        self._check_topology()
        self._check_objective()

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
        rest = ", ".join(f"{name}={value}" for name, value in given.items())
        return f"Instance(load={list(self.load.shape)}, {rest})"

    def _check_topology(self) -> None:
        experts, replicas, ranks = self.num_experts, self.num_replicas, self.num_ranks
        if replicas < experts:
            raise InstanceError(
                f"num_replicas={replicas} for {experts} experts: every expert needs a slot, use at least {experts}"
            )
        if replicas % ranks:
            raise InstanceError(
                f"num_replicas={replicas} is not a multiple of num_ranks={ranks}: "
                f"use {_next_multiple(max(replicas, experts), ranks)}"
            )
        if experts % self.num_groups:
            raise InstanceError(
                f"{experts} experts cannot be divided into num_groups={self.num_groups} equal groups"
            )
        local_experts = experts // self.num_nodes if self.hierarchical else experts
        if self.distinct and self.ranks_per_pool * local_experts < self.slots_per_pool:
            raise InstanceError(
                f"distinct=True leaves no valid map: {local_experts} experts on {self.ranks_per_pool} ranks fill at "
                f"most {self.ranks_per_pool * local_experts} of {self.slots_per_pool} slots, use fewer replicas"
            )

    def _check_objective(self) -> None:
        if not isinstance(self.objective, Objective):
            raise InstanceError(
                f"objective is {shown(self.objective)}: give Objective(across=...)"
            )
        weights = self.objective.weights
        if weights is not None and len(weights) != self.num_windows:
            raise InstanceError(
                f"{len(weights)} weights for {self.num_windows} windows: give one a window"
            )

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
        """Slots on each rank."""
        return self.num_replicas // self.num_ranks

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
        return np.asarray(self.load.sum(axis=2) / self.num_ranks)

    @cached_property
    def mean(self) -> Floats:
        """Mean rank load of each layer, [layers], in the unit of `weight`: the same for every placement."""
        return np.asarray(self.weight.sum(axis=1) / self.num_ranks, dtype=np.float64)

    def select(self, layers: Sequence[int]) -> Instance:
        """The same problem for some of the layers, by row."""
        rows = list(layers)
        ids = tuple(self.layer_ids or ())
        return replace(
            self, load=self.load[:, rows], layer_ids=[ids[row] for row in rows]
        )

    def pool(self, layer: int, experts: Ints | None = None) -> Pool:
        """The pool of some experts of a layer on one node's ranks (all experts in global mode)."""
        loads = self.weight[layer] if experts is None else self.weight[layer, experts]
        windows = None
        # A node's windows say nothing: the heaviest rank of all nodes counts, window by window.
        if not self.objective.adds_windows and self.num_pools == 1:
            windows = Windows(
                self.normalised_layer(layer), self.shares[:, layer], self.objective
            )
        return Pool(
            loads, self.slots_per_pool, self.ranks_per_pool, self.distinct, windows
        )

    def describe(self) -> str:
        """One line for people."""
        place = f"{self.num_ranks} ranks" + (
            f" on {self.num_nodes} nodes" if self.num_nodes > 1 else ""
        )
        groups = f", {self.num_groups} groups" if self.num_groups > 1 else ""
        mode = f"{self.mode} mode" + (
            f" ({self.why_global})" if self.why_global else ""
        )
        return (
            f"{self.num_layers} layers x {self.num_experts} experts, {self.num_replicas} replicas, {place}{groups}: "
            f"{mode}, {self.slots_per_rank} slots a rank"
            + (", distinct" if self.distinct else "")
            + self._of_windows()
        )

    def _of_windows(self) -> str:
        """What `describe` says of several windows."""
        if self.objective.adds_windows and self.num_windows == 1:
            return ""
        return f"; objective: {self.objective.describe()} of {self.num_windows} windows"


def _next_multiple(value: int, of: int) -> int:
    return -(-value // of) * of


def _to_numpy(load: Any) -> npt.NDArray[Any]:
    try:
        # A torch tensor; torch itself need not be imported here.
        if hasattr(load, "detach"):
            load = load.detach().cpu().resolve_neg()
            load = load.to_dense() if load.is_sparse else load
            is_small = str(load.dtype).startswith(
                ("torch.bfloat16", "torch.float16", "torch.float8")
            )
            load = (load.float() if is_small else load).numpy()
        return np.asarray(load)
    # NotImplementedError is a RuntimeError.
    except (
        ValueError,
        TypeError,
        RuntimeError,
    ) as error:
        raise InstanceError(
            f"loads are no rectangular array of numbers ({error})"
        ) from None


def _as_load(load: Any) -> Floats:
    array = _to_numpy(load)
    if array.dtype.kind not in "biuf":
        raise InstanceError(f"loads have dtype {array.dtype}: give real numbers")
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise InstanceError(
            f"loads have shape {array.shape}: give [layers, experts] or [windows, layers, experts], none empty"
        )
    array = array if array.ndim == 3 else array[None]
    # A float128 beyond float64 becomes infinite and is refused below.
    with np.errstate(over="ignore"):
        result = np.array(array, dtype=np.float64, order="C")
    _check_values(array, result)
    result.setflags(write=False)
    return result


def _check_values(array: npt.NDArray[Any], result: Floats) -> None:
    good = (result >= 0) & (result < np.inf)
    if not good.all():
        for bad, what in (
            (np.isnan(result), "NaN"),
            (np.isinf(result), "infinite"),
            (result < 0, "negative"),
        ):
            if bad.any():
                where = np.unravel_index(int(np.argmax(bad)), bad.shape)
                raise InstanceError(
                    f"load of window {where[0]}, layer {where[1]}, expert {where[2]} is {what} "
                    f"({array[where]}): loads must be finite and >= 0"
                )
    with np.errstate(over="ignore"):
        window_sums, totals = result.sum(axis=0), result.sum(axis=(0, 2))
    if (
        array.dtype.kind in "iu"
        and max(int(array.max()), float(window_sums.max())) > MAX_EXACT_COUNT
    ):
        raise InstanceError(
            f"an integer load (windows summed) is {max(int(array.max()), int(window_sums.max()))}, beyond 2^53, "
            "and would be rounded: divide the loads or give them as floats"
        )
    if not np.isfinite(totals).all():
        raise InstanceError(
            "a layer's total load overflows float64: divide the loads by a constant"
        )


def _as_layer_ids(ids: Any, layers: int) -> tuple[int, ...]:
    if ids is None:
        return tuple(range(layers))
    result = tuple(int(i) for i in ids)
    if len(result) != layers or len(set(result)) != layers or min(result) < 0:
        more = f" and {len(result) - 8} more" if len(result) > 8 else ""
        raise InstanceError(
            f"layer_ids {list(result)[:8]}{more}: give {layers} different integers >= 0, one a layer"
        )
    return result
