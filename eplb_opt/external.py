"""Anyone's placement policy: loaded by name, called with the engines' interface, its output checked.

A policy is a class with ``rebalance_experts`` (as vLLM's and this package's) or a plain function of the same
arguments ``(weight, num_replicas, num_groups, num_nodes, num_ranks)``. It returns ``physical_to_logical_map``
[layers, replicas] alone (vLLM since 0.19) or first in a tuple (SGLang, DeepSeek, earlier vLLM).
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from .errors import OptionError, PolicyError
from .problem.instance import Instance
from .problem.placement import Placement
from .problem.pool import Ints

PolicyCall = Callable[..., Any]


def load_policy(spec: str) -> PolicyCall:
    """The policy that ``package.module:name`` names (dots in ``name`` are attributes), as a callable.

    Raises
    ------
    PolicyError
        The module cannot be imported, has no such name, or the name is no policy.
    """
    module, _, name = spec.partition(":")
    if not module or not name:
        raise PolicyError(f"policy {spec!r}: write package.module:Name")
    named: Any = _imported(module, spec)
    for part in name.split("."):
        if not hasattr(named, part):
            raise PolicyError(f"policy {spec!r}: {module} has no {name!r}")
        named = getattr(named, part)
    return as_policy(named, spec)


def _imported(module: str, spec: str) -> ModuleType:
    """The user's module, which may raise anything while it is imported."""
    try:
        return importlib.import_module(module)
    except (Exception, SystemExit) as error:
        raise PolicyError(
            f"policy {spec!r}: cannot import {module} ({type(error).__name__}: {error})"
        ) from error


def as_policy(policy: Any, name: str = "policy") -> PolicyCall:
    """A class or object with ``rebalance_experts``, or a function, as a callable.

    A class whose ``rebalance_experts`` needs an instance is instantiated without arguments.

    Raises
    ------
    PolicyError
        It is neither, or cannot be instantiated.
    """
    if hasattr(policy, "rebalance_experts"):
        if inspect.isclass(policy) and inspect.isfunction(
            inspect.getattr_static(policy, "rebalance_experts")
        ):
            try:
                policy = policy()
            except (Exception, SystemExit) as error:
                raise PolicyError(
                    f"{name}: {policy.__name__}() failed ({type(error).__name__}: {error})"
                ) from error
        policy = policy.rebalance_experts
    if not callable(policy) or inspect.isclass(policy):
        raise PolicyError(
            f"{name} is {type(policy).__name__} {getattr(policy, '__name__', '')!r}: give a function or a class with "
            "rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_ranks)"
        )
    return policy  # type: ignore[no-any-return]


def call_policy(
    policy: PolicyCall, instance: Instance, name: str = "policy"
) -> Placement:
    """Run a policy on an instance's summed loads (a float64 CPU tensor [layers, experts]) and check its map.

    Raises
    ------
    PolicyError
        The policy raised, or its output is no valid map of the instance.
    OptionError
        Ranks have not as many slots.
    """
    import torch

    arguments = engine_arguments(instance)
    try:
        output = policy(torch.from_numpy(instance.weight.copy()), *arguments)
    except (Exception, SystemExit) as error:  # a policy from outside may raise anything
        raise PolicyError(
            f"{name} failed ({type(error).__name__}: {error}); it is called as "
            "(weight, num_replicas, num_groups, num_nodes, num_ranks)"
        ) from error
    return as_placement(output, instance, name)


def engine_arguments(instance: Instance) -> tuple[int, int, int, int]:
    """The interface's arguments after the loads: replicas, groups, nodes, ranks.

    Nodes that do not divide the ranks are one node, as in the engines. Nobody tells a policy of speeds.

    Raises
    ------
    OptionError
        Ranks have not as many slots.
    """
    if instance.rank_slots is not None:
        raise OptionError(
            "rank_slots: a policy is told of as many slots on every rank, leave one of both out"
        )
    nodes = 1 if instance.num_ranks % instance.num_nodes else instance.num_nodes
    return instance.num_replicas, instance.num_groups, nodes, instance.num_ranks


def as_placement(output: Any, instance: Instance, name: str = "policy") -> Placement:
    """A policy's output as a valid placement.

    Parameters
    ----------
    output : tensor or array [layers, replicas] of integers, or a tuple that starts with it

    Raises
    ------
    PolicyError
        It is no such map, or the map is not valid for the instance.
    """
    phy2log = _as_map(output, name)
    if len(phy2log) != instance.num_layers:
        raise PolicyError(
            f"{name} returned a map of {len(phy2log)} layers for {instance.num_layers}"
        )
    placement = Placement(
        phy2log, instance.num_experts, tuple(instance.layer_ids or ())
    )
    faults = placement.violations(instance)
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise PolicyError(f"{name} returned an invalid map: {faults[0]}{more}")
    return placement


def _as_map(output: Any, name: str) -> Ints:
    """The matrix of integers that a policy returned, alone or first."""
    first = output[0] if isinstance(output, (tuple, list)) and len(output) else output
    if hasattr(first, "detach"):
        first = first.detach().cpu().numpy()
    try:
        phy2log = np.asarray(first)
    except ValueError as error:
        raise PolicyError(f"{name} returned no rectangular map ({error})") from None
    if phy2log.ndim != 2 or phy2log.size == 0 or phy2log.dtype.kind not in "iu":
        raise PolicyError(
            f"{name} returned {type(first).__name__} of shape {phy2log.shape} and dtype {phy2log.dtype}: return "
            "physical_to_logical_map, integers [layers, replicas], alone or first in a tuple"
        )
    return phy2log
