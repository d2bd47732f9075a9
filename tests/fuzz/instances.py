"""Layers of every shape, skew, type and memory order through `refined` and `greedy`, against the published greedy."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import torch

from eplb_opt import POLICIES

from ..any_input import EXACT, LAYOUTS, cases, given
from ..published_greedy import layer_map
from .oracle_maps import map_faults, worse_layers
from .part import Part, Tally, raised

LAYERS = (1, 2, 5, 20, 60)  # few are placed one by one, many at once
TYPED = 0.4  # the share of calls with integers of some type and memory order
Sizes = tuple[int, int, int, int]  # slots, groups, nodes, ranks: the engines' order


def sizes_of(random: np.random.Generator) -> tuple[int, Sizes]:
    """Experts, and the rest of a shape: most are small, some as large as models' layers."""
    most_ranks, most_experts = ((6, 24), (16, 80), (64, 320))[random.choice(3, p=[0.5, 0.35, 0.15])]
    nodes = int(random.choice([1, 1, 1, 2, 4]))
    ranks = nodes * int(random.integers(1, max(2, most_ranks // nodes)))
    groups = nodes * int(random.integers(1, 4))
    most = max(1, min(most_experts, 12 * ranks) // groups)
    experts = groups * int(random.integers(max(1, most // 4), most + 1))
    slots = ranks * (-(-experts // ranks) + int(random.choice([0, 0, 1, 1, 2, 3])))
    return experts, (slots, groups, nodes, ranks)


def typed_loads(random: np.random.Generator, layers: int, experts: int) -> tuple[Any, np.ndarray]:
    """Integers of some type and memory order, in windows or not; and their sum in float64."""
    dtype = str(random.choice(list(EXACT)))
    kind = str(random.choice([kind for kind in cases(dtype) if kind != "cuda"]))
    windows = int(random.integers(1, 4))
    most = EXACT[dtype] if random.random() < 0.7 else min(EXACT[dtype], 5)
    integers = random.integers(0, most + 1, size=(windows, layers, experts))
    loads = given(integers, dtype, str(random.choice(list(LAYOUTS))), kind)
    plain = np.array(loads if kind == "numpy" else loads.to(torch.float64).numpy(), dtype=np.float64)
    return loads, plain.sum(axis=0)


def valued_loads(random: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Loads in float64, of every skew; with ties, zeros, hot experts, the smallest and the largest numbers."""
    lognormal = random.lognormal(0, random.uniform(0.1, 2.5), shape)
    made = {
        "skewed": lognormal,
        "counts": random.integers(0, int(random.choice([2, 5, 50, 10_000])), shape).astype(float),
        "sparse": lognormal * (random.random(shape) < random.uniform(0.1, 0.9)),
        "even": 1 + random.uniform(0, random.choice([1e-3, 0.1, 1.0]), shape),
        "ranked": 1e6 / (1 + np.argsort(random.random(shape), axis=1)) ** random.uniform(0.3, 1.5),
        "hot": lognormal * np.where(np.arange(shape[1]) < random.integers(1, 4), shape[1] * 5.0, 1.0),
        "smallest": random.integers(0, int(random.choice([2, 20, 1000])), shape) * 5e-324,
        "largest": lognormal * 1e290,
        "zero": np.zeros(shape),
    }
    return made[str(random.choice(list(made)))]


def faults_of(loads: Any, weight: np.ndarray, sizes: Sizes) -> list[str]:
    """What is wrong with the maps of a call's layers."""
    published = np.array([layer_map(row, *sizes) for row in weight.tolist()])
    found = []
    for name in ("refined", "greedy"):
        maps = [one.cpu().numpy() for one in POLICIES[name].rebalance_experts(loads, *sizes)]
        wrong = list(map_faults(maps, weight.shape, sizes))
        found += [f"{name}: invalid: {fault}" for fault in wrong]
        if wrong:
            continue
        worse = worse_layers(weight, maps[0], published, sizes[-1])
        found += [f"{name}: worse than the published greedy in layer {layer}" for layer in worse]
        if name == "greedy" and not np.array_equal(maps[0], published):
            found.append("greedy: another map than the published one")
    return found


def run(seed: int, number: int, count: int) -> Tally:
    """So many layers, in calls of some."""
    random = np.random.default_rng([seed, number])
    faults: list[str] = []
    figures: Counter[str] = Counter()
    seen = 0
    while seen < count:
        layers = min(int(random.choice(LAYERS)), count - seen)
        experts, sizes = sizes_of(random)
        is_typed = random.random() < TYPED
        if is_typed:
            loads, weight = typed_loads(random, layers, experts)
        else:
            loads = weight = valued_loads(random, (layers, experts))
        try:
            found = faults_of(loads, weight, sizes)
        except Exception as error:
            found = [raised(error)]
        name = f"[{layers}, {experts}], slots, groups, nodes and ranks {sizes}, from layer {seen}"
        faults += [f"{fault}; {name}" for fault in found]
        figures.update({"calls": 1, "calls of other types and memory orders": int(is_typed)})
        seen += layers
    return Tally(seen, tuple(faults), figures)


PART = Part("instances", "layers through `refined` and `greedy`", 1_000_000, 2_000, run)
