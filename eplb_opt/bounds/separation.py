"""The cuts of L1 that a point violates most, over all of their parameters (``models/README.md``, L1.6)."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..certificates.cuts import AGGREGATE, THRESHOLD, Cut, companions
from ..problem.pool import Floats

LEAST_EXPONENT = -1060  # of the unit: a float still, with room for halves
PRECISION = 36  # bits of targets and levels: floats of so few bits keep the exact check in short integers


class Grid:
    """Multiples of a power of two, relative precision 2**-PRECISION at a scale.

    Parameters
    ----------
    scale : float
        A load of the size of the targets, > 0.
    """

    def __init__(self, scale: float) -> None:
        _, exponent = math.frexp(scale)
        self.unit = math.ldexp(1.0, max(exponent - PRECISION, LEAST_EXPONENT))

    def down(self, value: float) -> float:
        """The largest multiple <= value."""
        return math.floor(value / self.unit) * self.unit

    def up(self, value: float) -> float:
        """The smallest multiple >= value."""
        return math.ceil(value / self.unit) * self.unit


def aggregate_cut(grid: Grid, target: float, u: float, slots_per_rank: int) -> Cut:
    """The strongest aggregate cut with a level (L1.1): v = max(T - (s - 1) u, just above T / 2).

    Parameters
    ----------
    grid : Grid
    target : float
        T, on the grid.
    u : float
        Level of light replicas, >= 0; it is rounded down to the grid.
    slots_per_rank : int
        s.

    Returns
    -------
    Cut
    """
    u = grid.down(u)
    beyond_half = grid.down(target / 2) + grid.unit
    v = max(target - (slots_per_rank - 1) * u, beyond_half)
    return Cut(AGGREGATE, v, u)


def threshold_cut(
    grid: Grid, target: float, v: float, size: int, slots_per_rank: int
) -> Cut | None:
    """The strongest threshold cut with n companions and heavy replicas >= v (L1.2).

    Parameters
    ----------
    grid : Grid
    target : float
        T, on the grid.
    v : float
        Load of heavy replicas, rounded down to the grid.
    size : int
        n, companions of a heavy replica.
    slots_per_rank : int
        s.

    Returns
    -------
    Cut or None
        None: there is none.
    """
    v = grid.down(v)
    u = max(grid.up((target - v) / (slots_per_rank - size)), grid.unit)
    if 2 * v <= target or v > target or u >= v:
        return None
    if companions(v, u, target, slots_per_rank) < size:
        return None
    return Cut(THRESHOLD, v, u)


def retarget(
    grid: Grid, cut: Cut, old: float, new: float, slots_per_rank: int
) -> Cut | None:
    """The same cut (u, or v and n), with its multiplier, at another target (L1.5).

    Parameters
    ----------
    grid : Grid
    cut : Cut
        Valid at ``old``.
    old, new : float
        Targets, on the grid.
    slots_per_rank : int

    Returns
    -------
    Cut or None
        None: the new target has none.
    """
    moved: Cut | None
    if cut.kind == AGGREGATE:
        moved = aggregate_cut(grid, new, cut.u, slots_per_rank)
    else:
        size = companions(cut.v, cut.u, old, slots_per_rank)
        moved = threshold_cut(
            grid,
            new,
            cut.v,
            size,
            slots_per_rank,
        )
    if moved is None:
        return None
    return replace(moved, multiplier=cut.multiplier)


def violated_cuts(
    grid: Grid,
    target: float,
    slots_per_rank: int,
    value: Floats,
    mass: Floats,
    most: int,
    least: float,
) -> list[tuple[float, Cut]]:
    """The cuts that a point violates most (L1.6).

    Parameters
    ----------
    grid : Grid
    target : float
        On the grid.
    slots_per_rank : int
    value : array [n], float64
        Replica loads w_e / k of the point's support, in units of load.
    mass : array [n], float64
        Replicas of that load, k * y_ek.
    most : int
        Cuts of each kind.
    least : float
        Violations count in targets (aggregate) or replicas (threshold), from here on.

    Returns
    -------
    list of (float, Cut)
        Violation and cut; of each kind the most violated first.

    Notes
    -----
    Exact over all (v, u) up to rounding (L1.6): one pass over the sorted support.
    """
    point = _Point.of(value, mass)
    aggregate = _aggregate(
        grid,
        target,
        slots_per_rank,
        point,
        most,
        least,
    )
    threshold = _threshold(
        grid,
        target,
        slots_per_rank,
        point,
        most,
        least,
    )
    return aggregate + threshold


class _Point(NamedTuple):
    """A point's support: sorted replica loads [n], prefix sums [n + 1] of their replicas and loads."""

    value: Floats
    replicas: Floats
    load: Floats

    @classmethod
    def of(cls, value: Floats, mass: Floats) -> _Point:
        """The point of replica loads in any order."""
        order = np.argsort(value, kind="stable")
        value = value[order]
        mass = mass[order]
        counts = np.cumsum(mass)
        loads = np.cumsum(mass * value)
        none = [0.0]
        return cls(
            value,
            replicas=np.concatenate([none, counts]),
            load=np.concatenate([none, loads]),
        )


