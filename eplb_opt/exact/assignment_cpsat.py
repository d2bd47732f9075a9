"""Reference CP-SAT model: the assignment formulation in OR-Tools, the mirror of `assignment_milp`.

Loads are scaled to integers and rounded down (``models/README.md``, section 3.3): the bound proven in integers is a
bound of the pool, and packings are judged by their real loads outside the solver.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from ortools.sat.python import cp_model

from ..problem.pool import Pool
from .assignment import Assignment
from .mean_times_cpsat import add_divided

# The mean rank load has about this many bits: rounding costs at most slots_per_rank / 2^24 of it.
MEAN_BITS = 24
# With windows about this many, and the caps of their weights this unit, so that objectives are exact as floats.
WINDOW_BITS = 20
CAP_UNIT = 2**20

Loads = dict[tuple[int, int], int]  # of one of e's k replicas
Copies = dict[tuple[int, int, int], cp_model.IntVar]  # of e's k replicas on rank r


@dataclass(frozen=True, eq=False)
class CpSatModel:
    """The CP-SAT model with its variables.

    ``loads[k][e, c]`` is ``floor(scale * w_ke / c)`` of window k, and ``heaviest`` has a variable for each window; of a
    plain pool both have one entry, and T is the objective. Of unequal ranks they are those of the fastest one, whose
    loads are over its speed, and ``by_speed`` has those of every speed. ``unit`` is what the objective counts a load of
    1 for.
    """

    model: cp_model.CpModel
    heaviest: list[cp_model.IntVar]
    y: dict[tuple[int, int], cp_model.IntVar]
    x: Copies
    loads: list[Loads]
    by_speed: dict[float, list[Loads]]
    scale: Fraction
    unit: Fraction


def scale_of(pool: Pool, typical: float | None = None) -> Fraction:
    """Power of two that brings the mean rank load, or the slots a rank if they are more, near 2^24 (section 3.3).

    Parameters
    ----------
    pool : Pool
    typical : float, optional
        What to take for the mean, of a pool with a cost.

    Returns
    -------
    Fraction
        Integer loads a unit of load.
    """
    mean = pool.total / pool.ranks if typical is None else Fraction(typical)
    if mean == 0:
        return Fraction(1)
    bits = MEAN_BITS if pool.windows is None else WINDOW_BITS
    bits += math.ceil(math.log2(pool.slots_per_rank))
    magnitude = mean.numerator.bit_length() - mean.denominator.bit_length()
    return Fraction(2) ** (bits - magnitude)


def build(a: Assignment) -> CpSatModel:
    """The model of a pool with a complete hint (section 3.2).

    Parameters
    ----------
    a : Assignment

    Returns
    -------
    CpSatModel
    """
    scale = scale_of(a.pool) if a.pool.cost is None else scale_of(a.pool, a.typical)
    by_speed = {speed: whole_loads(a, scale, speed) for speed in set(a.speeds)}
    windows = range(len(a.window_sizes))
    tops = [_heaviest(a, by_speed, scale, window) for window in windows]
    if a.divides:
        tops = [math.ceil(top * scale) for top in a.hint_heaviest()]
    model = cp_model.CpModel()
    heaviest = _new_heaviest(a, model, scale, tops)
    chosen = {(e, k): model.new_bool_var(f"y_{e}_{k}") for e, k in a.expert_counts()}
    copies = new_copies(a, model)
    m = CpSatModel(
        model,
        heaviest=heaviest,
        y=chosen,
        x=copies,
        loads=by_speed[a.fastest],
        by_speed=by_speed,
        scale=scale,
        unit=scale * CAP_UNIT if a.caps else scale,
    )
    for add_family in DIVIDED if a.divides else FAMILIES:
        add_family(a, m)
    minimise(a, m)
    add_hints(a, m, tops)
    return m


def _new_heaviest(
    a: Assignment, model: cp_model.CpModel, scale: Fraction, tops: list[int]
) -> list[cp_model.IntVar]:
    """T, or the heaviest rank of each window."""
    rounded = _rounded(a)
    if not a.caps:
        # (V1), less what rounding down can take
        least = math.floor(scale * Fraction(a.lower)) - rounded
        return [model.new_int_var(min(least, tops[0]), tops[0], "T")]
    # in a window the mean rank load is one, and one rank has no more than all of them
    least = math.floor(scale) - rounded
    most = _most(a, scale)
    return [
        model.new_int_var(min(least, top), max(most, top), f"T_{k}")
        for k, top in enumerate(tops)
    ]


def _rounded(a: Assignment) -> int:
    """How many numbers are rounded down on a rank."""
    return a.pool.slots_per_rank + (a.pool.unequal is not None)


def _most(a: Assignment, scale: Fraction) -> int:
    """What the heaviest rank of a window may come to."""
    return math.ceil(scale * Fraction(a.most_imbalance)) + _rounded(a)


def minimise(a: Assignment, m: CpSatModel) -> None:
    """The objective: T, or by (C6) what the windows' heaviest ranks come to, in integers rounded down."""
    if not a.caps:
        m.model.minimize(m.heaviest[0])
        return
    caps = [math.floor(Fraction(cap) * CAP_UNIT) for cap in a.caps]
    if a.caps_bind:
        m.model.minimize(cp_model.LinearExpr.weighted_sum(m.heaviest, caps))
        return
    most = _most(a, m.scale)
    least = m.model.new_int_var(0, most, "eta")
    above = []
    for k, top in enumerate(m.heaviest):
        over = m.model.new_int_var(0, most, f"d_{k}")
        m.model.add(over >= top - least)
        above.append(over)
    worst = cp_model.LinearExpr.weighted_sum(above, caps)
    m.model.minimize(CAP_UNIT * least + worst)


