"""The portfolio: cheapest proof first. A step that raises costs what it would have found, nothing more."""

from __future__ import annotations

from ..outcome import PoolOutcome
from ..problem.status import StopReason
from .attempt import Attempt
from .method import Method, no_times_over_nodes
from .option import LIMITS
from .refined import compile_refined, compile_windows
from .schedule import SCHEDULE, TIME_SCHEDULE, UNEQUAL_SCHEDULE
from .task import Report, Task
from .window_schedule import WINDOW_SCHEDULE

MOST_MATCHED_SLOTS = 2  # a rank, up to which counts alone decide


def _improve(task: Task, report: Report) -> PoolOutcome:
    attempt = Attempt(task, report)
    if task.pool.unequal is not None:
        return attempt.run(UNEQUAL_SCHEDULE)
    if task.pool.cost is not None:
        return attempt.run(TIME_SCHEDULE)
    if not task.pool.is_plain:
        return attempt.run(WINDOW_SCHEDULE)
    if task.pool.slots_per_rank <= MOST_MATCHED_SLOTS:
        from ..exact.matching import solve_matching

        least = max(task.lower_bound, task.target)
        outcome = solve_matching(
            task.pool, task.incumbent, task.limits, least, task.cutoff, report
        )
        if outcome.stop is not StopReason.FAILED:
            return outcome
        attempt = Attempt(task, report)  # the pool is too large for the matching model
        attempt.start_from(outcome)
    return attempt.run(SCHEDULE)


def _compile() -> None:
    from ..exact import counts, matching
    from ..search import count_ranges, covers, search

    compile_refined()
    search.compile_kernels()
    counts.compile_kernels()
    count_ranges.compile_kernels()
    covers.compile_kernels()
    matching.compile_kernels()


OPTIMAL = Method(
    "optimal",
    "bounds, searches and exact methods, the cheapest proof first",
    ("numba", "highspy", "ortools"),
    options=(LIMITS,),
    improve=_improve,
    repeats=True,
    chooses=True,
    supports=no_times_over_nodes,
    compile_all=_compile,
    compile_windows=compile_windows,
)
