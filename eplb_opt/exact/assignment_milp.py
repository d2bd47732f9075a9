"""Reference MILP: the assignment formulation in PuLP, for HiGHS or CBC.

One function per constraint family, named after its tag in ``models/README.md`` (section 3).
"""

from __future__ import annotations

from dataclasses import dataclass

import pulp

from ..budget import Budget
from ..errors import OptionError
from ..limits import Limits
from ..outcome import PoolOutcome
from ..problem.pool import Packing, Pool
from ..problem.status import StopReason
from .assignment import OUT_OF_TIME, Assignment
from .mean_times_milp import Parts, hint_parts, link_parts, mean_times, new_parts
from .milp_solvers import SOLVERS, Run, run_milp
from .model_size import too_large

# Rank loads are scaled to a mean of SCALE, so that the solvers' absolute tolerances (1e-6) are small beside them; the
# proven bound is then lowered by a relative BOUND_MARGIN for what tolerances can do to it.
SCALE = 1000.0
BOUND_MARGIN = 1e-6
HALF = 0.5  # values of integer variables that are more count as 1 at the least
NODE_WORK = 200_000  # nodes a unit of Limits.work, times x variables

Copies = dict[tuple[int, int, int], pulp.LpVariable]  # of e's k replicas on rank r


@dataclass(frozen=True, eq=False)
class MilpModel:
    """The PuLP problem with its variables; loads are multiplied by ``scale``.

    ``heaviest`` has a variable for each window, the heaviest rank there; of a pool without windows it is T alone.
    ``most`` is what a rank may carry in each; ``parts`` are the variables of (K4), none where times are not divided.
    """

    problem: pulp.LpProblem
    T: pulp.LpVariable
    heaviest: list[pulp.LpVariable]
    most: list[pulp.LpAffineExpression]
    parts: list[Parts]
    y: dict[tuple[int, int], pulp.LpVariable]
    x: Copies
    scale: float


def build(a: Assignment) -> MilpModel:
    """The model of a pool, its warm start set as the variables' initial values (section 3.2).

    Parameters
    ----------
    a : Assignment

    Returns
    -------
    MilpModel
    """
    problem = pulp.LpProblem("pool", pulp.LpMinimize)
    scale = SCALE / a.typical if a.typical > 0 else 1.0
    objective = problem.add_variable("T", lowBound=a.lower * scale)  # (V1)
    # (V1) in each window follows from (C2) to (C4)
    least = scale if a.divides else 0.0
    heaviest = [
        problem.add_variable(f"T_{k}", lowBound=least) for k in range(len(a.caps))
    ]
    parts = new_parts(a, problem)
    chosen = {
        (e, k): problem.add_variable(f"y_{e}_{k}", 0, 1, pulp.LpInteger)
        for e, k in a.expert_counts()
    }
    copies = _new_copies(a, problem)
    model = MilpModel(
        problem,
        T=objective,
        heaviest=heaviest or [objective],
        most=mean_times(a, heaviest, parts) if parts else heaviest or [objective],
        parts=parts,
        y=chosen,
        x=copies,
        scale=scale,
    )
    problem += model.T
    for add_family in FAMILIES:
        add_family(a, model)
    _set_warm_start(a, model)
    return model


def _new_copies(a: Assignment, problem: pulp.LpProblem) -> Copies:
    """x: how many of expert e's k replicas are on rank r."""
    return {
        (e, k, r): problem.add_variable(f"x_{e}_{k}_{r}", 0, a.most(k), pulp.LpInteger)
        for e, k in a.expert_counts()
        for r in a.ranks
    }


def c1_one_count(a: Assignment, m: MilpModel) -> None:
    for e, counts in enumerate(a.counts):
        chosen = pulp.lpSum(m.y[e, k] for k in counts)
        m.problem.addConstraint(chosen == 1, f"C1_{e}")


def c2_all_replicas(a: Assignment, m: MilpModel) -> None:
    for e, k in a.expert_counts():
        copies = pulp.lpSum(m.x[e, k, r] for r in a.ranks)
        m.problem.addConstraint(copies == k * m.y[e, k], f"C2_{e}_{k}")


