"""Rank times over their mean in the reference CP-SAT model, the mirror of `mean_times_milp` (K4)."""

from __future__ import annotations

import math
from fractions import Fraction

from ortools.sat.python import cp_model

from .assignment import Assignment

SIZE_UNIT = Fraction(2**20)  # the mean rank time of the warm start in integers

Pair = tuple[int, int]


def add_divided(
    a: Assignment,
    model: cp_model.CpModel,
    heaviest: list[cp_model.IntVar],
    chosen: dict[Pair, cp_model.IntVar],
    copies: dict[tuple[int, int, int], cp_model.IntVar],
    unit: int,
) -> None:
    """(C4) with (K4): no rank takes more than T times the mean, T in so many units.

    Sizes on a rank are rounded down and those of the mean up, so that T rounded up keeps the rows.
    """
    pairs = list(a.expert_counts())
    running = sum(slots > 0 for slots in a.slots)
    of_all = math.floor(unit * Fraction(a.total_speed))
    for window, (top, sizes) in enumerate(zip(heaviest, a.window_sizes, strict=True)):
        exact = {pair: Fraction(sizes[pair]) * SIZE_UNIT for pair in pairs}
        parts = _new_parts(a, model, chosen, top, unit, window)
        whole = [math.ceil(k * exact[e, k]) for e, k in pairs]
        mean = cp_model.LinearExpr.weighted_sum([parts[pair] for pair in pairs], whole)
        besides = Fraction(a.besides[window]) * SIZE_UNIT
        for r in a.ranks:
            held = [copies[e, k, r] for e, k in pairs]
            speed = Fraction(a.speeds[r])
            on_rank = [math.floor(exact[pair] / speed) * of_all for pair in pairs]
            time = cp_model.LinearExpr.weighted_sum(held, on_rank)
            if besides and a.slots[r]:
                time += math.floor(besides / speed) * of_all
                model.add(time <= mean + math.ceil(running * besides) * top)
            else:
                model.add(time <= mean)


def _new_parts(
    a: Assignment,
    model: cp_model.CpModel,
    chosen: dict[Pair, cp_model.IntVar],
    top: cp_model.IntVar,
    unit: int,
    window: int,
) -> dict[Pair, cp_model.IntVar]:
    """T where expert e has k replicas, else 0, with the warm start's values."""
    most = math.ceil(unit * Fraction(a.most_imbalance))
    hint = math.ceil(a.hint_heaviest()[window] * unit)
    parts = {}
    for e, counts in enumerate(a.counts):
        for k in counts:
            part = model.new_int_var(0, most, f"z_{window}_{e}_{k}")
            model.add(part <= most * chosen[e, k])
            model.add_hint(part, hint * a.hint_y(e, k))
            parts[e, k] = part
        model.add(sum(parts[e, k] for k in counts) == top)
    return parts
