"""The expert-parallel layer that is timed computes what each token's experts do, wherever they are."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from benchmarks.expert_parallel import RESULTS, maps_of, spread
from benchmarks.expert_parallel_layer import chosen_experts, slots_of
from benchmarks.expert_parallel_page import PAGE, write_page

RANKS = 2
TWO_RANKS = """
import sys
import numpy as np, torch, torch.distributed as dist
from benchmarks.expert_parallel_layer import Layer, chosen_experts, slots_of

rank, port = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
phy2log = np.array([0, 1, 2, 3, 0, 4])
layer = Layer(32, 16, 3, 2, 40, "cpu")
experts = chosen_experts(np.array([9.0, 1, 2, 3, 4]), 40, 2, (1, rank), "cpu")
slots = slots_of(experts, phy2log, rank)
assert (phy2log[slots.numpy()].reshape(40, 2) == experts.numpy()).all()
routing = layer.routing(slots, 3)
total = torch.bincount(slots, minlength=6)
dist.all_reduce(total)
assert (routing.loads.reshape(-1) == total.numpy()).all()
assert routing.held == tuple(routing.loads[rank].tolist())
found = layer.run(routing)().float()
# All ranks have the same weights; a slot's are those of its number on its rank.
want = torch.zeros(40, 32)
for copy, slot in enumerate((slots % 3).tolist()):
    token = layer.tokens[copy // 2].float()
    both = (layer.experts.up[0][slot].float() @ token).to(torch.bfloat16)
    gated = torch.nn.functional.glu(both, dim=0).float()
    want[copy // 2] += (layer.experts.down[0][slot].float() @ gated).to(torch.bfloat16).float()
assert torch.allclose(found, want, atol=0.05, rtol=0.05), (found - want).abs().max()
assert want.abs().max() > 0.1
dist.destroy_process_group()
"""


@pytest.mark.skipif(not hasattr(torch, "_grouped_mm"), reason="this torch has no grouped products")
def test_two_ranks_compute_what_one_would(unused_port):
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", TWO_RANKS, str(rank), str(unused_port)], stderr=subprocess.PIPE, text=True
        )
        for rank in range(RANKS)
    ]
    ended = [run.communicate()[1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], ended


@pytest.fixture
def unused_port():
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def test_experts_of_a_token_differ_and_follow_their_loads():
    load = np.array([70.0, 10, 10, 10, 0])
    experts = chosen_experts(load, 4000, 2, (3,), "cpu")
    assert (experts[:, 0] != experts[:, 1]).all()
    counts = torch.bincount(experts[:, 0], minlength=5).numpy()
    assert counts[4] == 0
    assert abs(counts[0] / 4000 - 0.7) < 0.03
    assert torch.equal(experts, chosen_experts(load, 4000, 2, (3,), "cpu"))


def test_replicas_take_turns():
    phy2log = np.array([0, 1, 0, 0])
    slots = slots_of(torch.tensor([[0, 1]] * 6), phy2log, first=0)
    assert torch.bincount(slots, minlength=4).tolist() == [2, 6, 2, 2]


def test_maps_are_valid_and_planned_on_what_was_seen():
    load = np.random.default_rng(0).lognormal(3, 1, (6, 2, 8))
    maps = maps_of(load, 12, 4)
    assert {*maps} == {"contiguous", "greedy", "refined", "windows"}
    assert all(sorted(set(row.tolist())) == list(range(8)) for rows in maps.values() for row in rows)
    assert spread(3, 24).tolist() == [0, 12, 23]


def test_the_page_is_that_of_the_results(tmp_path, monkeypatch):
    written = PAGE.read_text()
    monkeypatch.setattr("benchmarks.expert_parallel_page.PAGE", tmp_path / "page.md")
    write_page(RESULTS)
    assert (tmp_path / "page.md").read_text() == written
