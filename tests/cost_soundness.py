"""Random small pools with random costs against brute force: ``python -m tests.cost_soundness 500 [SEED]``.

The reference MILP, CP-SAT and brute force agree, no bound is above the optimum, no map below it, `verify` proves what
is certified again; and how far the heuristic is from the optimum.
"""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np

from eplb_opt import Instance, Limits, Result, solve
from eplb_opt.certificates.registry import certified_names
from eplb_opt.claims.verify import verify_report

from .campaign import run
from .costs.pools import optimum_of, random_instance

LIMITS = Limits(seconds=None, work=10.0, gap=0.0)  # of the exact models
SHORT = Limits(seconds=None, work=0.5, gap=0.0)  # of the others, which never end where nothing closes the gap
EXACT_METHODS = ("milp", "cpsat")
OBJECTIVES = ("sum", "sum", "mean", "cvar", "max")
METHODS = ("milp", "cpsat", "optimal", "refined", "greedy")
EXACT = 2e-6  # relative: what solvers' tolerances may cost
ROUNDED = 1e-9  # of sums of floats in another order


def solved(instance: Instance, method: str) -> tuple[Result, list[str]]:
    """A method's result, and what it said of failures."""
    with warnings.catch_warnings(record=True) as fallbacks:
        warnings.simplefilter("always")
        result = solve(instance, method, LIMITS if method in EXACT_METHODS else SHORT)
    return result, [f"{method}: {fallback.message}" for fallback in fallbacks]


def faults(instance: Instance, optimum: float) -> tuple[list[str], float]:
    """What is wrong with any method's result, and how far the heuristic is above the optimum."""
    found = []
    values = {}
    for method in METHODS:
        result, said = solved(instance, method)
        found += said
        values[method] = float(result.objective[0])
        found += [f"{method}: {fault}" for fault in _wrong(result, method, optimum)]
        found += [f"{method}: verify: {fault}" for fault in _unproven(result)]
    if values["refined"] > values["greedy"]:
        found.append(f"refined: {values['refined']}, the greedy's map has {values['greedy']}")
    above = values["refined"] / optimum - 1 if optimum > 0 else 0.0
    return found, above


def _wrong(result: Result, method: str, optimum: float) -> list[str]:
    objective = float(result.objective[0])
    bound = float(result.lower_bound[0])
    found = []
    if objective < optimum * (1 - ROUNDED):
        found.append(f"{objective} is below the optimum {optimum}")
    if bound > optimum * (1 + ROUNDED):
        found.append(f"the bound {bound} is above the optimum {optimum}")
    is_exact = method in EXACT_METHODS
    if is_exact and objective > optimum * (1 + EXACT):
        found.append(f"{objective} instead of the optimum {optimum}")
    if is_exact and bound < optimum * (1 - 10 * EXACT):
        found.append(f"proves {bound} only, of {optimum}")
    return found


def _unproven(result: Result) -> list[str]:
    """What `verify` has against the report, as it is in a file."""
    report: dict[str, Any] = json.loads(json.dumps(result.to_dict()))
    check = verify_report(result.instance, result.placement, report)
    (layer,) = check.layers
    missing = [] if layer.bound_proven or layer.bound_method not in certified_names() else ["not proven again"]
    return [*check.faults, *layer.faults, *check.unknown, *missing]


def judged(random: np.random.Generator, number: int) -> tuple[object, list[str], float]:
    """A pool, its faults, and how far `refined` is above the optimum."""
    instance, curve = random_instance(random, OBJECTIVES[number % len(OBJECTIVES)])
    return instance.describe(), *faults(instance, optimum_of(instance, curve))


if __name__ == "__main__":
    run(judged)
