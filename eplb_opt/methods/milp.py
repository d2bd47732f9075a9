"""The reference MILP as a method."""

from __future__ import annotations

from ..outcome import PoolOutcome
from .method import Method, only_plans_of_one_node
from .option import LIMITS
from .refined import compile_refined
from .task import Report, Task


def _improve(task: Task, report: Report) -> PoolOutcome:
    from ..exact.assignment_milp import solve_milp

    return solve_milp(task.pool, task.incumbent, task.limits)


MILP = Method(
    "milp",
    "the reference MILP (PuLP with HiGHS), for small instances",
    ("pulp", "highspy"),
    options=(LIMITS,),
    improve=_improve,
    supports=only_plans_of_one_node,
    compile_all=compile_refined,
    may_do_without=("numba",),
)
