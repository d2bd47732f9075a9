"""SGLang: our policy as an EPLB algorithm (entry point group ``sglang.srt.plugins``; read in SGLang 0.5.23).

Hooks around ``compute_algorithm`` and ``rebalance_experts``: ``--eplb-algorithm auto`` (the default) and ``eplb_opt``
are ours, every other algorithm stays SGLang's, as does the elastic one that SGLang sets where ranks may fail.

A call has the loads of single steps, which SGLang's recorder adds up over all ranks before each rank asks for a map: so
every rank gets the same loads in the same order. Where ranks may fail, rejoin or be added, SGLang keeps a state of
them, by which `ranks_may_join` tells it, should an algorithm of ours be asked there all the same.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ..policies import AbstractEplbPolicy
from ..problem.placement import Placement
from .options import engine_policy, read_options
from .past import Past, past_of
from .planning import plan

logger = logging.getLogger("eplb_opt.plugins.sglang")
ALGORITHMS = "sglang.srt.eplb.eplb_algorithms"
OURS = ("auto", "eplb_opt")


class EplbOptAlgorithm:
    """What ``compute_algorithm`` answers instead of SGLang's enumeration."""

    def __init__(
        self, policy: type[AbstractEplbPolicy], past: Past | None = None
    ) -> None:
        self.policy = policy
        self.past = past


def register() -> None:
    """Register the hooks; SGLang calls this once in each process and then applies them.

    Raises
    ------
    OptionError, MissingPackageError
        An option in the environment or its file is wrong, or the policy needs a package that is not installed. SGLang
        logs it and goes on with its own algorithm.
    """
    from sglang.srt.plugins.hook_registry import HookRegistry, HookType

    options = read_options()
    policy = engine_policy(options)
    if policy is None:
        logger.info("EPLB_OPT_POLICY=off: SGLang's own EPLB algorithms stay")
        return
    past = past_of(options, policy, ranks_may_join, has_dense_rows=True)
    HookRegistry.register(
        f"{ALGORITHMS}.compute_algorithm", choose(policy, past), HookType.AROUND
    )
    HookRegistry.register(f"{ALGORITHMS}.rebalance_experts", rebalance, HookType.AROUND)
    logger.info("EPLB algorithm %r is now eplb_opt's %r", "auto", options["policy"])


def choose(
    policy: type[AbstractEplbPolicy], past: Past | None = None
) -> Callable[..., Any]:
    """The hook around ``compute_algorithm``."""

    def compute_algorithm(
        original: Callable[..., Any], raw_algorithm: str, *args: Any, **kwargs: Any
    ) -> Any:
        if raw_algorithm in OURS:
            return EplbOptAlgorithm(policy, past)
        return original(raw_algorithm, *args, **kwargs)

    return compute_algorithm


def rebalance(
    original: Callable[..., Any],
    tokens_per_expert: torch.Tensor,
    num_physical_experts: int,
    num_local_physical_experts: int,
    num_groups: int | None,
    num_nodes: int,
    algorithm: Any,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The hook around ``rebalance_experts``: tokens [steps, layers, experts], whose steps are windows, or summed.

    Returns
    -------
    physical_to_logical_map, logical_to_physical_map, expert_count
        int64 tensors on the CPU, as from `eplb_opt.policies`; SGLang moves them to its device.
    """
    if not isinstance(algorithm, EplbOptAlgorithm):
        maps: tuple[torch.Tensor, torch.Tensor, torch.Tensor] = original(
            tokens_per_expert=tokens_per_expert,
            num_physical_experts=num_physical_experts,
            num_local_physical_experts=num_local_physical_experts,
            num_groups=num_groups,
            num_nodes=num_nodes,
            algorithm=algorithm,
        )
        return maps
    policy = algorithm.policy
    slots = num_physical_experts
    ranks = num_physical_experts // num_local_physical_experts
    tokens = tokens_per_expert
    phy2log = plan(
        policy,
        tokens,
        slots,
        num_groups,
        num_nodes,
        ranks,
        in_use=map_in_use,
        past=algorithm.past,
    )
    return Placement(phy2log, np.shape(tokens)[-1]).maps()


def ranks_may_join() -> bool:
    """Whether this SGLang may lose, get back or add ranks while it serves."""
    try:
        from sglang.srt.elastic_ep.elastic_ep import ElasticEPStateManager
    except ImportError:  # versions without it
        return False
    try:
        return ElasticEPStateManager.instance() is not None
    except Exception:  # kept elsewhere: nobody knows
        return True


def map_in_use() -> Any:
    """SGLang's map [layers, slots], which its call does not pass; None before there is one."""
    try:
        from sglang.srt.eplb.expert_location import get_global_expert_location_metadata

        return get_global_expert_location_metadata().physical_to_logical_map
    except Exception:  # no metadata yet, or a version that keeps it elsewhere
        return None
