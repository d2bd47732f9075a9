"""The vLLM plug-in against stand-ins for its modules; inside vLLM itself: tests/engines."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
import torch

from eplb_opt import POLICIES, Instance, MissingPackageError, Objective, OptionError, Placement
from eplb_opt.foresight.plan import plan_windows
from eplb_opt.formats import read_loads
from eplb_opt.plugins import vllm as plugin

from ..conftest import TWO_LAYERS

WEIGHT = torch.tensor(TWO_LAYERS)


class Alone:
    @classmethod
    def rebalance_experts(cls, weight, num_replicas, num_groups, num_nodes, num_ranks, old=None) -> torch.Tensor:
        raise NotImplementedError


class Three:
    @classmethod
    def rebalance_experts(
        cls, weight, num_replicas, num_groups, num_nodes, num_ranks, old=None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        raise NotImplementedError


@pytest.fixture
def registry(monkeypatch):
    module = ModuleType("vllm.distributed.eplb.policy")
    module.EPLB_POLICIES = {"default": Alone}
    for name in ("vllm", "vllm.distributed", "vllm.distributed.eplb"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setenv("EPLB_OPT_POLICY", "greedy")
    return module.EPLB_POLICIES


def test_the_default_policy_is_replaced_once(registry):
    plugin.register()
    first = registry["default"]
    plugin.register()
    assert registry == {"default": first}
    assert issubclass(first, Alone)
    phy2log = first.rebalance_experts(WEIGHT, 16, 4, 2, 8)
    assert isinstance(phy2log, torch.Tensor)
    assert (phy2log.dtype, phy2log.device) == (torch.int64, torch.device("cpu"))
    assert Placement(phy2log, 12).violations(Instance(TWO_LAYERS, 16, num_groups=4, num_nodes=2, num_ranks=8)) == []
    assert torch.equal(phy2log, POLICIES["greedy"].rebalance_experts(WEIGHT, 16, 4, 2, 8)[0])


def test_off_leaves_it(registry, monkeypatch):
    monkeypatch.setenv("EPLB_OPT_POLICY", "off")
    plugin.register()
    assert registry == {"default": Alone}


def test_a_wrong_option_stops_the_engine(registry, monkeypatch):
    monkeypatch.setenv("EPLB_OPT_POLICY", "magic")
    with pytest.raises(OptionError, match="magic"):
        plugin.register()


def test_without_policies_in_vllm_nothing_happens(registry, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "vllm.distributed.eplb.policy", None)
    plugin.register()
    assert "needs 0.13 or newer" in caplog.text


def test_a_policy_called_in_another_way_stays(registry, caplog):
    class Later:
        def plan_rebalance(self, context, policy_state):
            raise NotImplementedError

    registry["default"] = Later
    plugin.register()
    assert registry == {"default": Later}
    assert "its own policy stays" in caplog.text


def test_older_versions_get_three_maps():
    policy = plugin.make_policy(Three, POLICIES["greedy"])
    maps = policy.rebalance_experts(WEIGHT, 16, 4, 2, 8, torch.full((2, 16), -1))
    expected = POLICIES["greedy"].rebalance_experts(WEIGHT, 16, 4, 2, 8)
    for got, want in zip(maps, expected, strict=True):
        assert torch.equal(got, want)


def test_loads_may_be_nested_lists():
    policy = plugin.make_policy(Three, POLICIES["greedy"])
    maps = policy.rebalance_experts(WEIGHT.tolist(), 16, 4, 2, 8)
    for got, want in zip(maps, policy.rebalance_experts(WEIGHT, 16, 4, 2, 8), strict=True):
        assert torch.equal(got, want)


@pytest.mark.parametrize("arguments", [(WEIGHT, 15, 1, 1, 8), (WEIGHT, 8, 1, 1, 8)])
def test_where_no_map_is_valid_the_error_is_vllms(arguments):
    with pytest.raises(AssertionError, match="num_replicas"):
        plugin.make_policy(Alone, POLICIES["greedy"]).rebalance_experts(*arguments)


@pytest.mark.parametrize("loads", [-WEIGHT, WEIGHT * float("nan"), WEIGHT.to(torch.int64) << 54])
def test_bad_loads_keep_the_map_in_use(loads):
    policy = plugin.make_policy(Alone, POLICIES["greedy"])
    old = torch.tensor([[*range(12), 0, 1, 2, 3]] * 2)
    assert torch.equal(policy.rebalance_experts(loads, 16, 4, 2, 8, old), old)
    phy2log = policy.rebalance_experts(loads, 16, 4, 2, 8)
    assert Placement(phy2log, 12).violations(Instance(TWO_LAYERS, 16, num_groups=4, num_nodes=2, num_ranks=8)) == []


def test_a_package_that_is_missing_is_found_at_registration(registry, monkeypatch):
    monkeypatch.setenv("EPLB_OPT_POLICY", "optimal")
    monkeypatch.setitem(sys.modules, "highspy", None)
    with pytest.raises(MissingPackageError, match="EPLB_OPT_POLICY=optimal needs the package highspy"):
        plugin.register()
    assert registry == {"default": Alone}


def test_calls_are_remembered_and_recorded(registry, monkeypatch, tmp_path):
    monkeypatch.setenv("EPLB_OPT_POLICY", "refined")
    monkeypatch.setenv("EPLB_OPT_HISTORY", "2")
    monkeypatch.setenv("EPLB_OPT_RECORD", str(tmp_path / "record"))
    plugin.register()
    calls = [WEIGHT, WEIGHT.flip(1), WEIGHT.flip(0)]
    maps = [registry["default"].rebalance_experts(load, 16, 1, 1, 8) for load in calls]
    instance = Instance(torch.stack(calls[1:]), 16, num_ranks=8, objective=Objective("mean"))
    assert maps[2].tolist() == plan_windows(instance).phy2log.tolist()
    recorded = read_loads(tmp_path / "record")
    assert recorded.load.tolist() == [load.tolist() for load in calls]
    assert recorded.hidden_layers is None


@pytest.fixture
def groups(monkeypatch):
    """VLLM's modules of groups, with an ordinary group and one of elastic expert parallelism."""

    class Ordinary:
        pass

    class Stateless(Ordinary):
        pass

    state = ModuleType("vllm.distributed.parallel_state")
    coordinator = ModuleType("vllm.distributed.stateless_coordinator")
    coordinator.StatelessGroupCoordinator = Stateless
    for name in ("vllm", "vllm.distributed"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    for module in (state, coordinator):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    state.made = {"ordinary": Ordinary(), "elastic": Stateless()}
    return state


@pytest.mark.parametrize(("kind", "expected"), [("ordinary", False), ("elastic", True), ("not known", True)])
def test_elastic_expert_parallelism_is_recognised(kind, expected, groups):
    groups.get_ep_group = lambda: groups.made[kind]
    assert plugin.ranks_may_join() == expected


def test_without_a_group_no_rank_joins(groups):
    def get_ep_group():
        raise AssertionError("expert parallel group is not initialized")

    groups.get_ep_group = get_ep_group
    assert not plugin.ranks_may_join()


def test_versions_without_groups_that_grow_are_recognised(groups, monkeypatch):
    monkeypatch.setitem(sys.modules, "vllm.distributed.stateless_coordinator", None)
    assert not plugin.ranks_may_join()
