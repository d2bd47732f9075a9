"""One small adapter a peer: its own call behind the standard interface.

Every adapter returns ``place(weight, num_replicas, num_groups, num_nodes, num_ranks)``, which gives the peer's map
[layers, replicas]. What a peer cannot do (hierarchical mode, say) raises `NotImplementedError` and is shown as such.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from .unpacked import import_alone

Place = Callable[[torch.Tensor, int, int, int, int], Any]
SGLANG = "sglang.srt.eplb.eplb_algorithms."
ASCEND = "vllm_ascend.eplb.core.policy."


def vllm() -> Place:
    """`DefaultEplbPolicy`: numpy, on the CPU; it chooses the mode itself."""
    return import_alone("vllm", "vllm.distributed.eplb.policy.default").DefaultEplbPolicy.rebalance_experts


def sglang_deepseek() -> Place:
    """``--eplb-algorithm deepseek`` and ``deepseek_hierarchical``; "auto" chooses between them by the same rule."""
    module = import_alone("sglang", SGLANG + "deepseek")

    def place(weight: torch.Tensor, replicas: int, groups: int, nodes: int, ranks: int) -> Any:
        return module.rebalance_experts(weight, replicas, groups, nodes, ranks, _hierarchical(groups, nodes))

    return place


def sglang_vec() -> Place:
    """``deepseek_vec`` and ``deepseek_vec_hierarchical``: loads [steps, layers, experts], here one step."""
    module = import_alone("sglang", SGLANG + "deepseek_vec")

    def place(weight: torch.Tensor, replicas: int, groups: int, nodes: int, ranks: int) -> Any:
        return module.rebalance_experts(
            weight[None], replicas, replicas // ranks, groups, nodes, _hierarchical(groups, nodes)
        )

    return place


def sglang_elastic() -> Place:
    """``elasticity_aware`` with every rank active."""
    module = import_alone("sglang", SGLANG + "elasticity_aware")

    def place(weight: torch.Tensor, replicas: int, groups: int, nodes: int, ranks: int) -> Any:
        active = torch.ones(ranks, dtype=torch.int64)
        return module.rebalance_experts(weight, replicas, groups, nodes, ranks, _hierarchical(groups, nodes), active)

    return place


def lmdeploy() -> Place:
    """The torch engine's balancer; its environment settings are not read here."""
    names = ("eplb_experts_statistic_file", "eplb_num_groups", "eplb_num_redundant_experts", "eplb_ranks_per_node")
    stubs = {"lmdeploy.pytorch.envs": dict.fromkeys(names)}
    return import_alone("lmdeploy", "lmdeploy.pytorch.nn.eplb", stubs).rebalance_experts


def ascend_default() -> Place:
    """`DefaultEplb`: at most one redundant expert a rank, global mode."""
    policy = import_alone("vllm-ascend", ASCEND + "policy_default_eplb").DefaultEplb()
    return _from_table(lambda table, load: policy.rebalance_experts(table, load), one_extra_a_rank=True)


def ascend_flashlb() -> Place:
    """`FlashLB` with its default settings, a new object every call (it keeps a history), one window."""
    return _from_table(_flashlb())


def ascend_flashlb_windows() -> Callable[[np.ndarray, int, int], np.ndarray]:
    """The same with several windows [windows, layers, experts] in one call, as its recorder hands them over."""
    policy = _flashlb()

    def place(loads: np.ndarray, replicas: int, ranks: int) -> np.ndarray:
        table, counts = _at_start(loads.shape[1], loads.shape[2], replicas, ranks)
        start = table[0].ravel()
        slots = (loads / counts)[:, :, start].reshape(len(loads), *table.shape)
        return np.asarray(policy(table, slots)[2]).reshape(loads.shape[1], replicas)

    return place


def _flashlb() -> Callable[[np.ndarray, np.ndarray], Any]:
    """The map in use and loads of slots -> the policy's answer."""
    stubs = {
        "vllm.logger": {"logger": logging.getLogger("vllm")},
        "vllm_ascend.distributed.parallel_state": {"get_dynamic_eplb_group": lambda: None},
    }
    module = import_alone("vllm-ascend", ASCEND + "policy_flashlb", stubs)
    return lambda table, load: module.FlashLB().rebalance_experts(table, load)


def _at_start(layers: int, experts: int, replicas: int, ranks: int) -> tuple[np.ndarray, np.ndarray]:
    """The engine's map at start-up, the experts in order, over and over, [layers, ranks, slots], and the counts."""
    start = np.arange(replicas) % experts
    return np.tile(start, (layers, 1)).reshape(layers, ranks, -1), np.bincount(start, minlength=experts)


def _hierarchical(groups: int, nodes: int) -> bool:
    """The engines' rule."""
    return nodes > 1 and groups % nodes == 0


def _from_table(policy: Callable[[np.ndarray, np.ndarray], Any], *, one_extra_a_rank: bool = False) -> Place:
    """vllm-ascend's interface: the map in use and the load of every slot [layers, ranks, slots] -> new map."""

    def place(weight: torch.Tensor, replicas: int, groups: int, nodes: int, ranks: int) -> Any:
        if _hierarchical(groups, nodes):
            raise NotImplementedError("no hierarchical mode")
        loads = weight.cpu().numpy()
        layers, experts = loads.shape
        if one_extra_a_rank and replicas - experts > ranks:
            raise NotImplementedError("at most one redundant expert a rank")
        table, counts = _at_start(layers, experts, replicas, ranks)
        slots = (loads / counts)[:, table[0].ravel()].reshape(table.shape)
        return np.asarray(policy(table, slots)[2]).reshape(layers, replicas)

    return place