def c3_full_ranks(a: Assignment, m: MilpModel) -> None:
    for r in a.ranks:
        held = pulp.lpSum(m.x[e, k, r] for e, k in a.expert_counts())
        m.problem.addConstraint(held == a.slots[r], f"C3_{r}")


def c4_heaviest(a: Assignment, m: MilpModel) -> None:
    for top, most, sizes, besides in zip(
        m.heaviest, m.most, a.window_sizes, a.besides, strict=True
    ):
        for r in a.ranks:
            scale = m.scale / a.speeds[r]
            terms = ((m.x[e, k, r], sizes[e, k] * scale) for e, k in a.expert_counts())
            load = pulp.LpAffineExpression(terms)
            if besides and a.slots[r]:
                load += besides * scale
            m.problem.addConstraint(load <= most, _named(f"C4_{r}", top, m))


def k4_mean_times(a: Assignment, m: MilpModel) -> None:
    most = a.most_imbalance * m.scale
    for top, parts in zip(m.heaviest, m.parts, strict=False):
        link_parts(a, m.problem, top, parts, m.y, most)


def c6_windows(a: Assignment, m: MilpModel) -> None:
    if not a.caps:
        return
    if a.caps_bind:
        mean = pulp.lpSum(
            cap * top for cap, top in zip(a.caps, m.heaviest, strict=True)
        )
        m.problem.addConstraint(mean <= m.T, "C6")
        return
    least = m.problem.add_variable("eta", lowBound=0)
    hint = a.hint_least()
    least.setInitialValue(hint * m.scale)
    worst = [least]
    for k, top in enumerate(m.heaviest):
        above = m.problem.add_variable(f"d_{k}", lowBound=0)
        above.setInitialValue(max(a.hint_heaviest()[k] - hint, 0.0) * m.scale)
        m.problem.addConstraint(above >= top - least, f"C6_{k}")
        worst.append(a.caps[k] * above)
    m.problem.addConstraint(pulp.lpSum(worst) <= m.T, "C6")


def c5_per_rank(a: Assignment, m: MilpModel) -> None:
    for e, k in a.expert_counts():
        if a.most(k) < k:  # otherwise (C2) implies it
            for r in a.ranks:
                most = a.most(k) * m.y[e, k]
                m.problem.addConstraint(m.x[e, k, r] <= most, f"C5_{e}_{k}_{r}")


def v2_replica(a: Assignment, m: MilpModel) -> None:
    scale = m.scale / a.fastest
    for top, most, sizes in zip(m.heaviest, m.most, a.window_sizes, strict=True):
        for e, counts in enumerate(a.counts):
            replica = pulp.lpSum(sizes[e, k] * scale * m.y[e, k] for k in counts)
            m.problem.addConstraint(replica <= most, _named(f"V2_{e}", top, m))


def v4_conflicts(a: Assignment, m: MilpModel) -> None:
    slots = a.pool.slots_per_rank
    for n, (heavy, middle) in enumerate(a.conflicts()):
        for r in a.ranks:
            by_heavy = pulp.lpSum(slots * m.x[e, k, r] for e, k in heavy)
            by_middle = pulp.lpSum(m.x[e, k, r] for e, k in middle)
            m.problem.addConstraint(by_heavy + by_middle <= slots, f"V4_{n}_{r}")


def s1_ranks(a: Assignment, m: MilpModel) -> None:
    for neighbour, r in a.alike_ranks():
        before: list[pulp.LpVariable] = []
        for e in a.by_load[:-1]:
            before += [m.x[e, k, neighbour] for k in a.counts[e]]
            here = pulp.lpSum(m.x[e, k, r] for k in a.counts[e])
            most = a.most(a.counts[e][-1])
            m.problem.addConstraint(here <= most * pulp.lpSum(before), f"S1_{e}_{r}")


