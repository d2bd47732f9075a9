"""The cuts of L1 that a point violates most, over all of their parameters (``models/README.md``, L1.6)."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ..certificates.cuts import AGGREGATE, THRESHOLD, Cut, companions
from ..problem.pool import Floats

PRECISION = 36  # bits of targets and levels: floats of so few bits keep the exact check in short integers


class Grid:
    """Multiples of a power of two, relative precision 2**-PRECISION at ``scale``."""

    def __init__(self, scale: float) -> None:
        self.unit = math.ldexp(1.0, max(math.frexp(scale)[1] - PRECISION, -1060))

    def down(self, value: float) -> float:
        """The largest multiple <= value."""
        return math.floor(value / self.unit) * self.unit

    def up(self, value: float) -> float:
        """The smallest multiple >= value."""
        return math.ceil(value / self.unit) * self.unit


def aggregate_cut(grid: Grid, target: float, u: float, slots_per_rank: int) -> Cut:
    """The strongest aggregate cut with level u, on the grid: v = max(T - (s - 1) u, just above T / 2)."""
    u = grid.down(u)
    return Cut(AGGREGATE, max(target - (slots_per_rank - 1) * u, grid.down(target / 2) + grid.unit), u)


def threshold_cut(grid: Grid, target: float, v: float, size: int, slots_per_rank: int) -> Cut | None:
    """The strongest threshold cut with n = size and heavy replicas >= v, on the grid; None if there is none."""
    v = grid.down(v)
    u = max(grid.up((target - v) / (slots_per_rank - size)), grid.unit)
    if 2 * v <= target or v > target or u >= v or companions(v, u, target, slots_per_rank) < size:
        return None
    return Cut(THRESHOLD, v, u)


def retarget(grid: Grid, cut: Cut, old: float, new: float, slots_per_rank: int) -> Cut | None:
    """The same cut (u, or v and n) at another target; None if that target has none."""
    found: Cut | None
    if cut.kind == AGGREGATE:
        found = aggregate_cut(grid, new, cut.u, slots_per_rank)
    else:
        size = companions(cut.v, cut.u, old, slots_per_rank)
        found = threshold_cut(grid, new, cut.v, size, slots_per_rank)
    return None if found is None else replace(found, multiplier=cut.multiplier)


def violated_cuts(
    grid: Grid, target: float, slots_per_rank: int, value: Floats, mass: Floats, most: int, least: float
) -> list[tuple[float, Cut]]:
    """At most ``most`` cuts of each kind that are violated by more than ``least``, with the violation.

    Parameters
    ----------
    value : array [n], float64
        Replica loads w_e / k of the point's support, in units of load.
    mass : array [n], float64
        Replicas of that load, k * y_ek.
    least : float
        Violations count in targets (aggregate) or replicas (threshold).

    Notes
    -----
    Exact over all (v, u) up to rounding (L1.6): one pass over the sorted support.
    """
    order = np.argsort(value, kind="stable")
    value, mass = value[order], mass[order]
    count = np.concatenate([[0.0], np.cumsum(mass)])
    load = np.concatenate([[0.0], np.cumsum(mass * value)])
    found = _aggregate(grid, target, slots_per_rank, value, count, load, most, least)
    return found + _threshold(grid, target, slots_per_rank, value, count, most, least)


def _aggregate(
    grid: Grid, target: float, s: int, value: Floats, count: Floats, load: Floats, most: int, least: float
) -> list[tuple[float, Cut]]:
    """Violation in u at every light value and T / 2; prefix sums ``count``, ``load`` [n + 1] of sorted values [n]."""
    below = np.arange(int(np.searchsorted(value, target / 2, side="right")) + 1)
    u = np.append(value[: below.size - 1], target / 2)
    first = np.maximum(np.searchsorted(value, target - (s - 1) * u), below.size - 1)  # the first heavy one
    left = load[-1] - load[first] + ((s - 1) * u - target) * (count[-1] - count[first])
    gain = (left - (u * count[below] - load[below])) / target
    return [(float(gain[i]), aggregate_cut(grid, target, float(u[i]), s)) for i in peaks(gain, most, least) if u[i] > 0]


def _threshold(
    grid: Grid, target: float, s: int, value: Floats, count: Floats, most: int, least: float
) -> list[tuple[float, Cut]]:
    """Violation at every heavy value v, for every n; prefix sums ``count`` [n + 1] of the sorted values [n]."""
    found: list[tuple[float, Cut]] = []
    first = np.arange(int(np.searchsorted(value, target / 2, side="right")), value.size)
    heavy = count[-1] - count[first]
    room = target - np.floor(value[first] / grid.unit) * grid.unit
    for size in range(1, s) if first.size else ():
        level = np.maximum(np.ceil(room / (s - size) / grid.unit), 1) * grid.unit  # as in threshold_cut
        light = count[np.searchsorted(value, level, side="right")]
        gain = size * heavy - light
        cuts = [(float(gain[i]), threshold_cut(grid, target, float(value[first[i]]), size, s))
                for i in peaks(gain, most, least)]  # fmt: skip
        found += [(g, cut) for g, cut in cuts if cut is not None]
    found.sort(key=lambda pair: -pair[0])
    return found[:most]


def peaks(gain: Floats, most: int, least: float) -> list[int]:
    """Positions of the ``most`` largest local maxima above ``least``; plateaus count once."""
    if gain.size == 0:
        return []
    rises = np.concatenate([[True], gain[1:] > gain[:-1]])
    falls = np.concatenate([gain[:-1] >= gain[1:], [True]])
    tops = np.flatnonzero(rises & falls & (gain > least))
    return [int(i) for i in tops[np.argsort(-gain[tops], kind="stable")][:most]]
