"""All maps of tiny layers in which any one unit may fail, in exact fractions; shares no code with the package."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import combinations, combinations_with_replacement, product

Ranks = tuple[tuple[int, ...], ...]


def all_maps(experts: int, ranks: int, slots: int, distinct: bool) -> Iterator[Ranks]:
    """Every valid map of one pool, without the order of slots."""
    choose = combinations if distinct else combinations_with_replacement
    for held in product(list(choose(range(experts), slots)), repeat=ranks):
        if len(set().union(*held)) == experts:
            yield held


def survives(held: Ranks, units: list[int], experts: int) -> bool:
    """Whether every expert has a replica when any one unit is gone."""
    for failed in set(units):
        left = set().union(*(row for row, unit in zip(held, units, strict=True) if unit != failed))
        if len(left) < experts:
            return False
    return True


def heaviest(held: Ranks, loads: list[Fraction]) -> Fraction:
    flat = [expert for row in held for expert in row]
    share = [load / flat.count(expert) for expert, load in enumerate(loads)]
    return max(sum((share[expert] for expert in row), Fraction(0)) for row in held)


def mean_imbalance(held: Ranks, windows: list[list[Fraction]]) -> Fraction:
    """The mean over windows of heaviest over mean rank load."""
    values = [heaviest(held, loads) * len(held) / sum(loads) for loads in windows]
    return sum(values, Fraction(0)) / len(values)


def spare_optimum(loads: list[float], ranks: int, slots: int, units: list[int], distinct: bool) -> Fraction | None:
    """The least heaviest rank of maps in which any one unit may fail; None if there is no such map."""
    exact = [Fraction(load) for load in loads]
    maps = all_maps(len(loads), ranks, slots, distinct)
    values = [heaviest(held, exact) for held in maps if survives(held, units, len(loads))]
    return min(values, default=None)
