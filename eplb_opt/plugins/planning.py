"""What both engines ask of a policy: a valid map for any call, their topology, and slots that stay where they are.

An exception here would kill a server. What a policy cannot answer is answered with the map in use, or with another
valid one, and said once in the log. Causes lie in the call, which is the same on every rank; so are the answers.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
import torch

from ..policies import POLICIES, AbstractEplbPolicy, configure
from ..problem.instance import Instance
from ..problem.placement import Placement
from ..problem.pool import Ints
from ..problem.topology import Topology
from .history import Place
from .in_use import map_in_use
from .loads import summed
from .past import Past, planned_over
from .said import report, say_once
from .telling import tell_failure, tell_plan


class _Call(NamedTuple):
    """What an engine asks for, beside the loads."""

    policy: type[AbstractEplbPolicy]
    place: Place

    def greedy(self) -> _Call:
        """The same of the greedy, which needs no solver."""
        policy = configure(POLICIES["greedy"], distinct=self.policy.distinct)
        return self._replace(policy=policy)

    def instance(self, loads: Any) -> Instance:
        """What the policy plans for, of these loads."""
        topology = asdict(self.place.topology)
        distinct = self.policy.distinct
        return Instance(loads, self.place.replicas, **topology, distinct=distinct)

    def map_of(self, loads: Any, old: Ints | None = None) -> Ints:
        """The map of the policy, which is called as the engines do."""
        topology = self.place.topology
        maps = self.policy.rebalance_experts(
            torch.as_tensor(loads),
            self.place.replicas,
            topology.num_groups,
            topology.num_nodes,
            topology.num_ranks,
            None if old is None else torch.from_numpy(old),
        )
        return np.array(maps[0].numpy())


class _Plan(NamedTuple):
    """A map [layers, replicas], and what it was planned for; None where there was nothing to plan for."""

    phy2log: Ints
    instance: Instance | None


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
) -> Ints:
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
        The map in use, of any width, -1 for an empty slot. Few replicas move from it, as the policy says, and an
        expert that stays on its rank keeps its slot there. Layers without a routed token (all of them when an engine
        profiles) keep their rows if these are valid.
    in_use : callable, optional
        Returns the map in use, or None, where the engine does not pass it.
    past : Past, optional
        Takes in the loads of the call, and says for which windows to plan; by default the policy plans for the call's.
        What is told of the call goes into its log, too.

    Raises
    ------
    InstanceError
        No map is valid: fewer slots than experts, or slots that the ranks do not divide.
    """
    started = time.perf_counter()
    shape = np.shape(weight)
    experts = shape[-1] if shape else 0
    topology = _possible(num_groups, num_nodes, num_ranks, experts)
    call = _Call(policy, Place(num_replicas, topology))
    call_log = None if past is None else past.call_log
    loads = None
    before = None
    try:
        loads = summed(weight)
        before = map_in_use(old, in_use, len(loads))
        windows = _taken_in(past, weight, call)
        planned = _planned(call, loads, windows, before)
    except Exception as error:  # nothing raises into serving
        failure = error
    else:
        seconds = time.perf_counter() - started
        if planned.instance is not None:
            tell_plan(
                planned.instance, planned.phy2log, before, policy, seconds, call_log
            )
        return planned.phy2log
    if loads is None:
        before = map_in_use(old, in_use)
        loads = _even_loads(shape, experts, 0 if before is None else len(before))
    phy2log = _any_map(call, loads, before)
    report(failure)
    tell_failure(failure, policy, call_log)
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


def _taken_in(past: Past | None, weight: Any, call: _Call) -> Instance | None:
    """The windows to plan for, where there are several; what goes wrong there costs them alone."""
    if past is None:
        return None
    try:
        windows = past.windows(weight, call.place)
        if windows is None:
            return None
        return past.instance(windows, call.place, call.policy)
    except Exception as error:  # nothing raises into serving
        _say_no_windows(error)
        return None


def _say_no_windows(error: Exception) -> None:
    cause = ("windows", type(error))
    text = "no plan over windows, the loads of the call are planned for (%s: %s); not said again"
    say_once(cause, logging.ERROR, text, type(error).__name__, error)


def _planned(
    call: _Call, loads: torch.Tensor, windows: Instance | None, old: Ints | None
) -> _Plan:
    """The map of the policy; where no layer has a token, any valid map will do, without waiting for a solver."""
    if not loads.any():
        return _Plan(call.greedy().map_of(loads, old), None)
    if windows is not None:
        try:
            phy2log = planned_over(windows, call.policy, old)
            return _Plan(_idle_kept(windows, phy2log, loads, old), windows)
        except Exception as error:  # such as too many ranks
            _say_no_windows(error)
    phy2log = call.map_of(loads, old)
    return _Plan(phy2log, call.instance(loads))


def _idle_kept(
    instance: Instance, phy2log: Ints, loads: torch.Tensor, old: Ints | None
) -> Ints:
    """The map, with the rows in use of layers without a token in this call, where these are valid."""
    is_idle = ~loads.any(dim=1).numpy()
    if old is None or old.shape != phy2log.shape or not is_idle.any():
        return phy2log
    kept = phy2log.copy()
    kept[is_idle] = old[is_idle]
    is_valid = not Placement(kept, instance.num_experts).violations(instance)
    return kept if is_valid else phy2log


def _any_map(call: _Call, loads: torch.Tensor, before: Ints | None) -> Ints:
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
    if before is not None and not Placement(before, experts).violations(instance):
        return before
    try:
        return call.greedy().map_of(loads)
    except Exception:
        # Such as `distinct` with more slots than different experts can fill.
        return np.tile(np.arange(replicas) % experts, (layers, 1))
