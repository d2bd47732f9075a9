"""Time and memory of the heuristics against size: ``python -m benchmarks.scaling``.

Layers, experts, slots and ranks are doubled one at a time, and all together up to 94 layers x 1,024 experts x 2,048
slots x 1,024 ranks, with lognormal loads. Time: median over calls of the policy, one thread. Memory: by how much a
call raises the resident set (Linux). The exponent of a series is the slope of log time over log size.
"""

from __future__ import annotations

import argparse
import ctypes
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from eplb_opt import POLICIES

from .environment import ROOT, environment
from .gaps import markdown
from .store import Store

RESULTS = ROOT / "benchmarks" / "results" / "scaling.jsonl"
METHODS = ("greedy", "refined")
SERIES = {  # (layers, experts, slots, ranks), doubled; the series is named by what is
    "layers": [(n, 256, 320, 64) for n in (6, 12, 24, 47, 94)],
    "experts": [(58, n, 1152, 64) for n in (64, 128, 256, 512, 1024)],
    "slots": [(58, 256, n, 64) for n in (256, 512, 1024, 2048)],
    "ranks": [(58, 256, 2048, n) for n in (32, 64, 128, 256, 512)],
    "all": [(12, 128, 256, 128), (24, 256, 512, 256), (47, 512, 1024, 512), (94, 1024, 2048, 1024)],
    "all, 9 slots a rank": [(12, 128, 144, 16), (24, 256, 288, 32), (47, 512, 576, 64), (94, 1024, 1152, 128)],
}
SIGMA = 0.7
KEY = ("series", "method", "layers", "experts", "slots", "ranks")


def main() -> None:
    """Run it and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    head = environment(0) | {"repeats": options.repeats}
    store = Store(options.output, KEY)
    for series, sizes in SERIES.items():
        for size in sizes:
            for method in METHODS:
                row = dict(zip(KEY, (series, method, *size), strict=True))
                store.put(head | row | measure(method, size, options.repeats))
        print(f"{series}: done", flush=True)
    print(table(list(store)))


def measure(method: str, size: tuple[int, int, int, int], repeats: int) -> dict[str, Any]:
    """Milliseconds, memory and imbalance of one method at one size."""
    layers, experts, slots, ranks = size
    weight = torch.from_numpy(np.random.default_rng(0).lognormal(sigma=SIGMA, size=(layers, experts)) * 1e5)
    policy = POLICIES[method]

    def call() -> torch.Tensor:
        return policy.rebalance_experts(weight, slots, 1, 1, ranks)[0]

    memory = raised(call)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        found = call()
        times.append(1000 * (time.perf_counter() - start))
    share = weight / torch.zeros_like(weight).scatter_add_(1, found, torch.ones(found.shape, dtype=weight.dtype))
    loads = share.gather(1, found).view(layers, ranks, -1).sum(2)
    p10, median, p90 = np.percentile(times, [10, 50, 90]).tolist()
    imbalance = float((loads.amax(1) / loads.mean(1)).mean())
    return {"ms": median, "ms_p10": p10, "ms_p90": p90, "memory_mib": memory, "imbalance_mean": imbalance}


def raised(call: Callable[[], Any]) -> float | None:
    """MiB by which a call raises the resident set at most; None where the system does not say."""
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
        before = _status("VmRSS")
        call()
        return (_status("VmHWM") - before) / 1024
    except OSError:
        return None


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def exponent(sizes: list[float], values: list[float]) -> float:
    """The slope of log values over log sizes."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def table(rows: list[dict[str, Any]]) -> str:
    """A line a size, and after each series the exponents of time."""
    cells = [["series", "layers x experts x slots x ranks", *(f"{m}: ms (imbalance, MiB)" for m in METHODS)]]
    for series in dict.fromkeys(row["series"] for row in rows):
        group = [row for row in rows if row["series"] == series]
        sizes = list(dict.fromkeys(tuple(row[k] for k in KEY[2:]) for row in group))
        found = {(row["method"], *(row[k] for k in KEY[2:])): row for row in group}
        cells += [[series, " x ".join(map(str, size)), *(_cell(found[(m, *size)]) for m in METHODS)] for size in sizes]
        step = [2.0**i for i in range(len(sizes))]
        cells.append([
            series, f"exponent of time over {_grows(series)}",
            *(f"{exponent(step, [found[(m, *size)]['ms'] for size in sizes]):.2f}" for m in METHODS),
        ])  # fmt: skip
    return markdown(cells)


def _grows(series: str) -> str:
    return "the doublings" if series.startswith("all") else series


def _cell(row: dict[str, Any]) -> str:
    memory = "-" if row["memory_mib"] is None else f"{row['memory_mib']:.1f}"
    return f"{row['ms']:.2f} ({row['imbalance_mean']:.4f}, {memory})"


if __name__ == "__main__":
    main()
