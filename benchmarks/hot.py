"""Very hot experts: how near `refined` comes to `optimal`, and in what time: ``python -m benchmarks.hot``.

Lognormal loads (sigma 1) of 58 layers in which one expert has 30 to 99 % of all tokens. Gaps are to the map and to the
bound of `optimal` within a minute; times are medians of calls of `refined` in one process.
"""

from __future__ import annotations

import time
import warnings

import numpy as np

from eplb_opt import FallbackWarning, Instance, Limits, solve
from eplb_opt.heuristics.refine import refined

from .environment import environment
from .options import chosen

LAYERS, SEED, CALLS = 58, 1, 15
SHAPES = {  # name: experts, replicas, ranks, groups, nodes
    "128 experts, 144/16": (128, 144, 16, 1, 1),
    "256 experts, 288/32": (256, 288, 32, 1, 1),
    "256 experts, 288/32, 8 groups on 4 nodes": (256, 288, 32, 8, 4),
    "256 experts, 320/64": (256, 320, 64, 1, 1),
}


def hot_loads(experts: int) -> np.ndarray:
    """Loads [layers, experts] in which expert 0 has a share of 30 % in the first layer, 99 % in the last."""
    loads = np.random.default_rng(SEED).lognormal(0, 1, (LAYERS, experts))
    share = np.linspace(0.3, 0.99, LAYERS)
    loads[:, 0] = 0
    loads[:, 0] = share / (1 - share) * loads.sum(1)
    return loads


def milliseconds(instance: Instance) -> float:
    """Median time of a call, the first one left out."""
    times = []
    for _ in range(CALLS + 1):
        start = time.perf_counter()
        refined(instance)
        times.append(time.perf_counter() - start)
    return float(np.median(times[1:])) * 1e3


def main() -> None:
    """Print a line a shape."""
    chosen(__doc__, {})
    print(environment(SEED) | {"layers": LAYERS, "calls": CALLS})
    for name, (experts, replicas, ranks, groups, nodes) in SHAPES.items():
        instance = Instance(hot_loads(experts), replicas, num_groups=groups, num_nodes=nodes, num_ranks=ranks)
        objective = refined(instance).objective(instance)
        spent = milliseconds(instance)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FallbackWarning)
            best = solve(instance, "optimal", Limits(seconds=60, workers=2, seed=SEED))
        to_map = (objective / best.objective - 1) * 100
        to_bound = (objective / best.lower_bound - 1) * 100
        print(
            f"{name:42} {spent:6.2f} ms; % above optimal's map: mean {to_map.mean():.3f} max {to_map.max():.3f}, "
            f"above its bound: mean {to_bound.mean():.3f} max {to_bound.max():.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
