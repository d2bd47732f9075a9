"""Inside LMDeploy 0.18.0: its planner accepts the load file that we write for it.

Its ``nn/eplb.py`` and ``envs.py`` are taken from the wheel as they are; the packages around them, which need CUDA, are
empty stand-ins.
"""

from __future__ import annotations

import importlib
import sys
import zipfile
from types import ModuleType

import pytest
import torch

from eplb_opt.formats import read_loads

from .common import EXPERTS, HIDDEN, MOE, RANKS, REPLICAS, SOURCES, recording, solve


@pytest.fixture
def eplb(tmp_path, monkeypatch):
    recording(tmp_path / "dump.pt")
    solve(tmp_path / "dump.pt", tmp_path / "plan.json", "lmdeploy", "--method", "greedy")
    with zipfile.ZipFile(next(SOURCES.glob("lmdeploy-*.whl"))) as wheel:
        for name in ("lmdeploy/pytorch/envs.py", "lmdeploy/pytorch/nn/eplb.py"):
            wheel.extract(name, tmp_path)
    for name in ("lmdeploy", "lmdeploy.pytorch", "lmdeploy.pytorch.nn"):
        module = ModuleType(name)
        module.__path__ = [str(tmp_path / name.replace(".", "/"))]
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setenv("LMDEPLOY_EPLB_EXPERTS_STATISTIC_FILE", str(tmp_path / "plan.json"))
    monkeypatch.setenv("LMDEPLOY_EPLB_NUM_REDUNDANT_EXPERTS", str(REPLICAS - EXPERTS))
    monkeypatch.setenv("LMDEPLOY_EPLB_NUM_GROUPS", "1")
    return importlib.import_module("lmdeploy.pytorch.nn.eplb")


def test_lmdeploy_plans_from_our_file(eplb, tmp_path):
    found = eplb.EPLBMetadata.init(ep_size=RANKS, num_routed_experts=EXPERTS, num_hidden_layers=HIDDEN)
    assert found.physical_to_logical_map.shape == (HIDDEN, REPLICAS)
    counts = read_loads(tmp_path / "dump.pt").load.sum(axis=0)
    hottest = torch.from_numpy(counts.argmax(axis=1))
    replicas = found.logical_to_all_physical_map_num_valid[list(MOE)]
    assert (replicas.gather(1, hottest[:, None])[:, 0] == replicas.max(dim=1).values).all()


def test_lmdeploy_refuses_another_number_of_layers(eplb):
    with pytest.raises(AssertionError, match="must be"):
        eplb.EPLBMetadata.init(ep_size=RANKS, num_routed_experts=EXPERTS, num_hidden_layers=HIDDEN + 1)
