"""Where a call of `refined` spends its time: ``python -m benchmarks.phases [CASE ...]``.

The parts of a call by themselves, warm, one thread, medians: counts and the first packing (0 steps), the steps, the
comparison with the greedy, and the engine's tables. The calls are those that the policy makes, in numpy on the CPU; "by
torch" is a step on tensors that lie on the CPU.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from eplb_opt.heuristics.greedy_check import greedy_objective, heaviest_load
from eplb_opt.heuristics.refine import refine_maps, refined
from eplb_opt.problem.instance import Instance
from eplb_opt.refined_options import STEPS

from .cases import cases
from .environment import ROOT, environment
from .gaps import markdown
from .store import Store

RESULTS = ROOT / "benchmarks" / "results" / "phases.jsonl"
CASES = ["ds3-decode-ep32", "ds3-decode-ep32-r0", "ds3-decode-ep72", "ds3-decode-ep144", "gptoss-ep16", "gptoss-ep32"]
PHASES = ("instance", "counts and deal", "a step", "by torch", "loads of the map", "the greedy's objective", "tables",
          "whole call", "without compiled code")  # fmt: skip


def main() -> None:
    """Run it and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", default=CASES, help="case names")
    parser.add_argument("--repeats", type=int, default=60)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    store = Store(options.output, ("case",))
    for name, instance in cases(options.cases):
        found = measure(instance, options.repeats)
        store.put(environment(0) | {"case": name, "repeats": options.repeats, "ms": found})
    print(table(list(store)))


def measure(instance: Instance, repeats: int) -> dict[str, float]:
    """Milliseconds by phase."""
    loads = instance.weight.copy()
    weight = torch.from_numpy(loads.copy())
    size = (instance.num_replicas, instance.topology)
    placement = refined(instance)

    def maps(steps: int, given: np.ndarray | torch.Tensor, compiled: bool = True) -> Any:
        with torch.inference_mode():
            return refine_maps(given, *size, steps=steps, compiled=compiled)

    dealt, whole = (median(lambda s=s: maps(s, loads), repeats) for s in (0, STEPS))  # type: ignore[misc]
    by_torch = [median(lambda s=s: maps(s, weight), repeats) for s in (0, STEPS)]  # type: ignore[misc]
    plain = median(lambda: refined(replace(instance, load=weight), compiled=False).maps(), repeats)
    return {
        "without compiled code": plain,
        "instance": median(lambda: replace(instance, load=weight), repeats),
        "counts and deal": dealt,
        "a step": (whole - dealt) / STEPS,
        "by torch": (by_torch[1] - by_torch[0]) / STEPS,
        "loads of the map": median(lambda: heaviest_load(loads, placement.phy2log, instance.num_ranks), repeats),
        "the greedy's objective": median(lambda: greedy_objective(loads, *size), repeats),
        "tables": median(placement.maps, repeats),
        "whole call": median(lambda: refined(replace(instance, load=weight)).maps(), repeats),
    }


def median(call: Callable[[], Any], repeats: int) -> float:
    """Milliseconds of a call."""
    times = []
    for _ in range(repeats + 2):
        start = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - start))
    return float(np.median(times[2:]))


def table(rows: list[dict[str, Any]]) -> str:
    """A line a case, a column a phase."""
    cells = [["case", *PHASES]]
    cells += [[row["case"], *(f"{row['ms'][p]:.2f}" if p in row["ms"] else "-" for p in PHASES)] for row in rows]
    return markdown(cells)


if __name__ == "__main__":
    main()
