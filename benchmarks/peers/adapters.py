"""One small adapter a peer: its own call behind the standard interface.

Every adapter returns ``place(weight, num_replicas, num_groups, num_nodes, num_ranks)``, which gives the peer's map
[layers, replicas]; those of `REPLANNERS` take the map in use, too. What a peer
cannot do (hierarchical mode, say) raises `NotImplementedError` and is shown as such.
"""

from __future__ import annotations

import logging
import types
from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
import torch

from .unpacked import import_alone

Place = Callable[..., Any]
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


def ascend_swift() -> Place:
    """`SwiftBalanceEplb` on one node: few replicas move from the map in use."""
    stubs: dict[str, dict[str, Any]] = {"torch_npu": {}}
    policy = import_alone("vllm-ascend", ASCEND + "policy_swift_balancer", stubs).SwiftBalanceEplb

    def balance(table: np.ndarray, load: np.ndarray) -> Any:
        one_node = types.SimpleNamespace(device_count=lambda: table.shape[1])
        with mock.patch.object(torch, "npu", one_node, create=True):
            balancer = policy()
        return balancer.rebalance_experts(torch.from_numpy(table), torch.from_numpy(load))

    return _from_table(balance)


def ascend_flashlb() -> Place:
    """`FlashLB` with its default settings, a new object every call (it keeps a history), one window."""
    return _from_table(_flashlb())


def ascend_flashlb_kept() -> Place:
    """The same with one object for all calls, as in its engine: a layer keeps its map while that is even enough."""
    policies: list[Any] = []
    make = _flashlb_class()

    def balance(table: np.ndarray, load: np.ndarray) -> Any:
        if not policies:
            policies.append(make())
        return policies[0].rebalance_experts(table, load)

    return _from_table(balance)


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
    """The map in use and loads of slots -> the answer of a new policy."""
    make = _flashlb_class()
    return lambda table, load: make().rebalance_experts(table, load)


def _flashlb_class() -> Callable[[], Any]:
    stubs = {
        "vllm.logger": {"logger": logging.getLogger("vllm")},
        "vllm_ascend.distributed.parallel_state": {"get_dynamic_eplb_group": lambda: None},
    }
    made: Callable[[], Any] = import_alone("vllm-ascend", ASCEND + "policy_flashlb", stubs).FlashLB
    return made


def _at_start(layers: int, experts: int, replicas: int, ranks: int) -> tuple[np.ndarray, np.ndarray]:
    """The engine's map at start-up, the experts in order, over and over, [layers, ranks, slots], and the counts."""
    start = np.arange(replicas) % experts
    return np.tile(start, (layers, 1)).reshape(layers, ranks, -1), np.bincount(start, minlength=experts)


def _hierarchical(groups: int, nodes: int) -> bool:
    """The engines' rule."""
    return nodes > 1 and groups % nodes == 0


def _from_table(policy: Callable[[np.ndarray, np.ndarray], Any], *, one_extra_a_rank: bool = False) -> Place:
    """vllm-ascend's interface: the map in use and the load of every slot [layers, ranks, slots] -> new map."""

    def place(
        weight: torch.Tensor, replicas: int, groups: int, nodes: int, ranks: int, old: torch.Tensor | None = None
    ) -> Any:
        if _hierarchical(groups, nodes):
            raise NotImplementedError("no hierarchical mode")
        loads = weight.cpu().numpy()
        layers, experts = loads.shape
        if one_extra_a_rank and replicas - experts > ranks:
            raise NotImplementedError("at most one redundant expert a rank")
        table = _at_start(layers, experts, replicas, ranks)[0]
        if old is not None:
            table = old.cpu().numpy().reshape(table.shape)
        return np.asarray(policy(table, _of_slots(loads, table))[2]).reshape(layers, replicas)

    return place


def _of_slots(loads: np.ndarray, table: np.ndarray) -> np.ndarray:
    """The load of every slot of a map [layers, ranks, slots], of loads [layers, experts]."""
    slots = table.reshape(len(table), -1)
    counts = np.stack([np.bincount(row, minlength=loads.shape[1]) for row in slots])
    return np.take_along_axis(loads / counts, slots, axis=1).reshape(table.shape)
