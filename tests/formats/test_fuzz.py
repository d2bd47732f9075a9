"""Mutated files: what is read is loads, or a `FormatError` of one line; never another exception."""

from __future__ import annotations

import copy
import json
import random
import warnings
from functools import partial

import numpy as np
import pytest
import torch
import yaml

from eplb_opt import FormatError
from eplb_opt.formats import holds_map, read_expert_map, read_loads

from .count_files import FASTDEPLOY_MAP, REPORT, SNAPSHOT
from .engine_files import LOADS, MAPS

ROUNDS = 60
CELLS = ["", "0", "1", "-1", "1e3", "nan", "inf", "1:10", "layer", "layer_id", "expert", "expert_0", "e1", "count",
         "total", "rank", "step", "x",
         '"', "0.5", "99999999999999999999", "2,5", "#", "\x00", "\ufeff", "L3", "%", "é"]  # fmt: skip
VALUES = [None, [], {}, "", "x", -1, 0, 1, 2**40, 10**30, 1.5, float("nan"), float("inf"), True, [[]], [1], [[1, 2]],
          [[1], [2, 3]], [["a"]], {"a": 1}, [None], [[10**30]]]  # fmt: skip
TENSORS = [
    torch.zeros(0), torch.tensor(1), torch.ones(2), torch.ones(2, 3), torch.ones(2, 3, 4).int(), torch.ones(2, 0, 3),
    torch.full((2, 3), float("nan")), torch.ones(2, 3, dtype=torch.complex64), torch.ones(2, 3, dtype=torch.bfloat16),
    -torch.ones(2, 3).int(), torch.ones(1).expand(10**5, 10**7), torch.ones(2, 3, dtype=torch.bool),
]  # fmt: skip


def read(path):
    """Read a file in every way; a result has the shape that it says."""
    errors = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        placed = partial(read_expert_map, num_experts=4, num_ranks=2)
        for reader in (read_loads, read_expert_map, placed, lambda p: holds_map(p, "npz")):
            try:
                found = reader(path)
            except FormatError as error:
                errors.append(str(error))
                continue
            if reader is read_loads:
                windows, layers, experts = found.load.shape
                assert len(found.windows) == windows
                assert found.layer_ids is None or len(set(found.layer_ids)) == layers
                assert experts > 0
    assert not any("\n" in error or len(error) > 1500 for error in errors)


def mutated(content, pick, values):
    """The content with one value replaced, left out, or doubled, anywhere in it."""
    content = copy.deepcopy(content)
    holder = content
    while True:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        key = pick.choice(keys)
        below = holder[key]
        if isinstance(below, (dict, list)) and len(below) and pick.random() < 0.7:
            holder = below
            continue
        action = pick.randrange(4)
        if action == 0:
            del holder[key]
        elif action == 1 and isinstance(holder, list):
            holder.append(copy.deepcopy(below))
        else:
            holder[key] = pick.choice(values)
        return content


@pytest.mark.parametrize(
    "text",
    [
        "layer,e0,e1,e2\n0,1,2,3\n1,4,5,6\n",
        "layer_id,expert_id,count\n0,0,1\n0,1,2\n1,0,3\n",
        "step,rank,layer,expert,count\n1,0,3,0,5\n1,1,3,1,6\n2,0,3,0,7\n2,1,3,0,8\n",
        "expert,layer_3,layer_4\n0,1,2\n1,3,4\n",
        "1 2 3\n4 5 6\n",
    ],
)
def test_tables(text, tmp_path):
    pick = random.Random(0)
    for _ in range(4 * ROUNDS):
        rows = [line.split(",") for line in text.splitlines()]
        for _ in range(pick.randrange(1, 4)):
            row = pick.choice(rows)
            place = pick.randrange(len(row) + 1)
            row[place : place + pick.randrange(2)] = pick.sample(CELLS, pick.randrange(3))
        sign = pick.choice([",", ",", ";", "\t", " "])
        (tmp_path / "loads.csv").write_text("\n".join(sign.join(row) for row in rows))
        read(tmp_path / "loads.csv")


