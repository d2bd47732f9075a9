"""Brute-force optimum of tiny pools whose replicas have costs, in exact fractions; shares no code with the package."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise

from .oracle import best_packing, count_vectors
from .windows_oracle import across_windows, contents

Curve = Callable[[Fraction], Fraction]  # of a replica with so many tokens


def table(tokens: Sequence[float], seconds: Sequence[float]) -> Curve:
    """Points with lines between them from 0 tokens on, and the last slope beyond."""
    points = list(zip(map(Fraction, tokens), map(Fraction, seconds), strict=True))
    if points[0][0] > 0:
        points.insert(0, (Fraction(0), Fraction(0)))

    def at(n: Fraction) -> Fraction:
        for (x, y), (later, value) in pairwise(points):
            if n <= later or later == points[-1][0]:
                return y + (value - y) / (later - x) * (n - x)
        return points[-1][1]

    return at


def roofline(per_expert: float, per_token: float) -> Curve:
    """Nothing for nothing, otherwise the larger of both."""
    return lambda n: max(Fraction(per_expert), Fraction(per_token) * n) if n else Fraction(0)


def step_loads(loads: Sequence[float], routed: int | None) -> list[Fraction]:
    """Loads as shares of so many routed tokens, or as they are."""
    exact = [Fraction(load) for load in loads]
    if routed is None or not sum(exact):
        return exact
    return [load * routed / sum(exact) for load in exact]


def sum_optimum(
    loads: Sequence[float], slots: int, ranks: int, distinct: bool, curve: Curve, per_rank: float
) -> Fraction:
    """The least time of the slowest rank."""
    exact = [Fraction(load) for load in loads]
    best = None
    for counts in count_vectors(len(exact), slots, ranks if distinct else slots):
        sizes = [curve(load / count) for load, count in zip(exact, counts, strict=True)]
        items = [(size, e) for e, (size, count) in enumerate(zip(sizes, counts, strict=True)) for _ in range(count)]
        worst = sum(size for size, _ in items) + 1
        found = best_packing(items, ranks, slots // ranks, distinct, worst if best is None else best)
        best = found
    assert best is not None
    return best + Fraction(per_rank)


def windows_optimum(
    windows: Sequence[Sequence[Fraction]], weights: Sequence[float], slots: int, ranks: int, distinct: bool,
    curve: Curve, per_rank: float, across: str, level: float,
) -> Fraction:  # fmt: skip
    """The least objective of rank times, each window's over their mean."""
    pairs = [(w, Fraction(q)) for w, q in zip(windows, weights, strict=True) if sum(w) and q]
    if not pairs:
        return Fraction(1)
    whole = sum(weight for _, weight in pairs)
    shares = [weight / whole for _, weight in pairs]
    experts = len(windows[0])
    best = Fraction(ranks + 1)
    for counts in count_vectors(experts, slots, ranks if distinct else slots):
        replicas = [expert for expert, count in enumerate(counts) for _ in range(count)]
        sizes = [[curve(load / count) for load, count in zip(window, counts, strict=True)] for window, _ in pairs]
        for held in contents(replicas, ranks, slots // ranks, distinct):
            imbalance = [_imbalance(size, held, Fraction(per_rank)) for size in sizes]
            best = min(best, across_windows(imbalance, shares, across, Fraction(level)))
    return best


def _imbalance(sizes: Sequence[Fraction], held: Sequence[Sequence[int]], per_rank: Fraction) -> Fraction:
    times = [sum(sizes[e] for e in rank) + per_rank for rank in held]
    total = sum(times)
    return max(times) * len(times) / total if total else Fraction(1)
