"""Random small pools over windows against brute force: ``python -m tests.windows_soundness 1000 [SEED]``.

The reference MILP, CP-SAT and brute force agree, no bound is above the optimum, no map below it; and how far the search
(`refined`) is from it on average.
"""

from __future__ import annotations

import warnings

import numpy as np

from eplb_opt import Instance, Limits, Objective, solve

from .campaign import random_load, run
from .windows_oracle import windows_optimum

LIMITS = Limits(seconds=None, work=5.0, gap=0.0)
EXACT = 2e-6  # relative: what solvers' tolerances may cost
MIXED = 1e-9  # of a bound of the mix, which is made of floats
METHODS = ("milp", "cpsat", "optimal", "refined", "greedy")


def random_instance(random: np.random.Generator) -> Instance:
    """A pool of 2 to 4 windows that brute force can do; some windows silent, some experts alike."""
    ranks = int(random.integers(2, 4))
    each = int(random.integers(1, 4 if ranks == 2 else 3))
    slots = ranks * each
    experts = int(random.integers(max(1, slots - 3), slots + 1))
    windows = int(random.integers(2, 5))
    load = random_load(random, windows, experts, silent=0.2)
    weights = None if random.random() < 0.5 else (random.random(windows) + 0.1).tolist()
    across = ("mean", "cvar", "max")[int(random.integers(3))]
    objective = Objective(across, level=float(random.choice([0.0, 0.3, 0.5, 0.8])), weights=weights)
    distinct = bool(random.random() < 0.3 and slots <= experts * ranks)
    return Instance(load, slots, num_ranks=ranks, distinct=distinct, objective=objective)


def optimum_of(instance: Instance) -> float:
    """By brute force."""
    objective = instance.objective
    weights = objective.weights or [1.0] * instance.num_windows
    return float(
        windows_optimum(
            instance.load[:, 0].tolist(), weights, instance.num_replicas, instance.num_ranks, instance.distinct,
            objective.across, objective.level,
        )
    )  # fmt: skip


def faults(instance: Instance, optimum: float) -> tuple[list[str], float]:
    """What is wrong with any method's result, and how far the search is above the optimum."""
    found = []
    for method in METHODS:
        with warnings.catch_warnings(record=True) as fallbacks:
            warnings.simplefilter("always")
            result = solve(instance, method, LIMITS)
        found += [f"{method}: {fallback.message}" for fallback in fallbacks]
        objective = float(result.objective[0])
        bound = float(result.lower_bound[0])
        if objective < optimum * (1 - MIXED):
            found.append(f"{method}: {objective} is below the optimum {optimum}")
        if bound > optimum * (1 + MIXED):
            found.append(f"{method}: the bound {bound} is above the optimum {optimum}")
        is_exact = method in ("milp", "cpsat")
        if is_exact and objective > optimum * (1 + EXACT):
            found.append(f"{method}: {objective} instead of the optimum {optimum}")
        if is_exact and bound < optimum * (1 - 10 * EXACT):
            found.append(f"{method}: proves {bound} only, of {optimum}")
        if method == "refined":
            above = objective / optimum - 1
    return found, above


def judged(random: np.random.Generator, number: int) -> tuple[object, list[str], float]:
    """A pool, its faults, and how far `refined` is above the optimum."""
    instance = random_instance(random)
    return instance, *faults(instance, optimum_of(instance))


if __name__ == "__main__":
    run(judged)
