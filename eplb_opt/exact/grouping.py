"""Group-to-node assignment model in CP-SAT, for more groups than can be enumerated (``models/README.md``, H3)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction

from ortools.sat.python import cp_model

from ..bounds.mean import floor_float
from ..errors import SolverError
from ..limits import Limits
from ..pool import Floats

NODE_BITS = 30


def assign_groups(
    loads: Floats, num_nodes: int, ranks_per_node: int, known: Mapping[tuple[int, ...], float], limits: Limits
) -> tuple[float, list[tuple[int, ...]]]:
    """The partition of groups with the least bottleneck of what is known about its node sets.

    A node set is worth its mean rank load, or the bound in ``known`` if that is larger.

    Parameters
    ----------
    loads : array [groups]
        Load of each group, in tokens.
    known : mapping from node set to a proven lower bound of its pool, in tokens a rank.

    Returns
    -------
    bound : float
        Proven lower bound of every partition's bottleneck, in tokens a rank, rounded down.
    partition : list of node sets, empty if none was found within the limits.

    Raises
    ------
    SolverError
        The solver calls a feasible model infeasible.
    """
    groups, size = len(loads), len(loads) // num_nodes
    total = sum(Fraction(float(w)) for w in loads)
    if total == 0:
        return 0.0, [tuple(range(n * size, (n + 1) * size)) for n in range(num_nodes)]
    scale = Fraction(2) ** (NODE_BITS - round(math.log2(total / num_nodes)))
    weight = [math.floor(scale * Fraction(float(w))) for w in loads]  # rounded down: bounds stay valid
    model = cp_model.CpModel()
    most = max(sum(weight), *(math.floor(scale * ranks_per_node * Fraction(v)) for v in known.values()), 1)
    worst = model.new_int_var(0, most, "worst")
    on = [[model.new_bool_var(f"on_{g}_{n}") for n in range(num_nodes)] for g in range(groups)]
    for row in on:
        model.add_exactly_one(row)
    for n in range(num_nodes):
        model.add(sum(row[n] for row in on) == size)
        model.add(sum(w * row[n] for w, row in zip(weight, on, strict=True)) <= worst)
        for node_set, value in known.items():
            penalty = math.floor(scale * ranks_per_node * Fraction(value))
            model.add(worst + penalty * sum(1 - on[g][n] for g in node_set) >= penalty)
    order = sorted(range(groups), key=lambda g: -weight[g])
    for position, g in enumerate(order[:num_nodes]):  # the i-th heaviest group may open at most the i-th node
        for n in range(position + 1, num_nodes):
            model.add(on[g][n] == 0)
    model.minimize(worst)
    return _solve(model, on, num_nodes, scale * ranks_per_node, limits)


def _solve(
    model: cp_model.CpModel, on: list[list[cp_model.IntVar]], num_nodes: int, scale: Fraction, limits: Limits
) -> tuple[float, list[tuple[int, ...]]]:
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = limits.seed
    solver.parameters.relative_gap_limit = limits.gap / 2
    if limits.seconds is not None:
        solver.parameters.max_time_in_seconds = limits.seconds
    if limits.work is not None:
        solver.parameters.max_deterministic_time = limits.work
    status = solver.solve(model)
    if status in (cp_model.INFEASIBLE, cp_model.MODEL_INVALID):
        raise SolverError(f"CP-SAT calls the group assignment {solver.status_name(status)}")
    bound = floor_float(Fraction(max(0, math.ceil(solver.best_objective_bound - 1e-6))) / scale)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return bound, []
    return bound, [tuple(g for g, row in enumerate(on) if solver.value(row[n])) for n in range(num_nodes)]
