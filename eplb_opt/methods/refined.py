"""The production heuristic as a method."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..problem.instance import Instance
from ..problem.placement import Placement
from ..refined_options import (
    DISTANCE_IS,
    GREEDY_CHECK,
    STEPS,
    STEPS_ARE,
    WORKERS_ARE,
    distance,
    step_count,
    worker_count,
)
from .method import Method, no_times_over_nodes
from .option import Option, instance_of

if TYPE_CHECKING:
    import torch

COMPILED = Option(
    "compiled",
    True,
    instance_of(bool),
    "a bool",
    "let numba do what it does faster on a CPU, where it is installed; the bits are the same",
    parse=None,
)
WORKERS = Option(
    "workers",
    1,
    worker_count,
    WORKERS_ARE,
    "threads for plans over windows; the map is the same with any number",
    int,
)
OPTIONS = (
    Option("steps", STEPS, step_count, STEPS_ARE, "exchange steps: the work", int),
    Option(
        "greedy_check",
        GREEDY_CHECK,
        distance,
        DISTANCE_IS,
        "layers that end further above a bound than this (relatively) are compared with the greedy's map",
        float,
    ),
    COMPILED,
    WORKERS,
)


def place(
    instance: Instance,
    device: torch.device | str = "cpu",
    workers: int = 1,
    **options: Any,
) -> Placement:
    """Plans over windows and in time take the number of workers only; the other options are those of tokens, added."""
    if instance.is_of_sizes:
        from ..costs.plan import plan_in_time

        return plan_in_time(instance, workers=workers)
    if not instance.objective.adds_windows:
        from ..foresight.plan import plan_windows

        return plan_windows(instance, workers=workers)
    from ..heuristics.refine import refined

    return refined(instance, device, **options)


def compile_refined() -> None:
    """Call what the heuristic compiles."""
    from ..heuristics import refine

    refine.compile_kernels()


def compile_windows() -> None:
    """Call what plans over windows compile besides."""
    from ..foresight import plan

    plan.compile_kernels()


REFINED = Method(
    "refined",
    "the production heuristic: milliseconds, never worse than the greedy",
    options=OPTIONS,
    place=place,
    on_device=True,
    chooses=True,
    supports=no_times_over_nodes,
    compile_all=compile_refined,
    compile_windows=compile_windows,
    may_do_without=("numba",),
    compiles_if=COMPILED,
)
