"""The production heuristic as a method."""

from __future__ import annotations

from ..problem.instance import Instance
from ..problem.placement import Placement
from .method import Method


def _place(instance: Instance) -> Placement:
    if not instance.objective.adds_windows:
        from ..foresight.plan import plan_windows

        return plan_windows(instance)
    from ..heuristics.refine import refined

    return refined(instance)


def compile_refined() -> None:
    """Call what the heuristic compiles."""
    from ..heuristics import refine

    refine.compile_kernels()


def _compile_windows() -> None:
    from ..foresight import plan

    plan.compile_kernels()


REFINED = Method(
    "refined",
    "the production heuristic: milliseconds, never worse than the greedy",
    place=_place,
    compile_all=compile_refined,
    compile_windows=_compile_windows,
    may_do_without=("numba",),
)
