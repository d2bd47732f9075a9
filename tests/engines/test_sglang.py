"""Inside SGLang 0.5.23: its registry, algorithms, loader and recorder.

Stand-ins: torchvision, which SGLang imports on the way and which has no build for this torch on a CPU; and the resolved
server arguments (`get_exec`, `get_parallel`, `get_device`, `get_schedule`), which exist only in a running server.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import pytest
import torch
import torch.distributed as dist
from transformers import AutoImageProcessor, AutoProcessor  # noqa: F401  (before the stand-in: it asks for torchvision)

from eplb_opt import POLICIES, Instance, Objective, Placement
from eplb_opt.foresight.plan import plan_windows
from eplb_opt.formats import read_loads, read_map
from eplb_opt.plugins import sglang as plugin
from eplb_opt.plugins.sglang import EplbOptAlgorithm

from .common import EXPERTS, HIDDEN, MOE, NAMES, RANKS, REPLICAS, recording, solve

TORCHVISION = (
    "",
    ".io",
    ".ops",
    ".transforms",
    ".transforms.functional",
    ".transforms.v2",
    ".transforms.v2.functional",
)
for part in TORCHVISION:
    module = MagicMock()
    module.__spec__, module.__path__ = ModuleSpec("torchvision" + part, None), []
    sys.modules["torchvision" + part] = module

from sglang.srt.elastic_ep.elastic_ep import ElasticEPStateManager  # noqa: E402
from sglang.srt.eplb import eplb_algorithms, expert_distribution, expert_location  # noqa: E402
from sglang.srt.eplb.eplb_simulator import reader  # noqa: E402
from sglang.srt.plugins import hook_registry  # noqa: E402

MODEL = SimpleNamespace(num_layers=HIDDEN, num_logical_experts=EXPERTS, num_groups=None)


@pytest.fixture
def group():
    store = dist.HashStore()
    dist.init_process_group("gloo", rank=0, world_size=1, store=store)
    yield
    dist.destroy_process_group()


@pytest.fixture
def server(group, monkeypatch):
    """The arguments of a server with EXPERTS experts on RANKS ranks."""
    moe = SimpleNamespace(
        ep_num_redundant_experts=REPLICAS - EXPERTS, moe_a2a_backend="none", ep_dispatch_algorithm="static",
        ep_join_mode=None, eplb_algorithm="auto", init_expert_location="trivial",
        expert_distribution_recorder_mode="stat", expert_distribution_recorder_buffer_size=4,
    )  # fmt: skip
    parallel = SimpleNamespace(ep_size=RANKS, nnodes=1, elastic_ep_initial_size=None)
    device = SimpleNamespace(device="cpu")
    for module in (expert_location, expert_distribution):
        for name, answer in (
            ("get_exec", SimpleNamespace(moe=moe)),
            ("get_parallel", parallel),
            ("get_device_namespace", device),
            ("get_device", device if module is expert_location else "cpu"),
            ("get_schedule", SimpleNamespace(chunked_prefill_size=4)),
            ("reports_expert_balancedness", False),
        ):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, lambda answer=answer: answer)
    monkeypatch.setattr(
        expert_location.ModelConfigForExpertLocation, "from_model_config", staticmethod(lambda _: MODEL)
    )
    return moe


@pytest.fixture(params=NAMES)
def hooked(request, monkeypatch, tmp_path):
    """SGLang after `load_plugins`, which finds eplb_opt by its entry point and applies its hooks."""
    import sglang.srt.plugins as plugins

    monkeypatch.setenv("EPLB_OPT_POLICY", request.param)
    monkeypatch.setenv("EPLB_OPT_RECORD", str(tmp_path / "record"))
    monkeypatch.setenv("SGLANG_PLUGINS", "eplb_opt")
    monkeypatch.setattr(plugins, "_plugins_loaded", False)
    originals = eplb_algorithms.compute_algorithm, eplb_algorithms.rebalance_experts
    hook_registry.HookRegistry.reset()
    plugins.load_plugins()
    yield request.param
    hook_registry.HookRegistry.reset()
    eplb_algorithms.compute_algorithm, eplb_algorithms.rebalance_experts = originals


def test_the_registry_applies_our_hooks(hooked):
    assert hook_registry.HookRegistry._patched == {
        "sglang.srt.eplb.eplb_algorithms.compute_algorithm", "sglang.srt.eplb.eplb_algorithms.rebalance_experts",
    }  # fmt: skip
    algorithm = eplb_algorithms.compute_algorithm(raw_algorithm="auto", num_groups=None, num_nodes=1)
    assert isinstance(algorithm, EplbOptAlgorithm)
    assert issubclass(algorithm.policy, POLICIES[hooked])


@pytest.mark.parametrize("raw", ["deepseek", "deepseek_hierarchical", "deepseek_vec", "elasticity_aware"])
def test_sglangs_algorithms_stay_what_they_were(raw, hooked):
    tokens = torch.randint(1, 1000, (1, 3, 8), generator=torch.Generator().manual_seed(1))
    call = {"tokens_per_expert": tokens, "num_physical_experts": 12, "num_local_physical_experts": 3,
            "num_groups": 4, "num_nodes": 2}  # fmt: skip
    algorithm = eplb_algorithms.compute_algorithm(raw_algorithm=raw, num_groups=4, num_nodes=2)
    assert algorithm is eplb_algorithms.EplbAlgorithm[raw]
    if raw == "elasticity_aware":
        return  # its state needs process groups
    theirs = eplb_algorithms.rebalance_experts.__wrapped__(**call, algorithm=algorithm)
    for got, want in zip(eplb_algorithms.rebalance_experts(**call, algorithm=algorithm), theirs, strict=True):
        assert torch.equal(got, want)


@pytest.mark.parametrize("groups", [None, 4])
def test_sglang_plans_its_layout_with_our_policy(groups, hooked, server, monkeypatch, tmp_path):
    monkeypatch.setattr(MODEL, "num_groups", groups)
    counts = recording(tmp_path / "dump.pt")
    found = expert_location.ExpertLocationMetadata.init_by_eplb("model", counts)
    policy = eplb_algorithms.compute_algorithm("auto", groups, 1).policy
    if hooked == "refined":  # it plans over the two steps
        expected = torch.from_numpy(over(counts))
    else:
        expected = policy.rebalance_experts(counts.sum(dim=0), REPLICAS, 1, 1, RANKS)[0]
    assert torch.equal(found.physical_to_logical_map[list(MOE)], expected[list(MOE)])
    assert found.logical_to_all_physical_map_num_valid.sum(dim=1).tolist() == [REPLICAS] * HIDDEN
    instance = Instance(
        counts, REPLICAS, num_ranks=RANKS, objective=Objective("mean" if hooked == "refined" else "sum")
    )
    ours = Placement(found.physical_to_logical_map.numpy(), EXPERTS).objective(instance)
    trivial = expert_location.ExpertLocationMetadata.init_trivial("model", 0).physical_to_logical_map
    assert (ours <= Placement(trivial.numpy(), EXPERTS).objective(instance)).all()


def over(windows):
    """The map that is planned over windows."""
    instance = Instance(windows, REPLICAS, num_ranks=RANKS, objective=Objective("mean"))
    return plan_windows(instance).phy2log.copy()


@pytest.mark.parametrize("hooked", ["refined"], indirect=True)
def test_a_second_layout_is_planned_over_the_steps_of_both(hooked, server, monkeypatch, tmp_path):
    calls = [recording(tmp_path / "dump.pt", seed) for seed in range(3)]
    plan = expert_location.ExpertLocationMetadata.init_by_eplb
    plan("model", torch.zeros(4, HIDDEN, EXPERTS))  # profiling
    found = [plan("model", counts).physical_to_logical_map for counts in calls]
    assert not plugin.ranks_may_join()
    for number, phy2log in enumerate(found, start=1):
        expected = over(torch.cat(calls[:number]))
        assert phy2log[list(MOE)].tolist() == expected[list(MOE)].tolist()
    recorded = read_loads(tmp_path / "record")
    assert (recorded.layer_ids, recorded.hidden_layers) == (MOE, HIDDEN)
    assert recorded.load.tolist() == torch.cat(calls)[:, list(MOE)].tolist()
    state = ElasticEPStateManager._build_state(ep_size=RANKS, device=torch.device("cpu"))
    monkeypatch.setattr(ElasticEPStateManager, "_instance", state)
    assert plugin.ranks_may_join()
    call = {"num_physical_experts": REPLICAS, "num_local_physical_experts": REPLICAS // RANKS, "num_groups": None,
            "num_nodes": 1, "algorithm": eplb_algorithms.compute_algorithm("auto", None, 1)}  # fmt: skip
    alone = eplb_algorithms.rebalance_experts(tokens_per_expert=calls[0], **call)
    expected = POLICIES["refined"].rebalance_experts(calls[0].sum(dim=0), REPLICAS, 1, 1, RANKS)
    assert torch.equal(alone[0][list(MOE)], expected[0][list(MOE)])


def test_all_zero_loads_are_planned(hooked, server):
    found = expert_location.ExpertLocationMetadata.init_by_eplb("model", torch.zeros(4, HIDDEN, EXPERTS))
    assert found.logical_to_all_physical_map_num_valid.min() >= 1


@pytest.mark.parametrize("ending", ["json", "pt"])
def test_sglang_loads_the_map_that_we_write(ending, server, tmp_path):
    recording(tmp_path / "dump.pt")
    solve(tmp_path / "dump.pt", tmp_path / f"map.{ending}", "sglang")
    server.init_expert_location = str(tmp_path / f"map.{ending}")
    found = expert_location.compute_initial_expert_location_metadata("model", moe_ep_rank=0)
    assert found.physical_to_logical_map.shape == (HIDDEN, REPLICAS)
    ours = read_map(tmp_path / f"map.{ending}", EXPERTS, MOE)
    assert found.physical_to_logical_map[list(MOE)].tolist() == ours.phy2log.tolist()
    assert found.logical_to_all_physical_map_num_valid.min() >= 1


@pytest.mark.parametrize("mode", ["stat", "per_pass", "per_token"])
def test_we_read_what_sglangs_recorder_writes(mode, server, monkeypatch, tmp_path):
    server.expert_distribution_recorder_mode = mode
    monkeypatch.setenv("SGLANG_EXPERT_DISTRIBUTION_RECORDER_DIR", str(tmp_path))
    metadata = expert_location.ExpertLocationMetadata.init_trivial("model", 0)
    accumulator = expert_distribution._Accumulator.init_new(metadata, rank=0)
    accumulator._first_dump = False  # it would empty the cache of an accelerator
    if mode == "per_token":
        server.moe_a2a_backend = "none"
        monkeypatch.setattr(expert_distribution, "get_exec", lambda: SimpleNamespace(
            moe=server, overlap=SimpleNamespace(enable_two_batch_overlap=False)))  # fmt: skip
    gatherer = expert_distribution._SinglePassGatherer.init_new(metadata, rank=0)
    expected = np.zeros((3, HIDDEN, EXPERTS), dtype=np.int64)
    rng = np.random.default_rng(0)
    for number in range(3):
        gatherer.reset()
        gatherer.on_forward_pass_start(SimpleNamespace(
            input_ids=torch.arange(16), positions=torch.arange(16), extend_seq_lens_cpu=[16],
            forward_mode=SimpleNamespace(value=1)))  # fmt: skip
        for layer in MOE:
            slots = torch.from_numpy(rng.integers(0, REPLICAS, (16, 4))).int()
            gatherer.on_select_experts(layer_idx=layer, topk_ids=slots)
            np.add.at(expected[number, layer], metadata.physical_to_logical_map[layer][slots.long()].numpy(), 1)
        accumulator.append(number, "primary", gatherer.collect(), {})
    accumulator.dump(output_mode="file")
    (path,) = tmp_path.glob("*.pt")
    loads = read_loads(path)
    assert loads.layer_ids == MOE
    assert loads.hidden_layers == HIDDEN
    assert loads.load[:3].tolist() == expected[:, MOE].tolist()
    assert not loads.load[3:].any()
    if mode != "stat":
        theirs = reader.read_mode_per_pass(tmp_path)["global_physical_count_of_forward_pass"]
        logical = reader.convert_global_physical_count_to_logical_count(
            theirs, HIDDEN, EXPERTS, metadata.physical_to_logical_map
        )
        assert logical[:, list(MOE)].tolist() == loads.load.tolist()
