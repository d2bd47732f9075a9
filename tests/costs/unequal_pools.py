"""Random small instances on unequal ranks, with costs or without, and their optimum by brute force."""

from __future__ import annotations

import numpy as np

from eplb_opt import Cost, Instance, Objective

from ..campaign import random_load
from ..costs_oracle import Curve, step_loads
from ..unequal_oracle import unequal_optimum
from .pools import random_cost

SPEEDS = (1.0, 0.8, 0.5, 2.0, 1 / 3, 0.9)


def random_ranks(random: np.random.Generator) -> tuple[list[float] | None, list[int]]:
    """Speeds and slots; sometimes alike in one of them, sometimes with a rank that does not run."""
    ranks = int(random.integers(2, 4))
    most = 4 if ranks == 2 else 3
    slots = random.integers(1, most, ranks).tolist()
    if random.random() < 0.3:
        slots = [slots[0]] * ranks
    if random.random() < 0.15:
        slots[int(random.integers(ranks))] = 0
    speeds = random.choice(SPEEDS, ranks).tolist()
    if random.random() < 0.2:
        return None, slots
    return [float(speed) for speed in speeds], slots


def random_instance(random: np.random.Generator, across: str) -> tuple[Instance, Curve | None]:
    """A pool that brute force can do; sometimes a silent window, experts alike, few hot ones."""
    speeds, slots = random_ranks(random)
    replicas = sum(slots)
    experts = int(random.integers(max(1, replicas - 3), replicas + 1))
    windows = int(random.integers(1, 3 if across == "sum" else 4))
    load = random_load(random, windows, experts)
    weights = None if random.random() < 0.6 else (random.random(windows) + 0.1).tolist()
    asked, curve = _random_cost(random, load)
    objective = Objective(across, level=0.5, weights=weights, **asked)
    return Instance(
        load, replicas, num_ranks=len(slots), objective=objective, rank_speeds=speeds, rank_slots=slots
    ), curve


def _random_cost(random: np.random.Generator, load: np.ndarray) -> tuple[dict[str, object], Curve | None]:
    """What an objective takes of a cost, and the same for the oracle; nothing of every third."""
    if random.random() < 0.35:
        return {}, None
    tokens = None if random.random() < 0.5 else int(random.integers(1, 200))
    most = float(load.sum(axis=0).max() if tokens is None else tokens * 2) + 1
    cost, curve = random_cost(random, most)
    return {"cost": cost, "tokens_per_step": tokens, "top_k": int(random.integers(1, 4))}, curve


def optimum_of(instance: Instance, curve: Curve | None) -> float:
    """By brute force."""
    objective = instance.objective
    cost: Cost | None = objective.timed_by
    steps = None if cost is None or objective.tokens_per_step is None else objective.tokens_per_step * objective.top_k
    weights = np.array(objective.weights or [1.0] * instance.num_windows)
    rows = instance.load[:, 0]
    if objective.adds_windows:
        rows = (rows * weights[:, None]).sum(axis=0)[None]
    windows = [step_loads(row, steps) for row in rows.tolist()]
    ranks = instance.num_ranks
    speeds = instance.rank_speeds or [1.0] * ranks
    slots = instance.rank_slots or [instance.num_replicas // ranks] * ranks
    per_rank = 0.0 if cost is None else cost.per_rank
    return float(
        unequal_optimum(
            windows, weights.tolist(), speeds, slots, None if cost is None else curve, per_rank, objective.across,
            objective.level,
        )
    )  # fmt: skip