def new_copies(a: Assignment, model: cp_model.CpModel) -> Copies:
    """x: how many of expert e's k replicas are on rank r."""
    return {
        (e, k, r): model.new_int_var(0, a.most(k), f"x_{e}_{k}_{r}")
        for e, k in a.expert_counts()
        for r in a.ranks
    }


def whole_loads(a: Assignment, scale: Fraction, speed: float) -> list[Loads]:
    """What a replica of each (expert, count) adds to a rank of this speed in each window, rounded down."""
    at_speed = scale / Fraction(speed)
    if a.pool.cost is None:
        return [integer_loads(a, row, at_speed) for row in a.window_loads]
    return [
        {pair: math.floor(at_speed * Fraction(size)) for pair, size in sizes.items()}
        for sizes in a.window_sizes
    ]


def _besides(a: Assignment, scale: Fraction, window: int, rank: int) -> int:
    """What a rank takes besides in a window, rounded down."""
    if not a.slots[rank]:
        return 0
    work = Fraction(a.besides[window])
    return math.floor(scale / Fraction(a.speeds[rank]) * work)


def integer_loads(a: Assignment, loads: list[float], scale: Fraction) -> Loads:
    """Load of one of k replicas of expert e, rounded down."""
    return {
        (e, k): math.floor(scale * Fraction(loads[e]) / k) for e, k in a.expert_counts()
    }


def add_hints(a: Assignment, m: CpSatModel, tops: list[int]) -> None:
    """The warm start's values of the variables."""
    hint = a.hint_x()
    for variable, top in zip(m.heaviest, tops, strict=True):
        m.model.add_hint(variable, top)
    for (e, k), variable in m.y.items():
        m.model.add_hint(variable, a.hint_y(e, k))
    for key, variable in m.x.items():
        m.model.add_hint(variable, hint.get(key, 0))


def c1_one_count(a: Assignment, m: CpSatModel) -> None:
    for e, counts in enumerate(a.counts):
        m.model.add_exactly_one(m.y[e, k] for k in counts)


