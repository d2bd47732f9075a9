"""Steps to measure: the tokens of each expert of a rank, equal and unequal; some to fit, others to judge the fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

Step = tuple[int, ...]  # tokens of each expert that the rank holds

EQUAL = (1, 4, 16, 32, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048)
MEANS = (
    1,
    4,
    16,
    64,
    96,
    128,
    160,
    256,
    512,
    1024,
)  # tokens an expert, of unequal steps
SPREADS = (0.5, 1.0, 1.5)  # of the logarithm of an expert's share
DRAWS = 2
HOT = (
    512,
    1024,
    2048,
    4096,
    8192,
    16384,
)  # tokens of one expert, the others being cool
COOL = (0, 8, 64)
# What no fit has seen: other means, spreads and random numbers.
OTHER_MEANS = (2, 9, 40, 90, 180, 350, 700)
OTHER_SPREADS = (0.25, 0.75, 1.25)
HELD = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)  # experts of a rank
MOST_TOKENS = 32768  # of a rank and step


def steps_to_fit(experts: int, seed: int = 0) -> list[Step]:
    """Steps to which a cost is fitted, of ranks with up to so many experts.

    Examples
    --------
    >>> steps = steps_to_fit(6)
    >>> steps[0], max(len(step) for step in steps)
    ((1,), 6)
    """
    found = list(_equal(experts))
    found += _unequal(experts, MEANS, SPREADS, seed)
    found += _with_hot_expert(experts)
    return _usable(found)


def steps_to_judge(experts: int, seed: int = 0) -> list[Step]:
    """Steps that are kept from the fit, by which it is judged.

    Examples
    --------
    >>> set(steps_to_fit(6)) & set(steps_to_judge(6))
    set()
    """
    seen = set(steps_to_fit(experts, seed))
    others = _unequal(experts, OTHER_MEANS, OTHER_SPREADS, seed + 1)
    return [step for step in _usable(others) if step not in seen]


def held_counts(experts: int) -> list[int]:
    """How many experts the ranks of measured steps hold, ascending."""
    return [held for held in HELD if held < experts] + [experts]


def _equal(experts: int) -> Iterator[Step]:
    for held in held_counts(experts):
        for tokens in EQUAL:
            yield (tokens,) * held


def _unequal(
    experts: int, means: Sequence[int], spreads: Sequence[float], seed: int
) -> list[Step]:
    """Tokens that are routed at random to experts of lognormal popularity."""
    random = np.random.default_rng(seed)
    found = []
    for held in held_counts(experts):
        for mean in means:
            for spread in spreads:
                for _ in range(DRAWS):
                    popularity = random.lognormal(0.0, spread, held)
                    shares = popularity / popularity.sum()
                    tokens = random.multinomial(held * mean, shares)
                    found.append(tuple(tokens.tolist()))
    return found


def _with_hot_expert(experts: int) -> Iterator[Step]:
    for held in held_counts(experts):
        for hot in HOT:
            for cool in COOL:
                yield (hot,) + (cool,) * (held - 1)


def _usable(steps: Sequence[Step]) -> list[Step]:
    """Each of them once, without those that are too large for a step."""
    return [step for step in dict.fromkeys(steps) if 0 < sum(step) <= MOST_TOKENS]
