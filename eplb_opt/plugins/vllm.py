"""vLLM: our policy behind the name ``default`` (entry point group ``vllm.general_plugins``; read in vLLM 0.33.0).

That name is the only one with which vLLM rearranges experts asynchronously. vLLM >= 0.19 takes the map alone, 0.13 to
0.18 the tuple of three: what is returned follows the annotation of the policy that is replaced.

A call has the loads of one stretch of steps, which vLLM adds up over all ranks of expert parallelism before it asks the
policy, each rank by itself: so every rank gets the same loads in the same order, also in the asynchronous worker, and a
model and its drafter take turns on all ranks alike. Only with elastic expert parallelism do ranks join that have seen
less; `ranks_may_join` tells it by the kind of group that vLLM makes then.
"""

from __future__ import annotations

import inspect
import logging
from typing import Any

import numpy as np
import torch

from ..errors import InstanceError
from ..policies import AbstractEplbPolicy
from ..problem.placement import Placement
from .options import engine_policy, read_options
from .past import Past, past_of
from .planning import plan

logger = logging.getLogger("eplb_opt.plugins.vllm")
NAME = "default"


def register() -> None:
    """Replace vLLM's default policy; called by vLLM in each of its processes, any number of times.

    Raises
    ------
    OptionError, MissingPackageError
        An option in the environment or its file is wrong, or the policy needs a package that is not installed: vLLM
        does not start.
    """
    policies = _policies()
    if policies is None:
        return
    options = read_options()
    policy = engine_policy(options)
    if policy is None:
        logger.info("EPLB_OPT_POLICY=off: vLLM's own EPLB policy stays")
        return
    base = policies[NAME]
    call = inspect.signature(getattr(base, "rebalance_experts", register))
    if "num_replicas" not in call.parameters:
        logger.warning(
            "this vLLM calls its EPLB policies in a way that eplb_opt does not know: its own policy stays"
        )
        return
    if not getattr(base, "eplb_opt_policy", None):
        past = past_of(options, policy, ranks_may_join, has_dense_rows=False)
        policies[NAME] = make_policy(base, policy, past)
        logger.info("EPLB policy %r is now eplb_opt's %r", NAME, options["policy"])


def _policies() -> dict[str, type[Any]] | None:
    """VLLM's policies by name; None: it has none."""
    try:
        from vllm.distributed.eplb.policy import EPLB_POLICIES
    except ImportError as error:
        logger.warning(
            "this vLLM has no EPLB policies to replace (needs 0.13 or newer): %s", error
        )
        return None
    return EPLB_POLICIES  # type: ignore[no-any-return]


def ranks_may_join() -> bool:
    """Whether this vLLM may add ranks while it serves."""
    try:
        from vllm.distributed.stateless_coordinator import StatelessGroupCoordinator
    # Versions before it resize by another number of ranks, which the history sees.
    except ImportError:
        return False
    try:
        from vllm.distributed.parallel_state import get_ep_group

        return isinstance(get_ep_group(), StatelessGroupCoordinator)
    except AssertionError:  # no group, so there are no ranks that others could join
        return False
    except Exception:  # kept elsewhere: nobody knows
        return True


def make_policy(
    base: type[Any], policy: type[AbstractEplbPolicy], past: Past | None = None
) -> type[Any]:
    """A subclass of vLLM's policy that plans with ours."""
    body = {
        "eplb_opt_policy": policy,
        "eplb_opt_past": past,
        "eplb_opt_returns_three": _returns_three(base),
        "rebalance_experts": classmethod(rebalance_experts),
        "__module__": __name__,
    }
    return type("EplbOptPolicy", (base,), body)


def rebalance_experts(
    cls: type[Any],
    weight: torch.Tensor,
    num_replicas: int,
    num_groups: int,
    num_nodes: int,
    num_ranks: int,
    old_global_expert_indices: torch.Tensor | None = None,
) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Place the experts with eplb_opt (see `eplb_opt.plugins.planning.plan`)."""
    policy = cls.eplb_opt_policy
    old = old_global_expert_indices
    try:
        phy2log = plan(
            policy,
            weight,
            num_replicas,
            num_groups,
            num_nodes,
            num_ranks,
            old,
            past=cls.eplb_opt_past,
        )
    except InstanceError as error:
        # No map is valid: what vLLM raises then, and its callers expect.
        raise AssertionError(str(error)) from error
    if cls.eplb_opt_returns_three:
        return Placement(phy2log, np.shape(weight)[-1]).maps()
    return torch.from_numpy(phy2log)


def _returns_three(base: type[Any]) -> bool:
    """Whether vLLM's policy returns the tuple of three maps, as its annotation says."""
    returned = inspect.signature(base.rebalance_experts).return_annotation
    return "tuple" in str(returned).lower()
