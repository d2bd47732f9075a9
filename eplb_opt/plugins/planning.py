"""What both engines ask of a policy: a valid map for any call, their topology, and slots that stay where they are.

An exception here would kill a server. What a policy cannot answer is answered with the map in use, or with another
valid one, and said once in the log. Causes lie in the call, which is the same on every rank; so are the answers.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any, NamedTuple

import numpy as np
import torch

from ..policies import POLICIES, AbstractEplbPolicy, configure
from ..problem.instance import Instance
from ..problem.placement import Placement
from ..problem.pool import Floats
from ..problem.topology import Topology
from .history import Place
from .loads import summed
from .past import Past, planned_over
from .said import report, say_once
from .slots import Slots, keep_slots, of_width


class _Call(NamedTuple):
    """What an engine asks for, beside the loads."""

    policy: type[AbstractEplbPolicy]
    place: Place

    def greedy(self) -> _Call:
        """The same of the greedy, which needs no solver."""
        policy = configure(POLICIES["greedy"], distinct=self.policy.distinct)
        return self._replace(policy=policy)

    def map_of(self, loads: Any) -> Slots:
        """The map of the policy, which is called as the engines do."""
        topology = self.place.topology
        maps = self.policy.rebalance_experts(
            torch.as_tensor(loads),
            self.place.replicas,
            topology.num_groups,
            topology.num_nodes,
            topology.num_ranks,
        )
        return np.array(maps[0].numpy())


def plan(
    policy: type[AbstractEplbPolicy],
    weight: torch.Tensor,
    num_replicas: int,
    num_groups: int | None,
    num_nodes: int,
    num_ranks: int,
    old: Any = None,
    in_use: Callable[[], Any] | None = None,
    past: Past | None = None,
) -> Slots:
    """The map [layers, replicas] for an engine's call, the same bits on every rank that was called with the same.

    Parameters
    ----------
    weight : tensor [layers, experts] or [steps, layers, experts]
        Routed tokens of all ranks, on any device; the policy gets the sum of steps. Where they cannot be planned for
        (NaN, infinite, negative, or beyond 2^53; another shape) or the policy fails, the map in use stays, or else
        another valid one is returned.
    num_groups, num_nodes : int
        Where whole groups cannot stay on nodes (``num_groups`` is None, no multiple of ``num_nodes`` or no divisor of
        the experts, or ``num_ranks`` is no multiple of ``num_nodes``), the mode is global, as in the engines.
    old : tensor [layers, slots], optional
        The map in use, of any width, -1 for an empty slot. An expert that stays on its rank keeps its slot there.
        Layers without a routed token (all of them when an engine profiles) keep their rows if these are valid.
    in_use : callable, optional
        Returns the map in use, or None, where the engine does not pass it: it is asked only if there is no plan.
    past : Past, optional
        Takes in the loads of the call, and says for which windows to plan; by default the policy plans for the call's.

    Raises
    ------
    InstanceError
        No map is valid: fewer slots than experts, or slots that the ranks do not divide.
    """
    shape = np.shape(weight)
    experts = shape[-1] if shape else 0
    topology = _possible(num_groups, num_nodes, num_ranks, experts)
    call = _Call(policy, Place(num_replicas, topology))
    loads = None
    try:
        loads = summed(weight)
        windows = _taken_in(past, weight, call.place)
        return _planned(call, loads, windows, old)
    except Exception as error:  # nothing raises into serving
        failure = error
    before = _in_use(old, in_use, num_replicas)
    if loads is None:
        loads = _even_loads(shape, experts, len(before))
    phy2log = _any_map(call, loads, before)
    report(failure)
    return phy2log


def _even_loads(
    shape: tuple[int, ...], experts: int, layers_in_use: int
) -> torch.Tensor:
    """The same load of every expert, for as many layers as the engine asks for or has a map of."""
    layers = shape[-2] if len(shape) > 1 else max(layers_in_use, 1)
    return torch.ones((layers, experts), dtype=torch.float64)


def _possible(
    num_groups: int | None, num_nodes: int, num_ranks: int, experts: int
) -> Topology:
    """The topology of the mode that is possible; said once where it is not the one asked for."""
    groups = num_groups or 1
    nodes = num_nodes or 1
    asked = Topology(num_ranks=num_ranks, num_groups=groups, num_nodes=nodes)
    one_pool = Topology(num_ranks=num_ranks)
    if nodes == 1:
        return one_pool
    reason = asked.why_global
    if not reason and experts % groups:
        reason = f"{experts} experts cannot be divided into {groups} equal groups"
    if not reason:
        return asked
    cause = ("topology", groups, nodes, num_ranks, experts)
    text = "global mode: %s, so whole groups do not stay on nodes"
    say_once(cause, logging.WARNING, text, reason)
    return one_pool


def _taken_in(past: Past | None, weight: Any, place: Place) -> Floats | None:
    """The windows to plan for, where there are several; what goes wrong there costs them alone."""
    try:
        return None if past is None else past.windows(weight, place)
    except Exception as error:  # nothing raises into serving
        _say_no_windows(error)
        return None


def _say_no_windows(error: Exception) -> None:
    cause = ("windows", type(error))
    text = "no plan over windows, the loads of the call are planned for (%s: %s); not said again"
    say_once(cause, logging.ERROR, text, type(error).__name__, error)


def _map_of(call: _Call, loads: torch.Tensor, windows: Floats | None) -> Slots:
    """The map for the windows, or of the policy for the loads where there are none or no plan for them."""
    if windows is not None:
        try:
            return planned_over(windows, call.place, call.policy)
        except Exception as error:  # such as too many ranks
            _say_no_windows(error)
    return call.map_of(loads)


def _planned(
    call: _Call, loads: torch.Tensor, windows: Floats | None, old: Any
) -> Slots:
    """The map, with slots and idle layers kept."""
    topology = asdict(call.place.topology)
    distinct = call.policy.distinct
    instance = Instance(loads, call.place.replicas, **topology, distinct=distinct)
    is_idle = (instance.weight == 0).all(axis=1)
    if is_idle.all():  # any valid map will do, without waiting for a solver
        call = call.greedy()
        windows = None
    phy2log = _map_of(call, loads, windows)
    before = of_width(old, instance.num_replicas)
    if before.shape != phy2log.shape:
        return phy2log
    phy2log = keep_slots(phy2log, before, instance.num_ranks)
    if is_idle.any():
        resting = replace(instance, load=instance.weight[is_idle], layer_ids=None)
        if not Placement(before[is_idle], instance.num_experts).violations(resting):
            phy2log[is_idle] = before[is_idle]
    return phy2log


def _in_use(old: Any, in_use: Callable[[], Any] | None, width: int) -> Slots:
    """The map in use as far as it can be told: the engine may not know it itself."""
    try:
        if old is None and in_use is not None:
            old = in_use()
        return of_width(old, width)
    except Exception as error:  # nothing raises into serving
        report(error)
        return of_width(None, width)


def _any_map(call: _Call, loads: torch.Tensor, before: Slots) -> Slots:
    """The map in use if the engine can go on with it, wherever its groups are; else the greedy's; else any.

    Raises
    ------
    InstanceError
        No map is valid.
    """
    layers, experts = loads.shape
    replicas = call.place.replicas
    any_loads = np.ones((layers, experts))
    ranks = call.place.topology.num_ranks
    instance = Instance(any_loads, replicas, num_ranks=ranks)
    has_map = before.shape == (layers, replicas)
    if has_map and not Placement(before, experts).violations(instance):
        return before
    try:
        return call.greedy().map_of(loads)
    except Exception:
        # Such as `distinct` with more slots than different experts can fill.
        return np.tile(np.arange(replicas) % experts, (layers, 1))
