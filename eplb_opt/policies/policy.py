"""What a policy is: the engines' class method, the tuple that it returns, and the topology that it warns of once."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import torch

from ..errors import TopologyWarning
from ..methods.option import Option, instance_of
from ..moves.rule import MoveRule
from ..problem.instance import Instance
from ..problem.objective import Objective
from .moving import MAX_MOVES, MIN_GAIN, MOVE_PRICE, SLACK
from .windows import ACROSS_OPTION, LEVEL, WINDOWS, newest

Maps = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
Topology = tuple[int, int, int]  # groups, nodes, ranks

DISTINCT = Option(
    "distinct",
    False,
    instance_of(bool),
    "a bool",
    "forbid two replicas of one expert on one rank",
)
# What each policy has said.
_warned: WeakKeyDictionary[type, set[Topology]] = WeakKeyDictionary()


class AbstractEplbPolicy(ABC):
    """A placement policy as the engines call it.

    Options are class attributes; `configure` returns a subclass with other values.

    Attributes
    ----------
    distinct : bool
        Forbid two replicas of one expert on one rank.
    across : str
        What several windows of loads are planned for, as `Objective` says: ``"sum"`` (the default), ``"mean"``,
        ``"cvar"`` or ``"max"``.
    level : float
        Of ``"cvar"``.
    history : int or None
        Of the windows that are passed, the newest so many are planned for; None: all. A policy itself remembers
        nothing: the plug-ins do.
    max_moves : int, float or None
        Replicas of a layer that may move from the map in use, or (a float below 1) their share of its slots. Here and
        below: of policies of this package, called with a map in use; ranks are always renamed so that few move.
    slack : float or None
        As few replicas move as found that leave the objective at most so much above what is found without a map in use.
    move_price : float or None
        Instead of ``slack``: what a replica that moves costs, in units of the mean rank load.
    min_gain : float
        A layer keeps its map, bit for bit, unless its objective falls by at least this part of it.

    Examples
    --------
    A policy of one's own needs one method; ``eplb-opt gap --policy my_module:RoundRobin`` then judges it.

    >>> import torch
    >>> from eplb_opt import AbstractEplbPolicy, Placement
    >>> class RoundRobin(AbstractEplbPolicy):
    ...     @classmethod
    ...     def rebalance_experts(cls, weight, num_replicas, num_groups, num_nodes, num_ranks, old=None):
    ...         layers, experts = weight.shape
    ...         return Placement((torch.arange(num_replicas) % experts).repeat(layers, 1), experts).maps()
    >>> RoundRobin.rebalance_experts(torch.ones(1, 4), 6, 1, 1, 2)[0]
    tensor([[0, 1, 2, 3, 0, 1]])
    """

    distinct: ClassVar[bool] = DISTINCT.default
    across: ClassVar[str] = ACROSS_OPTION.default
    level: ClassVar[float] = LEVEL.default
    history: ClassVar[int | None] = WINDOWS.default
    max_moves: ClassVar[int | float | None] = MAX_MOVES.default
    slack: ClassVar[float | None] = SLACK.default
    move_price: ClassVar[float | None] = MOVE_PRICE.default
    min_gain: ClassVar[float] = MIN_GAIN.default

    @classmethod
    @abstractmethod
    def rebalance_experts(
        cls,
        weight: torch.Tensor,
        num_replicas: int,
        num_groups: int,
        num_nodes: int,
        num_ranks: int,
        old_global_expert_indices: torch.Tensor | None = None,
    ) -> Maps:
        """Place the experts of every layer.

        Parameters
        ----------
        weight : tensor [layers, experts] or [windows, layers, experts]
            Routed tokens of each logical expert; any real dtype and device. Windows, the oldest first, are planned for
            as ``across`` says: by default they are summed.
        num_replicas, num_groups, num_nodes, num_ranks : int
            See `Instance`. Where whole groups cannot stay on nodes, the mode is global, as in the engines.
        old_global_expert_indices : tensor [layers, slots], optional
            The map in use. Of any width, -1 for an empty slot. Ranks and slots are named so that few replicas move.

        Returns
        -------
        physical_to_logical_map : int64 tensor [layers, num_replicas]
        logical_to_physical_map : int64 tensor [layers, experts, X], padded with -1
        expert_count : int64 tensor [layers, experts]
            All on the device of ``weight``.

        Raises
        ------
        InstanceError
            The loads are not valid, no map has so many slots, ``num_groups`` does not divide the experts, or
            ``old_global_expert_indices`` is no map of these layers.

        Warns
        -----
        TopologyWarning
            Groups or ranks cannot be shared out among the nodes; once a policy and topology.
        """

    @classmethod
    def move_rule(cls) -> MoveRule:
        """How much may change from the map in use to the next one."""
        slack = cls.slack if cls.move_price is None else None
        return MoveRule(cls.max_moves, slack, cls.move_price, cls.min_gain)

    @classmethod
    def _instance(
        cls,
        weight: torch.Tensor,
        num_replicas: int,
        num_groups: int,
        num_nodes: int,
        num_ranks: int,
    ) -> Instance:
        instance = Instance(
            newest(weight, cls.history),
            num_replicas,
            num_groups=num_groups,
            num_nodes=num_nodes,
            num_ranks=num_ranks,
            distinct=cls.distinct,
            objective=Objective(cls.across, level=cls.level),
        )
        if instance.why_global:
            cls._warn_once(instance)
        return instance

    @classmethod
    def _warn_once(cls, instance: Instance) -> None:
        warned = _warned.setdefault(cls, set())
        topology = (instance.num_groups, instance.num_nodes, instance.num_ranks)
        if topology not in warned:
            text = f"global mode: {instance.why_global}, so whole groups do not stay on nodes"
            warnings.warn(text, TopologyWarning, stacklevel=4)
            warned.add(topology)


def on_device(maps: Maps, weight: Any) -> Maps:
    """The maps where the loads are; loads that are no tensor are on the CPU."""
    device = getattr(weight, "device", "cpu")
    phy2log, log2phy, count = maps
    return phy2log.to(device), log2phy.to(device), count.to(device)