def c2_all_replicas(a: Assignment, m: CpSatModel) -> None:
    for e, k in a.expert_counts():
        copies = sum(m.x[e, k, r] for r in a.ranks)
        m.model.add(copies == k * m.y[e, k])


def c3_full_ranks(a: Assignment, m: CpSatModel) -> None:
    for r in a.ranks:
        held = sum(m.x[e, k, r] for e, k in a.expert_counts())
        m.model.add(held == a.slots[r])


def c4_heaviest(a: Assignment, m: CpSatModel) -> None:
    pairs = list(a.expert_counts())
    for window, top in enumerate(m.heaviest):
        for r in a.ranks:
            load = m.by_speed[a.speeds[r]][window]
            weights = [load[pair] for pair in pairs]
            copies = [m.x[e, k, r] for e, k in pairs]
            held = cp_model.LinearExpr.weighted_sum(copies, weights)
            m.model.add(held <= top - _besides(a, m.scale, window, r))


def k4_mean_times(a: Assignment, m: CpSatModel) -> None:
    add_divided(a, m.model, m.heaviest, m.y, m.x, int(m.scale))


def c5_per_rank(a: Assignment, m: CpSatModel) -> None:
    for e, k in a.expert_counts():
        if a.most(k) < k:  # otherwise (C2) implies it
            for r in a.ranks:
                m.model.add(m.x[e, k, r] <= a.most(k) * m.y[e, k])


def v2_replica(a: Assignment, m: CpSatModel) -> None:
    for top, loads in zip(m.heaviest, m.loads, strict=True):
        for e, counts in enumerate(a.counts):
            replica = sum(loads[e, k] * m.y[e, k] for k in counts)
            m.model.add(replica <= top)


def v4_conflicts(a: Assignment, m: CpSatModel) -> None:
    slots = a.pool.slots_per_rank
    for heavy, middle in a.conflicts():
        for r in a.ranks:
            by_heavy = sum(slots * m.x[e, k, r] for e, k in heavy)
            by_middle = sum(m.x[e, k, r] for e, k in middle)
            m.model.add(by_heavy + by_middle <= slots)


def s1_ranks(a: Assignment, m: CpSatModel) -> None:
    for neighbour, r in a.alike_ranks():
        before: list[cp_model.IntVar] = []
        for e in a.by_load[:-1]:
            before += [m.x[e, k, neighbour] for k in a.counts[e]]
            here = sum(m.x[e, k, r] for k in a.counts[e])
            most = a.most(a.counts[e][-1])
            m.model.add(here <= most * cp_model.LinearExpr.sum(before))


def s2_experts(a: Assignment, m: CpSatModel) -> None:
    for e, f in a.equal_loads():
        count_e = sum(k * m.y[e, k] for k in a.counts[e])
        count_f = sum(k * m.y[f, k] for k in a.counts[f])
        m.model.add(count_e >= count_f)


FAMILIES = (
    c1_one_count,
    c2_all_replicas,
    c3_full_ranks,
    c4_heaviest,
    c5_per_rank,
    v2_replica,
    v4_conflicts,
    s1_ranks,
    s2_experts,
)
# Where rank times are over their mean (K4).
DIVIDED = (
    c1_one_count,
    c2_all_replicas,
    c3_full_ranks,
    k4_mean_times,
    c5_per_rank,
    s1_ranks,
    s2_experts,
)


def _heaviest(
    a: Assignment, by_speed: dict[float, list[Loads]], scale: Fraction, window: int
) -> int:
    """The warm start's heaviest rank in integer loads."""
    counts = a.incumbent.counts(a.pool).tolist()
    sums = []
    for r, held in enumerate(a.incumbent_ranks):
        load = by_speed[a.speeds[r]][window]
        of_replicas = sum(load[e, counts[e]] for e in held)
        sums.append(of_replicas + _besides(a, scale, window, r))
    return max(sums)
