"""What each bound proves by itself: ``python -m benchmarks.proofs [CASE ...]``.

L0, L1 and L2 of every layer of the global cases, below the best bound that any run proved (`benchmarks.bounds`), and
the seconds that they take. L1 and L2 are told the same reachable objective, a thousandth above that bound; L2 starts
from L1 and lists at most as many rank patterns as it does in `optimal`.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

from eplb_opt.bounds.cuts import cut_bound
from eplb_opt.bounds.patterns import pattern_bound
from eplb_opt.budget import Budget
from eplb_opt.certificates.mean import trivial_bound
from eplb_opt.methods.schedule import MOST_LP_SLOTS
from eplb_opt.problem.instance import Instance

from .bounds import Bounds, instance_key
from .cases import cases
from .environment import ROOT, environment
from .gaps import markdown
from .store import Store

RESULTS = ROOT / "benchmarks" / "results" / "proofs.jsonl"
ABOVE = 1e-3  # the objective that the bounds are told lies so far above the best bound
SECONDS = 30.0  # a layer and bound


def main() -> None:
    """Run it and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", help="case names; default: all that are not hierarchical")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    store, bounds = Store(options.output, ("case",)), Bounds()
    for name, instance in cases(options.cases):
        best = bounds.lower_bound(instance)
        if instance.hierarchical or best is None:
            continue
        store.put(environment(0) | {"case": name, "instance": instance_key(instance)} | measure(instance, best))
        print(f"{name}: done", flush=True)
    print(table(list(store)))


def measure(instance: Instance, best: np.ndarray) -> dict[str, Any]:
    """How far each bound lies below the best one, mean and largest over layers, and its seconds a layer."""
    below: dict[str, list[float]] = {"L0": [], "L1": [], "L2": []}
    seconds: dict[str, list[float]] = {"L0": [], "L1": [], "L2": []}
    for layer, known in enumerate(best):
        pool = instance.pool(layer, None)
        found, upper = 0.0, known * (1 + ABOVE)
        for name in below if instance.num_replicas <= MOST_LP_SLOTS else ("L0", "L1"):
            start = time.perf_counter()
            if name == "L0":
                found = trivial_bound(pool)[0]
            elif name == "L1":
                found = max(found, cut_bound(pool, upper, budget=Budget.of_seconds(SECONDS))[0])
            else:
                found = pattern_bound(pool, upper, budget=Budget.of_seconds(SECONDS), lower=found)[0]
            seconds[name].append(time.perf_counter() - start)
            below[name].append(max(0.0, 1 - found / known))
    return {
        name: {"below_mean": float(np.mean(below[name])), "below_max": float(np.max(below[name])),
               "within_1e-4": int(np.sum(np.array(below[name]) <= 1e-4)), "seconds_max": float(np.max(seconds[name]))}
        for name in below if below[name]
    } | {"layers": len(best)}  # fmt: skip


def table(rows: list[dict[str, Any]]) -> str:
    """A line a case."""
    cells = [
        ["case", "layers", *(f"{name} below the best bound, %" for name in ("L0", "L1", "L2")), "slowest L1", "L2"]
    ]
    cells += [
        [row["case"], str(row["layers"]), *(_cell(row.get(name)) for name in ("L0", "L1", "L2")),
         *(f"{row[name]['seconds_max']:.2f} s" if name in row else "-" for name in ("L1", "L2"))]
        for row in rows
    ]  # fmt: skip
    return markdown(cells)


def _cell(found: dict[str, Any] | None) -> str:
    if found is None:
        return "-"
    return f"{found['below_mean'] * 100:.4f} / {found['below_max'] * 100:.4f} ({found['within_1e-4']})"


if __name__ == "__main__":
    main()
