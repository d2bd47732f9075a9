"""Brute-force optimum of tiny pools on unequal ranks, in exact fractions; shares no code with the package."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

from .costs_oracle import Curve
from .oracle import count_vectors
from .windows_oracle import across_windows

Held = tuple[tuple[int, ...], ...]  # the experts on each rank


def every_packing(replicas: Sequence[int], slots: Sequence[int]) -> Iterator[Held]:
    """Each way to fill the ranks, all of them different by number, with so many slots each; once."""

    def fill(rank: int, left: tuple[int, ...]) -> Iterator[Held]:
        if rank == len(slots):
            yield ()
            return
        for held, rest in _chosen(left, slots[rank]):
            for others in fill(rank + 1, rest):
                yield (held, *others)

    yield from fill(0, tuple(sorted(replicas)))


def _chosen(left: tuple[int, ...], size: int) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Each multiset of so many replicas, and what is left."""
    if size == 0:
        yield (), left
        return
    for place, expert in enumerate(left):
        if place and left[place - 1] == expert:
            continue
        for held, rest in _chosen(left[place + 1 :], size - 1):
            yield (expert, *held), left[:place] + rest


def unequal_optimum(
    windows: Sequence[Sequence[Fraction]], weights: Sequence[float], speeds: Sequence[float], slots: Sequence[int],
    curve: Curve | None, per_rank: float, across: str, level: float,
) -> Fraction:  # fmt: skip
    """The least objective: the time of the slowest rank of added windows, or the windows' over their means."""
    cost: Callable[[Fraction], Fraction] = curve or (lambda n: n)
    running = [rank for rank, places in enumerate(slots) if places]
    pace = [Fraction(speeds[rank]) for rank in running]
    places = [slots[rank] for rank in running]
    shares = _shares(windows, weights)
    if across == "sum":
        windows = [[sum(column, Fraction(0)) for column in zip(*windows, strict=True)]]
    elif not shares:
        return Fraction(1)
    best = None
    for counts in count_vectors(len(windows[0]), sum(places), sum(places)):
        replicas = [expert for expert, count in enumerate(counts) for _ in range(count)]
        sizes = [[cost(load / count) for load, count in zip(window, counts, strict=True)] for window in windows]
        for held in every_packing(replicas, places):
            work = [[sum(size[e] for e in rank) + Fraction(per_rank) for rank in held] for size in sizes]
            value = _value(work, pace, shares, across, level)
            best = value if best is None else min(best, value)
    assert best is not None
    return best


def _shares(windows: Sequence[Sequence[Fraction]], weights: Sequence[float]) -> dict[int, Fraction]:
    """What each window with tokens weighs."""
    heard = {k: Fraction(weights[k]) for k, window in enumerate(windows) if sum(window) and weights[k]}
    whole = sum(heard.values())
    return {k: weight / whole for k, weight in heard.items()}


def _value(
    work: Sequence[Sequence[Fraction]], pace: Sequence[Fraction], shares: dict[int, Fraction], across: str, level: float
) -> Fraction:
    slowest = [max(w / v for w, v in zip(row, pace, strict=True)) for row in work]
    if across == "sum":
        return slowest[0]
    ratios = [
        slowest[k] * sum(pace) / sum(work[k]) if sum(work[k]) else Fraction(1)
        for k in shares
    ]  # fmt: skip
    return across_windows(ratios, list(shares.values()), across, Fraction(level))
