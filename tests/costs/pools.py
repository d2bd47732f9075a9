"""Random small instances with random costs that never fall, and their optimum by brute force."""

from __future__ import annotations

import numpy as np

from eplb_opt import Cost, Instance, Objective

from ..campaign import random_load
from ..costs_oracle import Curve, roofline, step_loads, sum_optimum, table, windows_optimum


def random_cost(random: np.random.Generator, most: float) -> tuple[Cost, Curve]:
    """A cost of up to so many tokens, and the same for the oracle."""
    per_rank = float(random.choice([0.0, 0.0, random.random() * 3]))
    if random.random() < 0.4:
        per_expert = float(random.random() * 2)
        per_token = float(random.random() * 4 / most)
        return Cost.roofline(per_expert, per_token, per_rank), roofline(per_expert, per_token)
    tokens = np.unique(random.random(int(random.integers(1, 5))) * most)
    if random.random() < 0.3:
        tokens = np.concatenate(([0.0], tokens))
    seconds = np.sort(random.random(len(tokens)))
    if random.random() < 0.3:
        seconds = np.full(len(tokens), seconds[-1])
    numbers = tokens.tolist(), seconds.tolist()
    return Cost.table(*numbers, per_rank), table(*numbers)


def random_instance(random: np.random.Generator, across: str) -> tuple[Instance, Curve]:
    """A pool that brute force can do; sometimes a silent layer or window, experts alike, few hot ones."""
    ranks = int(random.integers(2, 4))
    each = int(random.integers(1, 4 if ranks == 2 else 3))
    slots = ranks * each
    experts = int(random.integers(max(1, slots - 3), slots + 1))
    windows = int(random.integers(1, 3)) if across == "sum" else int(random.integers(1, 4))
    load = random_load(random, windows, experts)
    tokens = None if random.random() < 0.5 else int(random.integers(1, 200))
    cost, curve = random_cost(random, float(load.sum(axis=0).max() if tokens is None else tokens * 2) + 1)
    weights = None if random.random() < 0.6 else (random.random(windows) + 0.1).tolist()
    objective = Objective(
        across, level=0.5, weights=weights, cost=cost, tokens_per_step=tokens, top_k=int(random.integers(1, 4))
    )
    distinct = bool(random.random() < 0.3 and slots <= experts * ranks)
    return Instance(load, slots, num_ranks=ranks, distinct=distinct, objective=objective), curve


def optimum_of(instance: Instance, curve: Curve) -> float:
    """By brute force."""
    objective = instance.objective
    routed = None if objective.tokens_per_step is None else objective.tokens_per_step * objective.top_k
    rest = instance.num_replicas, instance.num_ranks, instance.distinct, curve, objective.cost.per_rank
    weights = objective.weights or [1.0] * instance.num_windows
    if objective.adds_windows:
        added = (instance.load[:, 0] * np.array(weights)[:, None]).sum(axis=0)
        return float(sum_optimum(step_loads(added.tolist(), routed), *rest))
    windows = [step_loads(window, routed) for window in instance.load[:, 0].tolist()]
    return float(windows_optimum(windows, weights, *rest, objective.across, objective.level))
