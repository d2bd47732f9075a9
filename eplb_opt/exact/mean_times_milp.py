"""Rank times over their mean in the reference MILP, where the mean depends on the counts (``models/README.md``, K4)."""

from __future__ import annotations

import pulp

from .assignment import Assignment
from .sizes import Sizes

Parts = dict[tuple[int, int], pulp.LpVariable]  # of a window's T, by expert and count


def new_parts(a: Assignment, problem: pulp.LpProblem) -> list[Parts]:
    """Z of each window: its T where expert e has k replicas, else 0; none where times are not divided."""
    windows = len(a.caps) if a.divides else 0
    return [
        {
            (e, k): problem.add_variable(f"z_{window}_{e}_{k}", lowBound=0.0)
            for e, k in a.expert_counts()
        }
        for window in range(windows)
    ]


def mean_times(
    a: Assignment, heaviest: list[pulp.LpVariable], parts: list[Parts]
) -> list[pulp.LpAffineExpression]:
    """The T of each window times its mean rank time: what a rank may take there."""
    return [
        _mean_time(a, top, sizes, besides, of_window)
        for top, sizes, besides, of_window in zip(
            heaviest, a.window_sizes, a.besides, parts, strict=True
        )
    ]


def _mean_time(
    a: Assignment, top: pulp.LpVariable, sizes: Sizes, besides: float, parts: Parts
) -> pulp.LpAffineExpression:
    mean = pulp.lpSum(
        k * sizes[e, k] / a.total_speed * part for (e, k), part in parts.items()
    )
    if besides:
        running = sum(slots > 0 for slots in a.slots)
        mean += running * besides / a.total_speed * top
    return mean


def link_parts(
    a: Assignment,
    problem: pulp.LpProblem,
    top: pulp.LpVariable,
    parts: Parts,
    chosen: Parts,
    most: float,
) -> None:
    """(K4) in a window: every expert's parts sum to T, and only that of its count is not 0."""
    for e, counts in enumerate(a.counts):
        whole = pulp.lpSum(parts[e, k] for k in counts)
        problem.addConstraint(whole == top, f"K4_{e}_{top.name}")
        for k in counts:
            limit = most * chosen[e, k]
            problem.addConstraint(parts[e, k] <= limit, f"K4_{e}_{k}_{top.name}")


def hint_parts(a: Assignment, parts: list[Parts], scale: float) -> None:
    """The warm start's values."""
    for of_window, top in zip(parts, a.hint_heaviest(), strict=False):
        for (e, k), part in of_window.items():
            part.setInitialValue(a.hint_y(e, k) * top * scale)
