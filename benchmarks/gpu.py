"""The production heuristic on a GPU: the same bits as on the CPU, and time by CUDA graph replay.

    python -m benchmarks.gpu [--json FILE]

Needs a CUDA GPU, torch, triton and numpy only. Loads: the recorded decode window of DeepSeek-V3 where it is present
(``../shared/data`` or ``EPLB_OPT_DATA``), else the synthetic ones calibrated to it; lognormal loads for other shapes.
Times: median and tenth / ninetieth percentile of graph replays, input and output on the device.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from eplb_opt.heuristics import kernels
from eplb_opt.heuristics.greedy_check import heaviest_load
from eplb_opt.heuristics.refine import refine_maps
from eplb_opt.problem.topology import Topology
from eplb_opt.synthetic import synthetic_load

SEED = 0
REPLAYS = 200


def cases() -> Iterator[tuple[str, np.ndarray, int, Topology]]:
    """Name, loads [layers, experts], replicas and topology."""
    folder = Path(os.environ.get("EPLB_OPT_DATA", Path(__file__).parents[2] / "shared" / "data"))
    path = folder / "deepseek_v3.npz"
    kind = "ds3-decode" if path.exists() else "synthetic-ds3-decode"
    load = np.load(path)["load"][0] if path.exists() else synthetic_load("deepseek-v3-decode", seed=SEED)[0]
    for name, (replicas, ranks, groups, nodes) in (
        ("ep32", (288, 32, 1, 1)), ("ep32-hier", (288, 32, 8, 4)), ("ep32-r0", (256, 32, 1, 1)),
        ("ep64", (320, 64, 1, 1)), ("ep72", (288, 72, 1, 1)), ("ep144", (288, 144, 1, 1)),
        ("ep144-hier", (288, 144, 8, 4)), ("ep320", (320, 320, 1, 1)),
    ):  # fmt: skip
        topology = Topology(num_ranks=ranks, num_groups=groups, num_nodes=nodes)
        yield f"{kind}-{name}", load, replicas, topology
    random = np.random.default_rng(SEED)
    for layers, experts, replicas, ranks in (
        (24, 32, 64, 16), (24, 32, 48, 16), (26, 64, 80, 16), (94, 128, 144, 16), (61, 512, 640, 64),
        (61, 1024, 1152, 128), (61, 1024, 2048, 1024),
    ):  # fmt: skip
        load = random.lognormal(0, 0.7, (layers, experts)) * 1e5
        yield f"lognormal-{layers}x{experts}-{replicas}-ep{ranks}", load, replicas, Topology(num_ranks=ranks)


def replay_times(call: Callable[[], Any]) -> list[float]:
    """Microseconds of replays of a captured call."""
    call()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    times = []
    for _ in range(REPLAYS):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        graph.replay()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end) * 1e3)
    return times


def run(name: str, load: np.ndarray, replicas: int, topology: Topology, steps: int, fused: bool) -> dict[str, Any]:
    """One row: bits, imbalance and times of one case with the kernel or in torch operations alone."""
    weight = np.asarray(load, dtype=np.float64)
    on_device = torch.from_numpy(weight.copy()).cuda()
    optional, kernels.optional = kernels.optional, kernels.optional if fused else lambda _: None
    try:
        with torch.inference_mode():
            start = time.perf_counter()
            expected = refine_maps(weight, replicas, topology, steps=steps)
            cpu = (time.perf_counter() - start) * 1e3
            found = refine_maps(on_device, replicas, topology, steps=steps).cpu().numpy()
            times = np.array(replay_times(lambda: refine_maps(on_device, replicas, topology, steps=steps)))
    finally:
        kernels.optional = optional
    ranks = topology.num_ranks
    imbalance = heaviest_load(weight, found, ranks) / (weight.sum(1) / ranks)
    return {
        "case": name, "path": "fused" if fused else "torch", "steps": steps,
        "same_bits": np.array_equal(expected, found),
        "imbalance_mean": float(imbalance.mean()), "median_us": float(np.median(times)),
        "p10_us": float(np.percentile(times, 10)), "p90_us": float(np.percentile(times, 90)), "cpu_ms_once": cpu,
    }  # fmt: skip


def line(row: dict[str, Any]) -> str:
    """A row for people."""
    return (
        f"{row['case']:38} {row['path']:6} {row['steps']:3} steps  same bits {row['same_bits']!s:5}  "
        f"imbalance {row['imbalance_mean']:.5f}  {row['median_us']:9.1f} us "
        f"({row['p10_us']:.1f}-{row['p90_us']:.1f})  CPU once {row['cpu_ms_once']:.1f} ms"
    )


def main() -> None:
    """Run all cases and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the rows here, as JSON lines")
    parser.add_argument("--commit", help="commit of the code, where git cannot tell")
    options = parser.parse_args()
    commit = (
        options.commit
        or subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=False
        ).stdout.strip()
    )
    head = {
        "commit": commit, "date": time.strftime("%Y-%m-%d"), "gpu": torch.cuda.get_device_name(), "seed": SEED,
        "torch": torch.__version__, "numpy": np.__version__, "replays": REPLAYS,
    }  # fmt: skip
    print(head)
    rows = []
    for name, load, replicas, topology in cases():
        for steps in (2, 4, 12):
            for fused in (True, False):
                if not fused and steps not in (2, 12):
                    continue
                row = run(name, load, replicas, topology, steps, fused)
                rows.append(head | row)
                print(line(row), flush=True)
    if options.json:
        options.json.write_text("".join(json.dumps(row) + "\n" for row in rows))


if __name__ == "__main__":
    main()
