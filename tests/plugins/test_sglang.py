"""The SGLang plug-in against stand-ins for its modules; inside SGLang itself: tests/engines."""

from __future__ import annotations

import sys
from enum import Enum
from types import ModuleType, SimpleNamespace

import pytest
import torch

from eplb_opt import POLICIES, Instance, Objective, OptionError, Placement
from eplb_opt.foresight.plan import plan_windows
from eplb_opt.formats import read_loads
from eplb_opt.plugins import sglang as plugin

from ..conftest import TWO_LAYERS

STEPS = torch.tensor([TWO_LAYERS, TWO_LAYERS], dtype=torch.int32)


class HookType(Enum):
    AROUND = "around"


class Registry:
    hooks: dict

    @classmethod
    def register(cls, target, hook, hook_type):
        assert hook_type is HookType.AROUND
        cls.hooks[target.rpartition(".")[2]] = hook


@pytest.fixture
def hooks(monkeypatch):
    module = ModuleType("sglang.srt.plugins.hook_registry")
    module.HookRegistry, module.HookType, Registry.hooks = Registry, HookType, {}
    for name in ("sglang", "sglang.srt", "sglang.srt.plugins"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setenv("EPLB_OPT_POLICY", "greedy")
    return Registry.hooks


def theirs(*arguments, **named):
    return "theirs", arguments, named


@pytest.mark.parametrize("raw", ["auto", "eplb_opt"])
def test_our_algorithm_plans(raw, hooks):
    plugin.register()
    algorithm = hooks["compute_algorithm"](theirs, raw_algorithm=raw, num_groups=4, num_nodes=2)
    call = {"tokens_per_expert": STEPS, "num_physical_experts": 16, "num_local_physical_experts": 2,
            "num_groups": 4, "num_nodes": 2, "algorithm": algorithm}  # fmt: skip
    maps = hooks["rebalance_experts"](theirs, **call)
    expected = POLICIES["greedy"].rebalance_experts(STEPS.sum(dim=0), 16, 4, 2, 8)
    as_lists = hooks["rebalance_experts"](theirs, **call | {"tokens_per_expert": STEPS.tolist()})
    for got, again, want in zip(maps, as_lists, expected, strict=True):
        assert torch.equal(got, want)
        assert torch.equal(again, want)


def test_algorithms_named_by_the_user_stay(hooks):
    plugin.register()
    assert hooks["compute_algorithm"](theirs, "deepseek_vec", 4, 2) == ("theirs", ("deepseek_vec", 4, 2), {})
    result = hooks["rebalance_experts"](theirs, STEPS, 16, 2, 4, 2, algorithm="deepseek_vec")
    assert result[0] == "theirs"
    assert result[2]["algorithm"] == "deepseek_vec"
    assert result[2]["tokens_per_expert"] is STEPS


def test_off_registers_nothing(hooks, monkeypatch):
    monkeypatch.setenv("EPLB_OPT_POLICY", "off")
    plugin.register()
    assert hooks == {}
    monkeypatch.setenv("EPLB_OPT_POLICY", "magic")
    with pytest.raises(OptionError):
        plugin.register()


@pytest.mark.parametrize("known", [True, False])
def test_bad_loads_keep_the_map_in_use(known, hooks, monkeypatch):
    in_use = torch.tensor([[*range(12), 3, 2, 1, 0]] * 2)
    location = ModuleType("sglang.srt.eplb.expert_location")
    location.get_global_expert_location_metadata = lambda: (
        SimpleNamespace(physical_to_logical_map=in_use) if known else None
    )
    monkeypatch.setitem(sys.modules, "sglang.srt.eplb", ModuleType("sglang.srt.eplb"))
    monkeypatch.setitem(sys.modules, location.__name__, location)
    plugin.register()
    algorithm = hooks["compute_algorithm"](theirs, raw_algorithm="auto", num_groups=4, num_nodes=2)
    maps = hooks["rebalance_experts"](theirs, STEPS * float("nan"), 16, 2, 4, 2, algorithm=algorithm)
    assert Placement(maps[0], 12).violations(Instance(TWO_LAYERS, 16, num_ranks=8)) == []
    assert torch.equal(maps[0], in_use) == known


def test_steps_are_remembered_and_recorded(hooks, monkeypatch, tmp_path):
    monkeypatch.setenv("EPLB_OPT_POLICY", "refined")
    monkeypatch.setenv("EPLB_OPT_HISTORY", "8")  # two windows a call
    monkeypatch.setenv("EPLB_OPT_RECORD", str(tmp_path / "record"))
    plugin.register()
    with_dense = torch.zeros((4, 3, 12), dtype=torch.int32)
    with_dense[:, 1:] = torch.stack([STEPS[0], STEPS[0].flip(1), STEPS[0].flip(0), STEPS[0]])
    maps = []
    for steps in (with_dense, with_dense.flip(0)):
        algorithm = hooks["compute_algorithm"](theirs, raw_algorithm="auto", num_groups=None, num_nodes=1)
        maps.append(hooks["rebalance_experts"](theirs, steps, 16, 2, None, 1, algorithm=algorithm)[0])
    pairs = with_dense.reshape(2, 2, 3, 12).sum(dim=1)
    for found, windows in zip(maps, (pairs, torch.cat([pairs, pairs.flip(0)])), strict=True):
        instance = Instance(windows, 16, num_ranks=8, objective=Objective("mean"))
        assert found.tolist() == plan_windows(instance).phy2log.tolist()
    recorded = read_loads(tmp_path / "record")
    assert (recorded.layer_ids, recorded.hidden_layers) == ((1, 2), 3)
    assert recorded.load.tolist() == torch.cat([with_dense, with_dense.flip(0)])[:, 1:].tolist()


@pytest.mark.parametrize(("state", "expected"), [(None, False), ("of active ranks", True)])
def test_elastic_expert_parallelism_is_recognised(state, expected, monkeypatch):
    elastic = ModuleType("sglang.srt.elastic_ep.elastic_ep")
    elastic.ElasticEPStateManager = SimpleNamespace(instance=lambda: state)
    for name in ("sglang", "sglang.srt", "sglang.srt.elastic_ep"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, elastic.__name__, elastic)
    assert plugin.ranks_may_join() == expected
    elastic.ElasticEPStateManager = SimpleNamespace()
    assert plugin.ranks_may_join()
    monkeypatch.setitem(sys.modules, elastic.__name__, None)
    assert not plugin.ranks_may_join()
