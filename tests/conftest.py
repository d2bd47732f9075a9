"""Known answers, recorded loads where they are present, and small instances for every contract test."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from eplb_opt import Instance

POOL = [600, 560, 120, 120, 20, 10, 10, 10]
TWO_LAYERS = [
    [90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86],
    [20, 107, 104, 64, 19, 197, 187, 157, 172, 86, 16, 27],
]


def engine_instance(load, replicas, groups, nodes, ranks, **options) -> Instance:
    """An instance in the order in which engines give a topology."""
    return Instance(load, replicas, num_ranks=ranks, num_groups=groups, num_nodes=nodes, **options)


# name -> (instance, optimum of each layer, greedy's objective of each layer); all proven
KNOWN = {
    "pool": (Instance([POOL], 16, num_ranks=8), [590 / 3], [232]),
    "hierarchical": (Instance(TWO_LAYERS, 16, num_groups=4, num_nodes=2, num_ranks=8), [151, 179.5], [156, 179.5]),
    "global": (Instance(TWO_LAYERS, 16, num_groups=4, num_nodes=1, num_ranks=8), [136, 172], [138.5, 172]),
}
# Ordinary input at the edges: name -> Instance arguments
EDGES = {
    "all-zero": ([[0] * 6], 8, 1, 1, 4),
    "one zero layer": ([[0] * 6, [5, 4, 3, 2, 1, 0]], 8, 1, 1, 4),
    "one expert": ([[7.0]], 4, 1, 1, 2),
    "one rank": ([[3, 1, 2]], 5, 1, 1, 1),
    "one slot a rank": ([[3, 9, 2, 0]], 6, 1, 1, 6),
    "no redundancy": ([[3, 9, 2, 0, 5, 5]], 6, 1, 1, 3),
    "constant": ([[2] * 6], 9, 1, 1, 3),
    "huge": ([[1e300, 5e299, 1e299, 2e299]], 6, 1, 1, 3),
    "tiny": ([[1e-300, 5e-301, 1e-301, 2e-301]], 6, 1, 1, 3),
    "groups as nodes": ([[5, 3, 8, 1, 9, 2, 2, 2]], 12, 4, 4, 4),
    "groups ignored": ([[5, 3, 8, 1, 9, 2]], 8, 3, 2, 4),
    "windows": ([[[5, 3, 8, 1]], [[1, 1, 0, 9]]], 6, 1, 1, 3),
}


def recorded(name: str) -> np.ndarray:
    """Recorded loads [windows, layers, experts], or skip."""
    folder = Path(os.environ.get("EPLB_OPT_DATA", Path(__file__).parents[2] / "shared" / "data"))
    path = folder / f"{name}.npz"
    if not path.exists():
        pytest.skip(f"no recorded loads at {path}")
    with np.load(path) as archive:
        return archive["load"]


@pytest.fixture
def deepseek_decode() -> np.ndarray:
    return recorded("deepseek_v3")[0]
