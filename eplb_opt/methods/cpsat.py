"""The reference CP-SAT model as a method."""

from __future__ import annotations

from ..outcome import PoolOutcome
from .method import Method, only_plans_of_one_node
from .option import LIMITS
from .refined import compile_refined
from .task import Report, Task


def _improve(task: Task, report: Report) -> PoolOutcome:
    from ..exact.cpsat_solver import solve_cpsat

    return solve_cpsat(task.pool, task.incumbent, task.limits)


CPSAT = Method(
    "cpsat",
    "the reference CP-SAT model (OR-Tools), for small instances",
    ("ortools",),
    options=(LIMITS,),
    improve=_improve,
    supports=only_plans_of_one_node,
    compile_all=compile_refined,
    may_do_without=("numba",),
)