JSONS = {
    "loads": {"load": [[[1, 2], [3, 4]]], "layer_ids": [3, 4], "window": ["a"], "hidden_layers": 9},
    "map": {"physical_to_logical_map": [[0, 1, 0], [1, 0, 1]], "layer_ids": [3, 4], "num_ranks": 3, "num_experts": 2},
    "snapshots": {"world_size": 2, "snapshots": [{"step": 1, "window_expert_load": [[1, 2, 3]],
                                                  "physical_to_logical_map": [[0, 1, 0]]}]},
    "bare": [[1, 2, 3], [4, 5, 6]],
    "models": {"version": 2, "model_maps": {"A#pp_rank=0": {"physical_to_logical_map": [[0, 1, 0]]},
                                            "A#pp_rank=1": {"physical_to_logical_map": [[1, 0, 1]]}}},
    "flat": [0, 1, 2, 0],
    "redundant": {"redundancy_expert_num": 1, "3": [0], "default": [3]},
    "fastdeploy": FASTDEPLOY_MAP,
    "plumb": SNAPSHOT,
    "report": REPORT,
    "options": {"moe_config": {"load_balancer": {"num_slots": 3, "initial_global_assignments": {"3": [0, 1, 0]}}}},
    "requests": {"choices": [{"routed_experts": [[[0, 1]], [[1, 2]]]}], "usage": {"prompt_tokens": 2}},
    "trace": {"step": 0, "layer": 3, "rank": 0, "num_tokens": 2, "top_indices": [[0, 1], [1, 2]]},
} | {name: json.loads(text) for name, (ending, text) in MAPS.items() if ending == ".json"}  # fmt: skip


@pytest.mark.parametrize("name", JSONS)
def test_json(name, tmp_path):
    pick = random.Random(1)
    for _ in range(3 * ROUNDS):
        text = json.dumps(mutated(JSONS[name], pick, VALUES))
        (tmp_path / "file.json").write_text(text if pick.random() < 0.8 else text + "\n" + text)
        read(tmp_path / "file.json")


def test_yaml(tmp_path):
    pick = random.Random(2)
    content = yaml.safe_load(MAPS["tensorrt-llm"][1])
    for _ in range(2 * ROUNDS):
        (tmp_path / "map.yaml").write_text(yaml.safe_dump(mutated(content, pick, VALUES)))
        read(tmp_path / "map.yaml")
        text = list(MAPS["tensorrt-llm"][1])
        for _ in range(pick.randrange(1, 5)):
            text[pick.randrange(len(text))] = pick.choice("[]{}:-,&*!|>'\"%@ \n\t0x")
        (tmp_path / "map.yaml").write_text("".join(text))
        read(tmp_path / "map.yaml")


@pytest.mark.parametrize("name", [name for name in LOADS if name not in ("vllm", "tensorrt-llm")])
def test_torch(name, tmp_path):
    pick = random.Random(3)
    LOADS[name][0](tmp_path / "recording")
    paths = (
        sorted((tmp_path / "recording").iterdir()) if (tmp_path / "recording").is_dir() else [tmp_path / "recording"]
    )
    good = torch.load(paths[0], weights_only=True)
    for _ in range(ROUNDS):
        torch.save(mutated(good, pick, [*VALUES, *TENSORS]), paths[0])
        read(tmp_path / "recording")
        read(paths[0])


def test_headers_of_arrays(tmp_path):
    pick = random.Random(4)
    np.save(tmp_path / "loads.npy", np.arange(24).reshape(2, 3, 4))
    good = (tmp_path / "loads.npy").read_bytes()
    parts = ["(2, 3, 4)", "<i8", "False", "fortran_order", "{"]
    wrong = ["(2, 3, 5)", "(2, 3)", "(24,)", "()", "(-2, -3, 4)", "(0, 3, 4)", "(10**9,)", "(99999999, 99999999, 9)",
             "<f8", "<i4", "|O", "|S0", "<U2", "<c16", "|V8", "True", "[" * 60, "(2, 3, '4')", "x"]  # fmt: skip
    for _ in range(4 * ROUNDS):
        text = good[:128].decode("latin-1").replace(pick.choice(parts), pick.choice(wrong))
        (tmp_path / "bad.npy").write_bytes(text[:127].ljust(127).encode("latin-1") + b"\n" + good[128:])
        read(tmp_path / "bad.npy")
