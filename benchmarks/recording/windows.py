"""Which sequences make which window: windows of one kind each, and two days in which the kinds' shares drift."""

from __future__ import annotations

import math

import numpy as np

KIND_WINDOWS = 8  # of each kind
KIND_SEQUENCES = 8  # a window
DAYS = 2
DAY_WINDOWS = 48  # a day: one every half hour
DAY_SEQUENCES = 16  # a window
NARROW = 2.0  # the larger, the more a kind keeps to its hours
LEAST = 0.15  # of a kind's most, at any hour
UNEVEN = 0.3  # how much days differ: the deviation of a share's logarithm
SHARES = {"changelog": 0.4, "licence": 0.6}  # of kinds with less text; 1 for others

Window = list[tuple[str, int]]  # a kind and the number of a sequence of it


class Pile:
    """Held-out sequences, each given away once, in a random order."""

    def __init__(self, numbers: dict[str, int], seed: int) -> None:
        random = np.random.default_rng([seed, 1])
        self.left = {kind: random.permutation(number).tolist() for kind, number in numbers.items()}

    def take(self, kind: str, count: int) -> Window:
        """The next sequences of a kind."""
        if count > len(self.left[kind]):
            raise ValueError(f"{kind}: {len(self.left[kind])} sequences are left, and {count} are wanted")
        return [(kind, self.left[kind].pop()) for _ in range(count)]


def by_kind(pile: Pile) -> tuple[list[str], list[Window]]:
    """Labels and windows of one kind each."""
    labels = [kind for kind in pile.left for _ in range(KIND_WINDOWS)]
    return labels, [pile.take(kind, KIND_SEQUENCES) for kind in labels]


def days(pile: Pile, seed: int) -> tuple[list[str], list[Window]]:
    """Labels (``day 1 00:30``) and windows of two days."""
    random = np.random.default_rng([seed, 2])
    kinds = list(pile.left)
    labels = []
    windows = []
    for day in range(DAYS):
        uneven = np.exp(random.normal(0, UNEVEN, len(kinds)))
        for number in range(DAY_WINDOWS):
            minute = number * 24 * 60 // DAY_WINDOWS
            labels.append(f"day {day + 1} {minute // 60:02}:{minute % 60:02}")
            share = shares(kinds, minute / 60) * uneven
            counts = random.multinomial(DAY_SEQUENCES, share / share.sum())
            windows.append([one for kind, count in zip(kinds, counts, strict=True) for one in pile.take(kind, count)])
    return labels, windows


def shares(kinds: list[str], hour: float) -> np.ndarray:
    """How much of each kind comes at an hour: each has its own, spread over the day."""
    peaks = 24 * np.arange(len(kinds)) / len(kinds)
    bell = np.exp(NARROW * (np.cos(2 * math.pi * (hour - peaks) / 24) - 1))
    of_kind = np.array([SHARES.get(kind, 1.0) for kind in kinds])
    return of_kind * (LEAST + bell)
