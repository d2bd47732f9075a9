"""What the shown commands are run on: every file that a page takes for granted, by its name there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

from eplb_opt import Instance, Journal, demo_recording, solve
from eplb_opt.formats import write_map
from eplb_opt.plugins.recording import Recorder
from eplb_opt.synthetic import synthetic_load

IDS = np.arange(3, 61)  # DeepSeek-V3's MoE layers; three dense ones stand before them
CALLS = 14  # of the plug-in
SMALL = slice(0, 2)  # layers, where a page does not say how many there are
MY_POLICY = """
from eplb_opt import POLICIES

class MyPolicy(POLICIES["greedy"]):
    pass
"""


def deepseek(windows: int = 1) -> np.ndarray:
    """Loads [windows, layers, experts] of the model's shape, in tokens of some steps."""
    return synthetic_load("deepseek-v3-decode", windows=windows, seed=0) // 1000


def small(windows: int = 1) -> np.ndarray:
    return deepseek(windows)[:, SMALL]


def write_loads(path: Path) -> None:
    np.savez(path, load=small(), layer_ids=IDS[SMALL])


def demo_windows() -> np.ndarray:
    return demo_recording("kinds").load[:, SMALL]


def write_windows(path: Path) -> None:
    recording = demo_recording("kinds")
    np.savez(path, load=demo_windows(), layer_ids=recording.layer_ids[SMALL], window=recording.windows)


def write_recorded(path: Path) -> None:
    """What the example of recordings.md, which needs packages that may be missing, saves."""
    load = np.random.default_rng(0).multinomial(2 * 1024, np.full(16, 1 / 16), (8, 4))
    np.savez(path, load=load, layer_ids=np.arange(4))


def write_in_use(path: Path) -> None:
    """A map of other traffic than that of `loads.npz`."""
    instance = Instance(small(2)[1], 288, num_ranks=32, layer_ids=IDS[SMALL])
    write_map(path, solve(instance, "greedy").placement, num_ranks=instance.num_ranks)


def write_map_of(half: slice) -> Callable[[Path], None]:
    """A map for a part of the windows."""

    def write(path: Path) -> None:
        ids = demo_recording("kinds").layer_ids[SMALL]
        instance = Instance(demo_windows()[half], 72, num_ranks=8, layer_ids=ids)
        write_map(path, solve(instance, "greedy").placement, num_ranks=instance.num_ranks)

    return write


def write_dump(path: Path) -> None:
    """What SGLang's recorder dumps in mode stat: a row for every hidden layer."""
    count = torch.zeros(1, 61, 256, dtype=torch.int32)
    count[:, 3:] = torch.from_numpy(deepseek()).int()
    torch.save({"rank": 0, "logical_count": count, "average_utilization_rate_over_window": None}, path)


def write_sglang(folder: Path) -> None:
    """The folder into which SGLang dumps."""
    folder.mkdir()
    write_dump(folder / "expert_distribution_recorder_17.5.pt")


def write_tensorrt_llm(folder: Path) -> None:
    """Counts of one iteration by one rank."""
    folder.mkdir()
    (folder / "meta_info.json").write_text('{"num_experts": 256, "num_experts_per_token": 8}')
    load = deepseek()[0]
    save_file({f"10_{layer}": load[i] for i, layer in enumerate(IDS)}, folder / "rank0.safetensors")


def write_vllm(path: Path) -> None:
    """The record that is proposed for vLLM: loads of slots, here one an expert."""
    slots = np.tile(np.arange(256), (58, 1))
    record = {"record_type": "eplb_load_stats", "version": 1, "step": 10, "num_ranks": 32}
    path.write_text(json.dumps(record | {"expert_load": deepseek()[0].tolist(), "p2l_map": slots.tolist()}) + "\n")


def write_plug_ins(folder: Path) -> None:
    """What the plug-in records: calls of two kinds of traffic, three in turn."""
    kinds = deepseek(2)
    noise = np.random.default_rng(0).lognormal(0, 0.1, (CALLS, 58, 256))
    recorder = Recorder(str(folder), has_dense_rows=False)
    for call in range(CALLS):
        recorder.record(np.rint(kinds[call // 3 % 2] * noise[call])[None])


def write_shard(shard: str) -> Callable[[Path], None]:
    """The journal of a part of a job."""

    def write(path: Path) -> None:
        instance = Instance(small(), 288, num_ranks=32, layer_ids=IDS[SMALL])
        with Journal(path, shard) as journal:
            solve(instance, "greedy", journal=journal)

    return write


def write_policy(path: Path) -> None:
    path.write_text(MY_POLICY)


INPUTS: dict[str, Callable[[Path], None]] = {
    "loads.npz": write_loads,
    "today.npz": write_loads,
    "windows.npz": write_windows,
    "recorded.npz": write_recorded,
    "in_use.npz": write_in_use,
    "my_map.npz": write_in_use,
    "old.npz": write_map_of(slice(0, 8)),
    "new.npz": write_map_of(slice(8, 16)),
    "record": write_sglang,
    "expert_statistic": write_tensorrt_llm,
    "stats.jsonl": write_vllm,
    "loads": write_plug_ins,
    "my_pkg.py": write_policy,
}


def make_inputs(text: str, folder: Path) -> None:
    """All that a page names."""
    for name, write in INPUTS.items():
        if name.removesuffix(".py") in text:
            write(folder / name)
