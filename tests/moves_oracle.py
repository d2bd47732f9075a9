"""Brute force over all maps of tiny pools, in integers; shares no code with the package."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations_with_replacement, product
from math import lcm

Held = Sequence[Sequence[bool]]  # [ranks, experts]
Frontier = dict[int, Fraction]  # of a number of moves, the least heaviest rank of all maps with just so many


def contents(experts: int, slots: int, distinct: bool) -> list[tuple[int, ...]]:
    """How many replicas of each expert a rank may have."""
    found = []
    for held in combinations_with_replacement(range(experts), slots):
        copies = tuple(held.count(expert) for expert in range(experts))
        if not distinct or max(copies) <= 1:
            found.append(copies)
    return found


def new_replicas(copies: Sequence[int], held: Sequence[bool]) -> int:
    return sum(number for number, is_held in zip(copies, held, strict=True) if not is_held)


def frontier(loads: Sequence[float], slots: int, ranks: int, held: Held, distinct: bool = False) -> Frontier:
    """Over all maps: every content of every rank, ranks told apart."""
    shares = lcm(*range(1, slots + 1))  # a load of 1 has so many parts: shares among any number of replicas are whole
    exact = [Fraction(load) for load in loads]
    unit = shares * lcm(*(load.denominator for load in exact))
    whole = [int(load * unit) for load in exact]
    possible = contents(len(loads), slots // ranks, distinct)
    of_rank = [[(new_replicas(copies, row), copies) for copies in possible] for row in held]
    best: dict[int, int] = {}
    for ranks_now in product(*of_rank):
        counts = [sum(numbers) for numbers in zip(*(copies for _, copies in ranks_now), strict=True)]
        if not all(counts):
            continue
        moves = sum(new for new, _ in ranks_now)
        replica = [load // count for load, count in zip(whole, counts, strict=True)]
        heaviest = max(sum(map(int.__mul__, copies, replica)) for _, copies in ranks_now)
        if heaviest < best.get(moves, heaviest + 1):
            best[moves] = heaviest
    return {moves: Fraction(heaviest, unit) for moves, heaviest in sorted(best.items())}


def least_load(best: Frontier, max_moves: int) -> Fraction | None:
    return min((load for moves, load in best.items() if moves <= max_moves), default=None)


def fewest_moves(best: Frontier, target: Fraction) -> int | None:
    return min((moves for moves, load in best.items() if load <= target), default=None)


def least_cost(best: Frontier, mean: Fraction, move_price: Fraction) -> Fraction:
    """Imbalance, which is 1 without any load, plus the price of the moves."""
    return min((load / mean if mean else 1) + move_price * moves for moves, load in best.items())
