"""Brute-force optimum of tiny instances in exact fractions; shares no code with the package."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from itertools import combinations


def count_vectors(experts: int, slots: int, most: int) -> Iterator[tuple[int, ...]]:
    if experts == 1:
        if 1 <= slots <= most:
            yield (slots,)
        return
    for first in range(1, min(most, slots - experts + 1) + 1):
        for rest in count_vectors(experts - 1, slots - first, most):
            yield (first, *rest)


def best_packing(
    items: list[tuple[Fraction, int]], ranks: int, slots: int, distinct: bool, upper: Fraction
) -> Fraction:
    """Least heaviest rank of some (load, expert) items, or ``upper`` if none is below it."""
    items = sorted(items, reverse=True)
    best = upper

    def place(i: int, load: list[Fraction], held: list[list[int]]) -> None:
        nonlocal best
        if i == len(items):
            best = min(best, max(load))
            return
        tried = set()
        for r in range(ranks):
            state = (load[r], tuple(sorted(held[r])))
            if len(held[r]) == slots or state in tried or (distinct and items[i][1] in held[r]):
                continue
            tried.add(state)
            if load[r] + items[i][0] >= best:
                continue
            load[r] += items[i][0]
            held[r].append(items[i][1])
            place(i + 1, load, held)
            held[r].pop()
            load[r] -= items[i][0]

    place(0, [Fraction(0)] * ranks, [[] for _ in range(ranks)])
    return best


@cache
def pool_optimum(loads: tuple[float, ...], slots: int, ranks: int, distinct: bool = False) -> Fraction:
    exact = [Fraction(w) for w in loads]
    best = sum(exact) * 2 + 1
    for counts in count_vectors(len(loads), slots, ranks if distinct else slots):
        items = [(w / c, e) for e, (w, c) in enumerate(zip(exact, counts, strict=True)) for _ in range(c)]
        best = best_packing(items, ranks, slots // ranks, distinct, best)
    return best


def layer_optimum(
    loads: tuple[float, ...], replicas: int, groups: int, nodes: int, ranks: int, distinct: bool = False
) -> Fraction:
    """Hierarchical mode: over all partitions of groups into nodes."""
    if nodes == 1 or groups % nodes:
        return pool_optimum(loads, replicas, ranks, distinct)
    size = len(loads) // groups

    def value(chosen: tuple[int, ...]) -> Fraction:
        pool = tuple(loads[g * size + j] for g in chosen for j in range(size))
        return pool_optimum(pool, replicas // nodes, ranks // nodes, distinct)

    def over(left: tuple[int, ...]) -> Fraction:
        if not left:
            return Fraction(0)
        options = []
        for others in combinations(left[1:], groups // nodes - 1):
            chosen = (left[0], *others)
            options.append(max(value(chosen), over(tuple(g for g in left if g not in chosen))))
        return min(options)

    return over(tuple(range(groups)))