def _aggregate(
    grid: Grid, target: float, s: int, point: _Point, most: int, least: float
) -> list[tuple[float, Cut]]:
    """Violation in u at every light value and T / 2."""
    value, count, load = point
    light = int(np.searchsorted(value, target / 2, side="right"))  # values up to T / 2
    below = np.arange(light + 1)
    u = np.append(value[:light], target / 2)
    first_heavy = np.maximum(np.searchsorted(value, target - (s - 1) * u), light)
    heavy_count = count[-1] - count[first_heavy]
    heavy_load = load[-1] - load[first_heavy]
    room = (s - 1) * u - target
    left = heavy_load + room * heavy_count
    light_part = u * count[below] - load[below]
    gain = (left - light_part) / target
    violated = [i for i in peaks(gain, most, least) if u[i] > 0]
    cuts = [aggregate_cut(grid, target, float(u[i]), s) for i in violated]
    return list(zip(gain[violated].tolist(), cuts, strict=True))


def _threshold(
    grid: Grid, target: float, s: int, point: _Point, most: int, least: float
) -> list[tuple[float, Cut]]:
    """Violation at every heavy value v, for every n."""
    value, count, _ = point
    light = int(np.searchsorted(value, target / 2, side="right"))
    first = np.arange(light, value.size)
    if not first.size:
        return []
    cuts: list[tuple[float, Cut]] = []
    heavy_count = count[-1] - count[first]
    heavy_units = np.floor(value[first] / grid.unit)
    room = target - heavy_units * grid.unit
    for size in range(1, s):
        # on the grid, as in `threshold_cut`
        units = np.ceil(room / (s - size) / grid.unit)
        level = np.maximum(units, 1) * grid.unit
        lighter = np.searchsorted(value, level, side="right")
        gain = size * heavy_count - count[lighter]
        for i in peaks(gain, most, least):
            v = float(value[first[i]])
            cut = threshold_cut(grid, target, v, size, s)
            if cut is not None:
                cuts.append((float(gain[i]), cut))
    cuts.sort(key=lambda pair: -pair[0])
    return cuts[:most]


def peaks(gain: Floats, most: int, least: float) -> list[int]:
    """Positions of the largest local maxima.

    Parameters
    ----------
    gain : array [n], float64
    most : int
        How many.
    least : float
        They are above it.

    Returns
    -------
    list of int
        The largest first; plateaus count once.
    """
    if gain.size == 0:
        return []
    rises = np.concatenate([[True], gain[1:] > gain[:-1]])
    falls = np.concatenate([gain[:-1] >= gain[1:], [True]])
    tops = np.flatnonzero(rises & falls & (gain > least))
    largest_first = tops[np.argsort(-gain[tops], kind="stable")]
    return [int(i) for i in largest_first[:most]]
