"""Files of counts that no engine of ours writes, with what they say, computed by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

MATRIX = [[1, 2, 0], [4, 0, 6]]  # [MoE layers, experts]
IDS = (1, 2)


def text(content):
    def write(path: Path) -> None:
        path.write_text(json.dumps(content))

    return write


def npz_by_layer(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, **{f"layer_{i}": np.array(row) for i, row in zip(IDS, MATRIX, strict=True)})


def torch_by_layer(path: Path) -> None:
    torch.save({i: torch.tensor(row) for i, row in zip(IDS, MATRIX, strict=True)}, path)


BY_LAYER = {"1": [1, 2, 0], "2": [4, 0, 6]}
SPARSE = {"1": {"0": 1, "1": 2}, "2": {"0": 4, "2": 6}}
PLUMB = {"1:0": 1, "1:1": 2, "2:0": 4, "2:2": 6}
SNAPSHOT = {"pid": 7, "model_name": "Mixtral", "n_layers": 2, "pass_count": 3, "updated_at": 1.5, "started_at": 1.0,
            "imbalance": [], "expert_loads": PLUMB, "gpu_to_numa": {}, "expert_counts": PLUMB}  # fmt: skip
REPORT = {
    "model_name": "Mixtral",
    "total_forward_passes": 3,
    "layers": [
        {"layer_id": 1, "experts": [{"expert_id": 0, "token_count": 1, "activation_fraction": 0.3},
                                    {"expert_id": 1, "token_count": 2, "activation_fraction": 0.7}]},
        {"layer_id": 2, "experts": [{"expert_id": 0, "token_count": 4, "activation_fraction": 0.4},
                                    {"expert_id": 2, "token_count": 6, "activation_fraction": 0.6}]},
    ],
}  # fmt: skip
HIDDEN = [[0, 0, 0], *MATRIX]
WORKERS = [[[0, 0, 0], [1, 1, 0], [3, 0, 0]], [[0, 0, 0], [0, 1, 0], [1, 0, 6]]]
FASTDEPLOY_MAP = {
    "update_timestamp": 1.5,
    "tokens_per_expert_stats_list": HIDDEN,
    "ep_rank_to_expert_id_list": [[0, 1, 2, 0], [0, 1, 2, 1], [2, 0, 1, 2]],
    "expert_id_to_ep_rank_array": [[[0, 1], [0, -1], [1, -1]], [[0, -1], [0, 1], [1, -1]], [[0, -1], [1, -1], [0, 1]]],
    "expert_in_rank_num_list": [[2, 1, 1], [1, 2, 1], [1, 1, 2]],
    "cost_milliseconds": 3,
}

# name -> (writer, layer ids): all say MATRIX
COUNTS = {
    "by layer": (text(BY_LAYER), IDS),
    "by layer and expert": (text(SPARSE), IDS),
    "by name": (text({f"model.layers.{i}.mlp.gate": row for i, row in BY_LAYER.items()}), IDS),
    "layer_1": (text({f"layer_{i}": row for i, row in BY_LAYER.items()}), IDS),
    "by moe layer": (text({"0": [1, 2, 0], "1": [4, 0, 6]}), None),
    "counts": (text({"counts": MATRIX}), None),
    "counts by layer": (text({"counts": SPARSE, "model": "x"}), IDS),
    "npz by layer": (npz_by_layer, IDS),
    "torch by layer": (torch_by_layer, IDS),
    "plumb snapshot": (text(SNAPSHOT), IDS),
    "plumb report": (text(REPORT), IDS),
    "fastdeploy": (text({"code": 0, "msg": "ok", "data": HIDDEN}), IDS),
    "fastdeploy workers": (text({"code": 0, "msg": "ok", "data": WORKERS}), IDS),
    "fastdeploy map": (text(FASTDEPLOY_MAP), IDS),
}
