"""Minimal files as the engines write them, and what they say: 4 hidden layers of which 1 and 2 are MoE, 3 experts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

LOAD = np.array([[[1, 2, 3], [4, 5, 6]], [[0, 1, 0], [7, 0, 2]]])  # [windows, MoE layers, experts]
IDS, HIDDEN = (1, 2), 4
SLOTS = np.array([[0, 1, 2, 0], [2, 1, 0, 1]])  # [MoE layers, slots]


def all_layers(rows: np.ndarray) -> np.ndarray:
    """[..., MoE layers, x] among all hidden layers, dense ones 0."""
    result = np.zeros((*rows.shape[:-2], HIDDEN, rows.shape[-1]), dtype=rows.dtype)
    result[..., IDS, :] = rows
    return result


def sglang_stat(path: Path) -> None:
    count = torch.from_numpy(all_layers(LOAD)).int()
    torch.save({"rank": 0, "logical_count": count, "average_utilization_rate_over_window": None}, path)


def physical(window: int, rank: int) -> np.ndarray:
    """LOAD on the slots of SLOTS: rank 0 sees the first replica's tokens, rank 1 the second's."""
    count = np.zeros((2, 4), dtype=np.int64)
    for layer in range(2):
        for expert in range(3):
            slots = np.flatnonzero(SLOTS[layer] == expert)
            count[layer, slots[min(rank, len(slots) - 1)]] = LOAD[window, layer, expert] // 2
            if rank == 1:
                count[layer, slots[-1]] = LOAD[window, layer, expert] - LOAD[window, layer, expert] // 2
    return count


def sglang_pass(path: Path, rank: int, per_token: bool = False) -> None:
    records = []
    for window in range(2):
        count = torch.from_numpy(all_layers(physical(window, rank))).int()
        record = {
            "forward_pass_id": 10 + window,
            "rank": rank,
            "gatherer_key": "primary",
            "global_physical_count": count,
        }
        if per_token:
            record |= {"input_ids": [5, 6], "positions": [0, 1], "extend_seq_lens": None, "forward_mode": 1,
                       "topk_ids_of_layer": torch.zeros(HIDDEN, 2, 8).int(), "misc_objects": []}  # fmt: skip
        records.append(record)
    slots = torch.from_numpy(np.array([[0, 1, 2, 0], *SLOTS.tolist(), [0, 1, 2, 0]]))
    torch.save({"records": records, "last_physical_to_logical_map": slots}, path)


def sglang_passes(path: Path) -> None:
    path.mkdir()
    for rank in range(2):
        sglang_pass(path / f"expert_distribution_recorder_17.5_{rank}.pt", rank, per_token=rank == 1)


def vllm_records(path: Path) -> None:
    lines = []
    for window in range(2):
        load = physical(window, 0) + physical(window, 1)
        record = {"record_type": "eplb_load_stats", "version": 1, "step": 10 + window, "num_ranks": 2,
                  "expert_load": load.tolist(), "p2l_map": SLOTS.tolist()}  # fmt: skip
        lines.append(json.dumps(record))
    path.write_text("\n".join(lines) + "\n")


def tensorrt_llm_folder(path: Path) -> None:
    path.mkdir()
    (path / "meta_info.json").write_text('{"num_experts": 3, "num_experts_per_token": 2}')
    for rank in range(2):
        keys = {
            f"{10 + w}_{layer}": LOAD[w, i] // 2 + rank * (LOAD[w, i] % 2)
            for w in range(2)
            for i, layer in enumerate(IDS)
        }
        save_file(keys, path / f"rank{rank}.safetensors")
        save_file({"10_1": np.zeros((5, 2), dtype=np.int32)}, path / f"rank{rank}_raw.safetensors")


def lmdeploy_record(path: Path) -> None:
    """Only layers that recorded have a row."""
    counts = torch.from_numpy(LOAD.sum(axis=0))
    content = {"counts": counts, "balancedness": torch.ones(2), "total_tokens": counts.sum(dim=1)}
    torch.save(content | {"step": 99, "rank": 0}, path)


def lmdeploy_plan(path: Path) -> None:
    path.write_text(json.dumps(all_layers(LOAD.sum(axis=0)).tolist()))


# name -> (writer, format, windows, layer ids, hidden layers)
LOADS = {
    "sglang stat": (sglang_stat, "sglang", ("0", "1"), IDS, HIDDEN),
    "sglang passes": (sglang_passes, "sglang", ("10", "11"), IDS, HIDDEN),
    "vllm": (vllm_records, "vllm", ("10", "11"), None, None),
    "tensorrt-llm": (tensorrt_llm_folder, "tensorrt-llm", ("10", "11"), IDS, None),
    "lmdeploy": (lmdeploy_record, "lmdeploy", ("99",), None, None),
}

# Maps, as text: name -> (ending, text)
MAPS = {
    "sglang": (".json", '{"physical_to_logical_map": [[0, 1, 2, 0], [0, 1, 2, 0], [2, 1, 0, 1], [0, 1, 2, 0]]}\n'),
    "vllm": (
        ".json",
        '{"record_type": "eplb_initial_mapping", "version": 1, "num_redundant_experts": 1, "num_slots": 4, '
        '"initial_global_assignments": {"0": [0, 1, 2, 0], "1": [2, 1, 0, 1]}, "layer_ids": [1, 2]}\n',
    ),
    "vllm-ascend": (
        ".json",
        '{"moe_layer_count": 2, "layer_list": ['
        '{"layer_id": 1, "device_count": 2, "device_list": '
        '[{"device_id": 0, "device_expert": [0, 1]}, {"device_id": 1, "device_expert": [2, 0]}]}, '
        '{"layer_id": 2, "device_count": 2, "device_list": '
        '[{"device_id": 0, "device_expert": [2, 1]}, {"device_id": 1, "device_expert": [0, 1]}]}]}\n',
    ),
    "tensorrt-llm": (
        ".yaml",
        "num_slots: 4\ninitial_global_assignments:\n  1: [0, 1, 2, 0]\n  2: [2, 1, 0, 1]\nlayer_updates_per_iter: 0\n",
    ),
}