def s2_experts(a: Assignment, m: MilpModel) -> None:
    for e, f in a.equal_loads():
        count_e = pulp.lpSum(k * m.y[e, k] for k in a.counts[e])
        count_f = pulp.lpSum(k * m.y[f, k] for k in a.counts[f])
        m.problem.addConstraint(count_e >= count_f, f"S2_{e}_{f}")


def _named(name: str, top: pulp.LpVariable, m: MilpModel) -> str:
    """A constraint's name, with its window's where there are several."""
    return name if top is m.T else f"{name}_{top.name}"


FAMILIES = (
    c1_one_count,
    c2_all_replicas,
    c3_full_ranks,
    c4_heaviest,
    k4_mean_times,
    c5_per_rank,
    c6_windows,
    v2_replica,
    v4_conflicts,
    s1_ranks,
    s2_experts,
)


def _set_warm_start(a: Assignment, m: MilpModel) -> None:
    """The incumbent as the variables' initial values."""
    hint = a.hint_x()
    for top, load in zip(m.heaviest, a.hint_heaviest(), strict=True):
        top.setInitialValue(max(load * m.scale, top.lowBound))
    m.T.setInitialValue(max(a.upper, a.lower) * m.scale)
    hint_parts(a, m.parts, m.scale)
    for (e, k), variable in m.y.items():
        variable.setInitialValue(a.hint_y(e, k))
    for key, variable in m.x.items():
        variable.setInitialValue(hint.get(key, 0))


def solve_milp(
    pool: Pool, incumbent: Packing, limits: Limits, solver: str = "highs"
) -> PoolOutcome:
    """Solve a pool with the reference MILP.

    Parameters
    ----------
    pool : Pool
    incumbent : Packing
        Valid warm start.
    limits : Limits
        ``seconds``, ``work`` (nodes in proportion), ``gap`` and ``seed``.
    solver : str
        ``"highs"`` or ``"cbc"``.

    Returns
    -------
    PoolOutcome
        The better of the incumbent and the solver's packing, recomputed here; the solver's dual bound, lowered by
        ``BOUND_MARGIN``, or None.

    Raises
    ------
    OptionError
        Unknown solver.
    SolverError
        The solver failed or returned values that violate the model.
    """
    if solver not in SOLVERS:
        raise OptionError(f"MILP solver {solver!r}: choose one of {', '.join(SOLVERS)}")
    budget = Budget.of(limits)
    a = Assignment.of(pool, incumbent)
    method = f"MILP ({SOLVERS[solver]})"
    note = too_large(a, limits)
    if note:
        return PoolOutcome(
            incumbent,
            None,
            StopReason.TOO_LARGE,
            method,
            note=note,
        )
    model = build(a)
    if budget.seconds() <= 0:
        return PoolOutcome(
            incumbent,
            None,
            StopReason.TIME,
            method,
            note=OUT_OF_TIME,
        )
    nodes = most_nodes(limits, a.num_x)
    run = run_milp(solver, model.problem, budget.limits(limits), nodes)
    best = incumbent
    if run.has_solution:
        packing = a.packing(copies_of(model))
        best = min(packing, incumbent, key=lambda p: p.objective(pool))
    lower = _bound(model, run)
    proven_by = None if lower is None else method
    return PoolOutcome(
        best,
        lower,
        run.stop,
        method,
        bound_method=proven_by,
    )


def _bound(model: MilpModel, run: Run) -> float | None:
    """The solver's bound in the unit of the loads, less what tolerances can do to it; None: it has none."""
    if run.bound is None:
        return None
    return run.bound / model.scale * (1 - BOUND_MARGIN)


def most_nodes(limits: Limits, num_x: int) -> int | None:
    """The most nodes of the tree, fewer for a larger model; None: any number."""
    if limits.work is None:
        return None
    return max(1, int(NODE_WORK * limits.work / num_x))


def copies_of(model: MilpModel) -> dict[tuple[int, int, int], int]:
    """The solution's ``x`` as integers; zeros are left out."""
    values = {key: variable.varValue or 0 for key, variable in model.x.items()}
    return {key: round(value) for key, value in values.items() if value > HALF}
