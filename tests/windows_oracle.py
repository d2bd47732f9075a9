"""Brute-force optimum of tiny pools over windows, in exact fractions; shares no code with the package."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import combinations, product

from .oracle import count_vectors

Loads = list[list[Fraction]]  # [windows, experts], a window's mean rank load is one


def normalised(loads: Sequence[Sequence[float]], ranks: int) -> Loads:
    """Windows with a mean rank load of one; silent ones are left out."""
    exact = [[Fraction(load) for load in window] for window in loads]
    return [[load * ranks / sum(window) for load in window] for window in exact if sum(window)]


def contents(replicas: list[int], ranks: int, slots: int, distinct: bool) -> Iterator[list[list[int]]]:
    """All ways to fill the ranks, whose order does not matter, with the experts of replicas in ascending order."""
    held: list[list[int]] = [[] for _ in range(ranks)]

    def place(i: int) -> Iterator[list[list[int]]]:
        if i == len(replicas):
            yield held
            return
        tried = set()
        for rank in held:
            if len(rank) == slots or tuple(rank) in tried or (distinct and replicas[i] in rank):
                continue
            tried.add(tuple(rank))
            rank.append(replicas[i])
            yield from place(i + 1)
            rank.pop()

    yield from place(0)


def across_windows(imbalance: list[Fraction], shares: list[Fraction], across: str, level: Fraction) -> Fraction:
    """What the objective makes of the imbalances of windows with shares that sum to one."""
    if across == "max":
        return max(imbalance)
    left = 1 - level if across == "cvar" else Fraction(1)
    whole = left
    total = Fraction(0)
    for value, share in sorted(zip(imbalance, shares, strict=True), reverse=True):
        taken = min(share, left)
        total += taken * value
        left -= taken
    return total / whole


def windows_optimum(
    loads: Sequence[Sequence[float]], weights: Sequence[float], slots: int, ranks: int, distinct: bool, across: str,
    level: float,
) -> Fraction:  # fmt: skip
    """The least objective of all packings."""
    windows = normalised(loads, ranks)
    heard = [Fraction(weight) for weight, window in zip(weights, loads, strict=True) if sum(window)]
    if not sum(heard):
        return Fraction(1)
    pairs = [(window, weight / sum(heard)) for window, weight in zip(windows, heard, strict=True) if weight]
    shares = [share for _, share in pairs]
    experts = len(loads[0])
    best = Fraction(ranks + 1)
    for counts in count_vectors(experts, slots, ranks if distinct else slots):
        replicas = [expert for expert, count in enumerate(counts) for _ in range(count)]
        of_replica = [[load / count for load, count in zip(window, counts, strict=True)] for window, _ in pairs]
        for held in contents(replicas, ranks, slots // ranks, distinct):
            imbalance = [max(sum(load[e] for e in rank) for rank in held) for load in of_replica]
            best = min(best, across_windows(imbalance, shares, across, Fraction(level)))
    return best


def nodes_optimum(
    loads: Sequence[Sequence[float]], slots: int, ranks: int, distinct: bool, across: str, level: float
) -> Fraction:
    """The least objective of all maps on two nodes, of which each has half of the experts; each expert is a group."""
    windows = normalised(loads, ranks)
    shares = [Fraction(1, len(windows))] * len(windows)
    experts = range(len(loads[0]))
    halves = [half for half in combinations(experts, len(experts) // 2) if 0 in half]
    best = Fraction(ranks + 1)
    for half in halves:
        other = tuple(expert for expert in experts if expert not in half)
        of_node = [set(_heaviest(windows, node, slots // 2, ranks // 2, distinct)) for node in (half, other)]
        for pair in product(*of_node):
            imbalance = [max(both) for both in zip(*pair, strict=True)]
            best = min(best, across_windows(imbalance, shares, across, Fraction(level)))
    return best


def _heaviest(
    windows: Loads, node: Sequence[int], slots: int, ranks: int, distinct: bool
) -> Iterator[tuple[Fraction, ...]]:
    """Of all packings of a node's experts the heaviest rank in every window."""
    for counts in count_vectors(len(node), slots, ranks if distinct else slots):
        replicas = [expert for expert, count in enumerate(counts) for _ in range(count)]
        for held in contents(replicas, ranks, slots // ranks, distinct):
            yield tuple(max(sum(window[node[e]] / counts[e] for e in rank) for rank in held) for window in windows)
